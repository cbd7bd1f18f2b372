package slide

import (
	"strings"

	"bcc/fault"
	"bcc/slide/tiff"
)

// A generic TIFF: the largest page is level 0, and the others are further pages
// or SubIFDs of the same shape, as libvips, OME and many converters write them. A
// file with a single page is a flat slide.

func isTIFF(f *input) bool { return f.container() != nil }

func openGenericTIFF(s *Slide, f *input) error {
	var base *tiff.Directory
	var area int64
	var broken error
	for _, d := range f.tiff.Directories {
		kind, err := d.Uint(tiff.NewSubfileType, 0)
		if err != nil {
			return err
		}
		size, err := pageSize(d)
		if err != nil {
			broken = err
			continue
		}
		if kind&tiff.SubfileMask == 0 && size.Area() > area {
			base, area = d, size.Area()
		}
	}
	if base == nil {
		if broken == nil {
			broken = fault.New(fault.Unsupported, "the file holds masks only")
		}
		return broken
	}
	candidates := append([]*tiff.Directory{}, base.Sub...)
	for _, d := range f.tiff.Directories {
		if d != base && !associated(d) {
			candidates = append(candidates, d)
		}
	}
	pages, err := pyramid(base, candidates, f.size)
	if err != nil {
		return err
	}
	if err := s.usePages(pages); err != nil {
		return err
	}
	s.mpp, err = tiffMPP(base, f.tiff.Directories[0])
	return err
}

// associated reports whether a page is a label, a macro image or a mask by its
// own account. Such pages are never decoded.
func associated(d *tiff.Directory) bool {
	kind, err := d.Uint(tiff.NewSubfileType, 0)
	if err != nil || kind&tiff.SubfileMask != 0 || kind == 9 { // 9: a macro image in Aperio's way
		return true
	}
	text, err := d.Text(tiff.ImageDescription, 256)
	if err != nil {
		return true
	}
	text = strings.ToLower(text)
	for _, word := range []string{"label", "macro", "thumbnail"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
