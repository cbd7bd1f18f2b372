package synth

import (
	"context"
	"fmt"
	"io"

	"bcc/synth/tiffwrite"
	"bcc/wsi"
)

// aperio writes an SVS file: the base level, a thumbnail in strips, the smaller
// levels a factor 4 apart, then a label and a macro picture. Those two are plain
// squares of colour: a reader that shows them has opened what it should not.
type aperio struct {
	*pyramid
	file  *tiffwrite.File
	thumb *tiffwrite.Page
	size  wsi.Size // of the thumbnail
	small []byte   // its pixels
	label *tiffwrite.Page
	macro *tiffwrite.Page
}

// The sizes of the associated pictures.
var (
	labelSize = wsi.Size{W: 387, H: 463}
	macroSize = wsi.Size{W: 1280, H: 431}
)

func newAperio(s *Scene, w io.WriterAt, wc WriteConfig) (*aperio, error) {
	size := s.cfg.Size
	a := &aperio{file: tiffwrite.New(w, tiffwrite.Options{})}
	side := max(size.W, size.H)
	a.size = wsi.Size{W: max(size.W*min(768, side)/side, 1), H: max(size.H*min(768, side)/side, 1)}
	a.small = make([]byte, 3*a.size.Area())

	const library = "Aperio Image Library v10.0.51"
	scan := fmt.Sprintf("|AppMag = %d|StripeWidth = 2040|MPP = %.4f", appMag(s.cfg.MPP), s.cfg.MPP)
	page := func(level int, h tiffwrite.Header) *tiffwrite.Page {
		h.Reduced, h.Software = false, "" // Aperio marks neither
		h.MPP = wsi.MPP{}                 // the scale stands in the description alone
		h.Description = fmt.Sprintf("%s\r\n%v [0,0 %v] (%dx%d) JPEG/RGB Q=%d%s", library, size, size,
			h.Tile.W, h.Tile.H, s.optics.quality, scan)
		if level > 0 {
			h.Description = fmt.Sprintf("%s\r\n%v [0,0 %v] (%dx%d) -> %v JPEG/RGB Q=%d%s", library, size, size,
				h.Tile.W, h.Tile.H, h.Size, s.optics.quality, scan)
		}
		p := a.file.Page(h)
		if level == 0 {
			a.thumb = a.file.Page(tiffwrite.Header{Size: a.size, StripRows: a.size.H, Samples: 3,
				Compression: tiffwrite.LZW, Photometric: tiffwrite.RGB, Predictor: true,
				Description: fmt.Sprintf("%s\r\n%v -> %v - |AppMag = %d", library, size, a.size, appMag(s.cfg.MPP))})
		}
		return p
	}
	var err error
	a.pyramid, err = newPyramid(s, a.file, wc, pyramidConfig{tile: smallTileSize, factor: 4, rgb: true, page: page})
	if err != nil {
		return nil, err
	}
	flat := tiffwrite.Header{Samples: 3, Compression: tiffwrite.LZW, Photometric: tiffwrite.RGB, Predictor: true}
	l, m := flat, flat
	l.Size, l.StripRows, l.Associated, l.Description = labelSize, labelSize.H, 1, library+"\r\nlabel "+labelSize.String()
	m.Size, m.StripRows, m.Associated, m.Description = macroSize, macroSize.H, 9, library+"\r\nmacro "+macroSize.String()
	a.label, a.macro = a.file.Page(l), a.file.Page(m)
	return a, nil
}

// appMag returns the objective that a scale stands for.
func appMag(mpp float64) int {
	if mpp < 0.375 {
		return 40
	}
	return 20
}

func (a *aperio) put(worker, tx, ty int, rgb []byte, blank bool) error {
	a.sample(tx, ty, rgb)
	return a.pyramid.put(worker, tx, ty, rgb, blank)
}

// sample takes the thumbnail's pixels that lie in the tile.
func (a *aperio) sample(tx, ty int, rgb []byte) {
	n, full := a.cfg.tile, a.scene.cfg.Size
	from := func(t, small, full int) int { return ceilDiv(t*n*small, full) } // first pixel whose source is not before the tile
	for y := from(ty, a.size.H, full.H); y < min(from(ty+1, a.size.H, full.H), a.size.H); y++ {
		for x := from(tx, a.size.W, full.W); x < min(from(tx+1, a.size.W, full.W), a.size.W); x++ {
			sx, sy := x*full.W/a.size.W-tx*n, y*full.H/a.size.H-ty*n
			copy(a.small[3*(y*a.size.W+x):][:3], rgb[3*(sy*n+sx):])
		}
	}
}

func (a *aperio) row(ctx context.Context, ty int) error { return a.pyramid.row(ctx, ty) }

func (a *aperio) finish() error {
	plain := func(size wsi.Size, px uint32) []byte {
		b := make([]byte, 3*size.Area())
		fill(b, px)
		return b
	}
	for _, q := range []struct {
		page *tiffwrite.Page
		size wsi.Size
		pix  []byte
	}{
		{a.thumb, a.size, a.small},
		{a.label, labelSize, plain(labelSize, 0xff00ff)},
		{a.macro, macroSize, plain(macroSize, 0x00ff00)},
	} {
		tiffwrite.Differentiate(q.pix, 3*q.size.W, 3)
		if err := q.page.Append(tiffwrite.EncodeLZW(nil, q.pix)); err != nil {
			return err
		}
	}
	return a.pyramid.finish()
}
