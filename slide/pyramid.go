package slide

import (
	"cmp"
	"math"
	"slices"

	"bcc/fault"
	"bcc/slide/tiff"
	"bcc/wsi"
)

// pyramid returns the pages of a slide, the largest first: base and those of the
// candidates that show the same picture smaller. A candidate that is not of the
// same shape is never looked into: it may be a label. One that we cannot read is
// left out, one that is damaged is an error, since the file is.
func pyramid(base *tiff.Directory, candidates []*tiff.Directory, fileSize int64) ([]*page, error) {
	first, err := newPage(base, fileSize)
	if err != nil {
		return nil, err
	}
	pages := []*page{first}
	for _, d := range candidates {
		size, err := pageSize(d)
		if err != nil || !smaller(first.size, size) {
			continue
		}
		p, err := newPage(d, fileSize)
		if err != nil {
			if fault.Of(err) == fault.Unsupported {
				continue
			}
			return nil, wrap(err, "level of %v", size)
		}
		pages = append(pages, p)
	}
	slices.SortStableFunc(pages, func(a, b *page) int { return cmp.Compare(b.size.Area(), a.size.Area()) })
	return slices.CompactFunc(pages, func(a, b *page) bool { return a.size == b.size }), nil
}

// smaller reports whether a picture of size s can be one of size base made
// smaller: both sides shrink alike, but for the rounding of their sizes.
func smaller(base, s wsi.Size) bool {
	x, y := float64(base.W)/float64(s.W), float64(base.H)/float64(s.H)
	if x < 1.1 || y < 1.1 {
		return false
	}
	// One pixel of the smaller picture either way, and what cascades of halving lose.
	slack := 0.005 + 1.5/float64(s.W) + 1.5/float64(s.H)
	return math.Abs(x/y-1) <= slack
}

// downsample returns the base pixels that a pixel of a level spans. Pyramids are
// made by whole factors and their sizes are rounded, so a whole factor that
// explains both sides is the truth: 32634/4079 means 8, not 8.0005, and over a
// slide the difference is a patch's shift by several pixels.
func downsample(base, s wsi.Size) (x, y float64) {
	x, y = float64(base.W)/float64(s.W), float64(base.H)/float64(s.H)
	explains := func(k float64) bool {
		off := func(b, s int) bool { return math.Abs(float64(b)-k*float64(s)) < k }
		return k >= 1 && off(base.W, s.W) && off(base.H, s.H)
	}
	power := math.Exp2(math.Round(math.Log2(math.Sqrt(x * y))))
	for _, k := range []float64{power, math.Round(math.Sqrt(x * y))} {
		if explains(k) {
			return k, k
		}
	}
	return x, y
}
