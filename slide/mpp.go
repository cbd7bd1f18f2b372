package slide

import (
	"encoding/xml"
	"io"
	"strconv"
	"strings"

	"bcc/slide/tiff"
	"bcc/wsi"
)

// plausible returns a scale in µm per pixel if it can be one of a slide, else
// zero. Writers that know nothing put 72 or 96 dpi (353 and 265 µm) or 1 there.
func plausible(x, y float64) wsi.MPP {
	ok := func(v float64) bool { return v >= 0.05 && v <= 20 } // false for NaN
	if !ok(x) || !ok(y) || x > 2*y || y > 2*x {
		return wsi.MPP{}
	}
	return wsi.MPP{X: x, Y: y}
}

// tiffMPP returns the scale of a page: from Aperio's or OME's description on the
// file's first page, else from the page's resolution; zero where neither knows.
func tiffMPP(base, first *tiff.Directory) (wsi.MPP, error) {
	text, err := first.Text(tiff.ImageDescription, maxDescription)
	if err != nil {
		return wsi.MPP{}, err
	}
	for _, describe := range []func(string) wsi.MPP{aperioMPP, omeMPP} {
		if mpp := describe(text); mpp.Valid() {
			return mpp, nil
		}
	}
	unit, err := base.Uint(tiff.ResolutionUnit, 2)
	if err != nil {
		return wsi.MPP{}, err
	}
	x, err := base.Float(tiff.XResolution)
	if err != nil {
		return wsi.MPP{}, err
	}
	y, err := base.Float(tiff.YResolution)
	if err != nil {
		return wsi.MPP{}, err
	}
	switch unit {
	case 2: // per inch
		return plausible(25400/x, 25400/y), nil
	case 3: // per centimetre
		return plausible(10000/x, 10000/y), nil
	}
	return wsi.MPP{}, nil
}

// omeMPP reads PhysicalSizeX and PhysicalSizeY of the first Pixels element of an
// OME-XML text; the unit is µm unless it says otherwise.
func omeMPP(text string) wsi.MPP {
	if !strings.Contains(text, "<OME") && !strings.Contains(text, ":OME") {
		return wsi.MPP{}
	}
	dec := xml.NewDecoder(strings.NewReader(text))
	dec.Strict = false
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // only ASCII matters
	for {
		token, err := dec.RawToken()
		if err != nil {
			return wsi.MPP{}
		}
		e, ok := token.(xml.StartElement)
		if !ok || e.Name.Local != "Pixels" {
			continue
		}
		at := map[string]string{}
		for _, a := range e.Attr {
			at[a.Name.Local] = a.Value
		}
		return plausible(
			physical(at["PhysicalSizeX"], at["PhysicalSizeXUnit"]),
			physical(at["PhysicalSizeY"], at["PhysicalSizeYUnit"]))
	}
}

// physical returns a length in µm, 0 where it is none.
func physical(value, unit string) float64 {
	v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return 0
	}
	switch unit {
	case "", "\u00b5m", "\u03bcm", "um", "micron", "micrometer":
		return v
	case "nm":
		return v / 1e3
	case "mm":
		return v * 1e3
	case "cm":
		return v * 1e4
	case "m":
		return v * 1e6
	}
	return 0
}
