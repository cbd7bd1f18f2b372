// Package synth makes synthetic whole-slide images of skin, stained with
// haematoxylin and eosin, whose truth is known: basal cell carcinoma (BCC) or not,
// where it lies, and what each pixel shows.
//
// In: a Config, above all its seed. Out: a Scene that renders any rectangle of the
// slide, and files: the slide as one of several variants, a per-pixel class mask,
// and the truth as JSON and GeoJSON. The same Config gives the same bytes whatever
// the number of workers and however the slide is cut.
//
//	Config ─ New ─► Scene ─ Render ─► RGB and classes of any rectangle
//	   sections, their layers, nests,   └─ Write ─► pyramid + mask, a row of tiles at a time
//	   adnexa, every single cell        └─ Truth ─► label, lesions as polygons, areas
//
// Everything is drawn in concentrations of the two stains and becomes light only
// at the end (Beer-Lambert), as on glass. The slides are stylised: they serve tests,
// demonstrations, load, and the training of demonstration models. They carry no
// clinical truth.
//
// Positions are level-0 pixels in what is exported and micrometres inside.
package synth

import (
	"errors"
	"slices"

	"bcc/fault"
	"bcc/wsi"
)

// Version is the generator's version; it changes whenever the same Config would
// give other bytes.
const Version = 1

// Growth is the way a BCC grows.
type Growth string

// The growth patterns. Any lets the seed choose.
const (
	Any          Growth = ""
	Nodular      Growth = "nodular"
	Superficial  Growth = "superficial"
	Infiltrative Growth = "infiltrative"
)

// Growths returns the growth patterns that can be asked for.
func Growths() []Growth { return []Growth{Nodular, Superficial, Infiltrative} }

// Variant is the kind of file a slide is written as.
type Variant string

// The variants.
const (
	Pyramid     Variant = "pyramid"      // tiled JPEG BigTIFF as COBRA has it, 512-px tiles, a factor 2, resolution tags
	Cobra       Variant = "cobra"        // as pyramid, and a set has the folders and tables of COBRA
	SVS         Variant = "svs"          // Aperio: MPP in the description, RGB JPEG, thumbnail, label and macro pages
	Flat        Variant = "flat"         // one level in strips, uncompressed
	FlatLZW     Variant = "flat-lzw"     // one level in strips, LZW with predictor
	FlatDeflate Variant = "flat-deflate" // one level in strips, deflate with predictor
	NoMPP       Variant = "no-mpp"       // as pyramid, without a physical scale
	Rotated     Variant = "rotated"      // as pyramid, the tissue at any angle
	BigEndian   Variant = "big-endian"   // as pyramid, a classic TIFF in the other byte order, 256-px tiles
	PNG         Variant = "png"          // one picture, no physical scale
	JPEG        Variant = "jpeg"         // one picture, no physical scale
)

// Variants returns every variant.
func Variants() []Variant {
	return []Variant{Pyramid, Cobra, SVS, Flat, FlatLZW, FlatDeflate, NoMPP, Rotated, BigEndian, PNG, JPEG}
}

// Ext returns the variant's file name extension.
func (v Variant) Ext() string {
	switch v {
	case SVS:
		return ".svs"
	case PNG:
		return ".png"
	case JPEG:
		return ".jpg"
	}
	return ".tif"
}

// Limits of Config.
const (
	minSide    = 64
	maxSide    = 40_000
	maxPicture = 64 << 20 // pixels of a PNG or JPEG, which are made in memory
	minMPP     = 0.2
	maxMPP     = 1.0
	minUM      = 200.0 // less than this holds no nest
)

// Config says what slide to make. DefaultConfig is a good start.
type Config struct {
	Seed    uint64   // everything follows from it
	Size    wsi.Size // level-0 pixels, 64 to 40,000 a side and at least 200 µm (default 12,800, the median of COBRA)
	MPP     float64  // micrometres per pixel, 0.2 to 1 (default 0.5)
	BCC     bool     // whether the slide holds a carcinoma
	Growth  Growth   // of the carcinoma; Any: by the seed
	Variant Variant  // the kind of file (default Pyramid)
	Clean   bool     // no artefacts: no fold, pen mark or blur (default false)
}

// DefaultConfig returns a negative slide of COBRA's median size.
func DefaultConfig() Config {
	return Config{Seed: 1, Size: wsi.Size{W: 12800, H: 12800}, MPP: 0.5, Variant: Pyramid}
}

// Validate returns every problem of the Config at once.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fault.New(fault.Invalid, format, args...))
	}
	if min(c.Size.W, c.Size.H) < minSide || max(c.Size.W, c.Size.H) > maxSide {
		bad("size %v: each side must be %d to %d pixels", c.Size, minSide, maxSide)
	}
	if !(c.MPP >= minMPP && c.MPP <= maxMPP) { // written so that NaN fails
		bad("mpp %v: must be %v to %v micrometres per pixel", c.MPP, minMPP, maxMPP)
	}
	if um := float64(min(c.Size.W, c.Size.H)) * c.MPP; um < minUM {
		bad("size %v at %v micrometres per pixel: the shorter side spans %.0f µm, at least %.0f are needed", c.Size, c.MPP, um, minUM)
	}
	if c.Growth != Any && !slices.Contains(Growths(), c.Growth) {
		bad("growth %q: want one of %v", c.Growth, Growths())
	}
	if c.Growth != Any && !c.BCC {
		bad("growth %q asked for on a slide without BCC", c.Growth)
	}
	if !slices.Contains(Variants(), c.Variant) {
		bad("variant %q: want one of %v", c.Variant, Variants())
	}
	if (c.Variant == PNG || c.Variant == JPEG) && c.Size.Area() > maxPicture {
		bad("size %v: a %s holds at most %d pixels", c.Size, c.Variant, maxPicture)
	}
	if len(errs) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "synthetic slide: %w", errors.Join(errs...))
}
