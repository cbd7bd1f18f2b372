package synth

import (
	"context"

	"bcc/synth/tiffwrite"
	"bcc/wsi"
)

// pyramidConfig says how a pyramid is stored.
type pyramidConfig struct {
	tile    int     // a power of two
	factor  int     // between stored levels: 2 or 4
	mpp     wsi.MPP // zero: no resolution tags
	rgb     bool    // components are red, green, blue
	quality int     // 0: the scene's
	// page returns the page of a stored level; nil: a plain one.
	page func(level int, h tiffwrite.Header) *tiffwrite.Page
}

// pyramid takes level-0 tiles and makes every smaller level from bands of them as
// they pass: each tile is halved into the band of the next level, and a band of two
// tile rows is cut into tiles when it is full.
//
//	level 0   ▢▢▢▢  row 0 ─┐ halved, side by side
//	          ▢▢▢▢  row 1 ─┴─► level 1  ▢▢  ─┐
//	          ...                       ▢▢  ─┴─► level 2 ...
type pyramid struct {
	scene    *Scene
	file     *tiffwrite.File
	cfg      pyramidConfig
	workers  int
	encoders []TileEncoder
	levels   []*level
}

// level is one halving of the slide, stored or not.
type level struct {
	size    wsi.Size
	cols    int
	rows    int
	page    *tiffwrite.Page // nil: a halving that is not stored
	band    []byte          // one row of tiles, tile after tile; nil at level 0
	blank   []bool          // by tile of the band
	encoded [][]byte        // one row of tiles
	white   []byte          // an encoded blank tile
}

func newPyramid(s *Scene, f *tiffwrite.File, wc WriteConfig, cfg pyramidConfig) (*pyramid, error) {
	p := &pyramid{scene: s, file: f, cfg: cfg, workers: wc.Workers}
	quality := cfg.quality
	if quality == 0 {
		quality = s.optics.quality
	}
	for range wc.Workers {
		e, err := wc.NewEncoder(quality, s.optics.chroma)
		if err != nil {
			p.close()
			return nil, err
		}
		p.encoders = append(p.encoders, e)
	}
	glass := make([]byte, 3*cfg.tile*cfg.tile)
	fill(glass, s.optics.white)
	white, err := p.encode(0, glass)
	if err != nil {
		p.close()
		return nil, err
	}
	stored := 0
	for i, size := range levelSizes(s.cfg.Size, 2, cfg.tile) {
		l := &level{size: size, cols: ceilDiv(size.W, cfg.tile), rows: ceilDiv(size.H, cfg.tile), white: white}
		l.encoded, l.blank = make([][]byte, l.cols), make([]bool, l.cols)
		if i > 0 {
			l.band = make([]byte, l.cols*3*cfg.tile*cfg.tile)
			p.wipe(l)
		}
		if cfg.factor == 2 || i%2 == 0 {
			l.page = p.newPage(stored, size)
			stored++
		}
		p.levels = append(p.levels, l)
	}
	return p, nil
}

func (p *pyramid) newPage(stored int, size wsi.Size) *tiffwrite.Page {
	h := tiffwrite.Header{
		Size: size, Tile: wsi.Size{W: p.cfg.tile, H: p.cfg.tile}, Samples: 3,
		Compression: tiffwrite.JPEG, Photometric: tiffwrite.YCbCr, Subsampling: 1,
		Reduced: stored > 0, MPP: downMPP(p.cfg.mpp, p.scene.cfg.Size, size), Tables: p.encoders[0].Tables(),
	}
	if p.scene.optics.chroma == "420" {
		h.Subsampling = 2
	}
	if p.cfg.rgb {
		h.Photometric = tiffwrite.RGB
	}
	if stored == 0 {
		h.Software = "bcc synth"
	}
	if p.cfg.page != nil {
		return p.cfg.page(stored, h)
	}
	return p.file.Page(h)
}

func (p *pyramid) tile() int { return p.cfg.tile }

