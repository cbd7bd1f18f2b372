package slide

import (
	"context"

	"bcc/fault"
	"bcc/wsi"
)

// checkPicture refuses pictures that do not fit into memory.
func checkPicture(w, h int64) error {
	if w <= 0 || h <= 0 {
		return fault.New(fault.Corrupt, "the image has no extent (%dx%d)", w, h)
	}
	if w > maxSide || h > maxSide || w*h > maxPicturePixels {
		return fault.Hint(
			fault.New(fault.Unsupported, "a picture of %dx%d pixels is %w (%d are possible)", w, h, ErrTooLarge, maxPicturePixels),
			"convert it to a tiled pyramid: vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg --bigtiff")
	}
	return nil
}

// usePicture makes a picture in memory the one level.
func (s *Slide) usePicture(m *wsi.Image) {
	rows := min(m.H, 64)
	s.levels = []level{{
		Level:  wsi.Level{Size: m.Size, DownX: 1, DownY: 1, Tile: wsi.Size{W: m.W, H: rows}},
		layout: &picture{m, rows},
		cols:   1,
		rows:   (m.H + rows - 1) / rows,
		strips: true,
		absent: func(int) bool { return false },
		memory: m,
	}}
}

// picture is a level in memory; a segment is some of its rows.
type picture struct {
	m    *wsi.Image
	rows int
}

func (p *picture) decode(_ context.Context, i, _ int, dst []byte) error {
	first := 3 * p.m.W * p.rows * i
	copy(dst, p.m.Pix[first:min(first+3*p.m.W*p.rows, len(p.m.Pix))])
	return nil
}
