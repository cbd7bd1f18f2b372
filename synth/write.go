package synth

import (
	"context"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
	"bcc/synth/tiffwrite"
	"bcc/wsi"
)

// WriteConfig says how a slide is written.
type WriteConfig struct {
	// NewEncoder makes a JPEG encoder; each worker has its own. subsampling is "444"
	// or "420". Default NewGoEncoder: slower, and other bytes than the native one's.
	NewEncoder func(quality int, subsampling string) (TileEncoder, error)
	Workers    int // goroutines; the bytes do not depend on it (default: one a core)
	// Tissue, where set, gets a mask of what is tissue, 1 or 0 a pixel, as COBRA has one.
	Tissue io.WriterAt
}

func (c WriteConfig) withDefaults() WriteConfig {
	if c.NewEncoder == nil {
		c.NewEncoder = NewGoEncoder
	}
	if c.Workers < 1 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	return c
}

// The tile of masks, of most slides, and of Aperio's and the classic ones.
const (
	tileSize      = 512
	smallTileSize = 256
)

// Write writes the slide to slide, and its mask (one byte a pixel, a tiled deflate
// BigTIFF; see the Class constants) to mask where that is not nil. It renders a row
// of tiles at a time: memory grows with the slide's width, not with its height
// (178 MB at 40,000 pixels). Only PNG and JPEG pictures are made in memory whole.
func Write(ctx context.Context, slide, mask io.WriterAt, s *Scene, cfg WriteConfig) error {
	cfg = cfg.withDefaults()
	v := s.cfg.Variant
	if v == PNG || v == JPEG {
		return s.writePicture(ctx, slide, mask, cfg)
	}
	out, err := newLayout(s, slide, cfg)
	if err != nil {
		return err
	}
	defer out.close()
	return s.write(ctx, out, mask, cfg)
}

// target takes a slide's level-0 tiles, a row at a time.
type target interface {
	tile() int
	// put takes the pixels of one tile, which always are tile×tile; blank says that it
	// is clear glass. Goroutines call it for tiles of one row at the same time; worker
	// numbers them.
	put(worker, tx, ty int, rgb []byte, blank bool) error
	// row is called when all tiles of row ty are put.
	row(ctx context.Context, ty int) error
	finish() error
	close()
}

// write renders the slide into out and mask.
func (s *Scene) write(ctx context.Context, out target, mask io.WriterAt, cfg WriteConfig) error {
	n := out.tile()
	cols, rows := ceilDiv(s.cfg.Size.W, n), ceilDiv(s.cfg.Size.H, n)
	m := newMaskWriter(s, mask, n, cols, maskClasses)
	tissue := newMaskWriter(s, cfg.Tissue, n, cols, "0 background, 1 tissue")
	type scratch struct{ rgb, mask []byte }
	work := make([]scratch, cfg.Workers)
	for i := range work {
		work[i] = scratch{make([]byte, 3*n*n), make([]byte, n*n)}
	}
	for ty := range rows {
		err := each(ctx, cfg.Workers, cols, func(worker, tx int) error {
			w := &work[worker]
			touched := s.Render(wsi.Rect{X: tx * n, Y: ty * n, W: n, H: n}, w.rgb, w.mask)
			if err := m.put(tx, w.mask, !touched); err != nil {
				return err
			}
			if err := out.put(worker, tx, ty, w.rgb, !touched); err != nil || cfg.Tissue == nil {
				return err
			}
			for i, class := range w.mask {
				w.mask[i] = min(class, 1)
			}
			return tissue.put(tx, w.mask, !touched)
		})
		if err == nil {
			err = out.row(ctx, ty)
		}
		if err == nil {
			err = m.row()
		}
		if err == nil {
			err = tissue.row()
		}
		if err != nil {
			return err
		}
	}
	if err := out.finish(); err != nil {
		return err
	}
	if err := m.finish(); err != nil {
		return err
	}
	return tissue.finish()
}

// each calls f for 0 to n-1 on some workers and returns the first error.
func each(ctx context.Context, workers, n int, f func(worker, i int) error) error {
	var next atomic.Int64
	eg, ctx := errgroup.WithContext(ctx)
	for worker := range min(workers, n) {
		eg.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := f(worker, i); err != nil {
					return err
				}
			}
		})
	}
	return eg.Wait()
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// newLayout opens the variant's kind of file.
func newLayout(s *Scene, w io.WriterAt, cfg WriteConfig) (target, error) {
	switch s.cfg.Variant {
	case Flat, FlatLZW, FlatDeflate:
		return newStrips(s, w, cfg), nil
	case SVS:
		return newAperio(s, w, cfg)
	case BigEndian:
		f := tiffwrite.New(w, tiffwrite.Options{BigEndian: true})
		return newPyramid(s, f, cfg, pyramidConfig{tile: smallTileSize, factor: 2, mpp: s.mpp()})
	case NoMPP:
		f := tiffwrite.New(w, tiffwrite.Options{Big: true})
		return newPyramid(s, f, cfg, pyramidConfig{tile: tileSize, factor: 2})
	}
	f := tiffwrite.New(w, tiffwrite.Options{Big: true})
	return newPyramid(s, f, cfg, pyramidConfig{tile: tileSize, factor: 2, mpp: s.mpp()})
}

// writePicture writes the slide as one PNG or JPEG picture, the mask as always.
func (s *Scene) writePicture(ctx context.Context, w, mask io.WriterAt, cfg WriteConfig) error {
	p := &picture{scene: s, w: io.NewOffsetWriter(w, 0),
		img: image.NewNRGBA(image.Rect(0, 0, s.cfg.Size.W, s.cfg.Size.H))}
	return s.write(ctx, p, mask, cfg)
}

// picture gathers a whole slide in memory.
type picture struct {
	scene *Scene
	w     io.Writer
	img   *image.NRGBA
}

func (p *picture) tile() int { return tileSize }

func (p *picture) put(_, tx, ty int, rgb []byte, _ bool) error {
	for y := range min(tileSize, p.img.Rect.Max.Y-ty*tileSize) {
		dst := p.img.Pix[p.img.PixOffset(tx*tileSize, ty*tileSize+y):]
		for x := range min(tileSize, p.img.Rect.Max.X-tx*tileSize) {
			copy(dst[4*x:4*x+3], rgb[3*(y*tileSize+x):])
			dst[4*x+3] = 255
		}
	}
	return nil
}

func (p *picture) row(context.Context, int) error { return nil }
func (p *picture) close()                         {}

func (p *picture) finish() error {
	var err error
	if p.scene.cfg.Variant == PNG {
		err = png.Encode(p.w, p.img)
	} else {
		err = jpeg.Encode(p.w, p.img, &jpeg.Options{Quality: p.scene.optics.quality})
	}
	if err != nil {
		return fault.New(fault.Unavailable, "write %s picture: %w", p.scene.cfg.Variant, err)
	}
	return nil
}

// levelSizes returns the sizes of a pyramid's levels, each a factor smaller, down to the
// first that fits one tile.
func levelSizes(size wsi.Size, factor, tile int) []wsi.Size {
	out := []wsi.Size{size}
	for max(size.W, size.H) > tile && len(out) < 12 {
		size = wsi.Size{W: max(size.W/factor, 1), H: max(size.H/factor, 1)}
		out = append(out, size)
	}
	return out
}

// downMPP returns the scale of a level.
func downMPP(m wsi.MPP, full, level wsi.Size) wsi.MPP {
	if !m.Valid() {
		return wsi.MPP{}
	}
	f := math.Round(float64(full.W) / float64(level.W))
	return wsi.MPP{X: m.X * f, Y: m.Y * f}
}