func (p *pyramid) close() {
	for _, e := range p.encoders {
		e.Close()
	}
}

func (p *pyramid) finish() error { return p.file.Close() }

func (p *pyramid) encode(worker int, rgb []byte) ([]byte, error) {
	n := p.cfg.tile
	return p.encoders[worker].EncodeAbbreviated(nil, rgb, n, n, p.cfg.rgb)
}

func (p *pyramid) put(worker, tx, ty int, rgb []byte, blank bool) error {
	return p.store(worker, 0, tx, ty, rgb, blank)
}

// store encodes a tile and halves it into the next level.
func (p *pyramid) store(worker, li, tx, ty int, rgb []byte, blank bool) error {
	l := p.levels[li]
	if l.page != nil {
		l.encoded[tx] = l.white
		if !blank {
			b, err := p.encode(worker, rgb)
			if err != nil {
				return err
			}
			l.encoded[tx] = b
		}
	}
	if li+1 < len(p.levels) && !blank {
		p.halve(p.levels[li+1], tx, ty, rgb)
	}
	return nil
}

// halve writes the tile, averaged 2 by 2, into its quarter of the next level's band.
// Tiles that meet in one tile there write to parts of their own.
func (p *pyramid) halve(next *level, tx, ty int, rgb []byte) {
	n := p.cfg.tile
	if tx/2 >= next.cols {
		return // an odd last column that the next level rounds away
	}
	dst := next.band[tx/2*3*n*n:]
	x0, y0 := tx%2*n/2, ty%2*n/2
	for y := range n / 2 {
		a, b := rgb[3*n*2*y:3*n*(2*y+1)], rgb[3*n*(2*y+1):3*n*(2*y+2)]
		d := dst[3*((y0+y)*n+x0) : 3*((y0+y)*n+x0+n/2)]
		for i, j := 0, 0; i+2 < len(d); i, j = i+3, j+6 {
			d[i] = byte((uint32(a[j]) + uint32(a[j+3]) + uint32(b[j]) + uint32(b[j+3]) + 2) >> 2)
			d[i+1] = byte((uint32(a[j+1]) + uint32(a[j+4]) + uint32(b[j+1]) + uint32(b[j+4]) + 2) >> 2)
			d[i+2] = byte((uint32(a[j+2]) + uint32(a[j+5]) + uint32(b[j+2]) + uint32(b[j+5]) + 2) >> 2)
		}
	}
}

// row stores a finished row of level 0 and whatever it completes above.
func (p *pyramid) row(ctx context.Context, ty int) error { return p.rowDone(ctx, 0, ty) }

func (p *pyramid) rowDone(ctx context.Context, li, ty int) error {
	l := p.levels[li]
	for i, b := range l.encoded {
		if l.page != nil {
			if err := l.page.Append(b); err != nil {
				return err
			}
		}
		l.encoded[i] = nil
	}
	if li+1 == len(p.levels) {
		return nil
	}
	next := p.levels[li+1]
	if ty%2 == 0 && ty+1 < l.rows || ty/2 >= next.rows {
		return nil
	}
	n := p.cfg.tile
	white := p.scene.optics.white
	err := each(ctx, p.workers, next.cols, func(worker, tx int) error {
		rgb := next.band[tx*3*n*n : (tx+1)*3*n*n]
		return p.store(worker, li+1, tx, ty/2, rgb, uniform(rgb, white))
	})
	if err != nil {
		return err
	}
	if err := p.rowDone(ctx, li+1, ty/2); err != nil {
		return err
	}
	p.wipe(next)
	return nil
}

func (p *pyramid) wipe(l *level) { fill(l.band, p.scene.optics.white) }

// uniform reports whether every pixel has the colour.
func uniform(rgb []byte, px uint32) bool {
	r, g, b := byte(px>>16), byte(px>>8), byte(px)
	for i := 0; i+2 < len(rgb); i += 3 {
		if rgb[i] != r || rgb[i+1] != g || rgb[i+2] != b {
			return false
		}
	}
	return true
}
