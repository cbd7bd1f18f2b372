package slide

import (
	"strconv"
	"strings"

	"bcc/slide/tiff"
	"bcc/wsi"
)

// Aperio SVS. Tiled pages are the levels, the largest first; pages of strips are
// a thumbnail (the second page), a label and a macro image, none of which is
// decoded. JPEG tiles may be RGB without a word of it in the stream, and JPEG
// 2000 has compressions of its own (codec.go). The image description of the first
// page holds the scale among words that may name a patient: numbers only.

const aperioPrefix = "Aperio"

func isAperio(f *input) bool {
	c := f.container()
	if c == nil || !c.Directories[0].Has(tiff.TileWidth) { // else it is an export, not a scan
		return false
	}
	text, err := c.Directories[0].Text(tiff.ImageDescription, 16)
	return err == nil && strings.HasPrefix(text, aperioPrefix)
}

func openAperio(s *Slide, f *input) error {
	var tiled []*tiff.Directory
	for _, d := range f.tiff.Directories {
		if d.Has(tiff.TileWidth) {
			tiled = append(tiled, d)
		}
	}
	pages, err := pyramid(tiled[0], append(tiled[1:], tiled[0].Sub...), f.size)
	if err != nil {
		return err
	}
	if err := s.usePages(pages); err != nil {
		return err
	}
	s.mpp, err = tiffMPP(tiled[0], tiled[0])
	return err
}

// aperioMPP finds "MPP = 0.4990" between the bars of a description.
func aperioMPP(text string) wsi.MPP {
	if !strings.HasPrefix(text, aperioPrefix) {
		return wsi.MPP{}
	}
	for field := range strings.SplitSeq(text, "|") {
		key, value, found := strings.Cut(field, "=")
		if !found || strings.TrimSpace(key) != "MPP" {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err == nil {
			return plausible(v, v)
		}
	}
	return wsi.MPP{}
}
