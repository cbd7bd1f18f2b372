package patch

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
	"bcc/wsi"
)

// Source is a slide as the reader sees it. Several goroutines call Read at once.
type Source interface {
	Levels() []wsi.Level
	// Read writes the pixels of r, in pixels of the level, to dst as RGB
	// (3*r.W*r.H bytes). What lies outside the level is white.
	Read(ctx context.Context, level int, r wsi.Rect, dst []byte) error
}

// runLength is how many patches in a row one goroutine takes at a time, so that
// neighbours, which share tiles, are mostly read one after the other.
const runLength = 8

// maxPixels bounds what is read at once: with a level far finer than the model's
// scale a patch is read in slabs, so that memory stays flat. 4 Mpx are 12 MB.
const maxPixels = 4 << 20

// maxShrink bounds how much finer than the model's scale the level may be: the
// filter's weights have 14 bits, and memory grows with the square.
const maxShrink = 128

// Reader reads the planned patches of one slide. It may be used by several
// goroutines and more than once.
type Reader struct {
	src   Source
	grid  *wsi.Grid
	cfg   Config
	level wsi.Level // the one that is read
	x, y  *axis
	order []int32
	pool  *pool
}

// NewReader prepares to read the patches of g from src.
func NewReader(src Source, g *wsi.Grid, cfg Config) (*Reader, error) {
	cfg = cfg.filled()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	levels := src.Levels()
	if len(levels) == 0 {
		return nil, fault.New(fault.Invalid, "read patches: the slide has no levels")
	}
	if g.Patch.W < 1 || g.Patch.H < 1 || g.Stride.W < 1 || g.Stride.H < 1 {
		return nil, fault.New(fault.Invalid, "read patches: grid of patches %v every %v pixels", g.Patch, g.Stride)
	}
	down := float64(min(g.Patch.W, g.Patch.H)) / float64(cfg.SizePx)
	l := levels[wsi.BestLevel(levels, down)]
	if !(l.DownX >= 1 && l.DownY >= 1) || math.IsInf(l.DownX+l.DownY, 0) {
		return nil, fault.New(fault.Corrupt, "read patches: level %d has downsamples %v and %v", l.Index, l.DownX, l.DownY)
	}
	x, y := newAxis(g.Patch.W, l.DownX, cfg.SizePx), newAxis(g.Patch.H, l.DownY, cfg.SizePx)
	if shrink := max(x.extent, y.extent) / float64(cfg.SizePx); shrink > maxShrink {
		return nil, fault.Hint(
			fault.New(fault.Unsupported, "read patches of %v: the nearest level, %d, is %.0f times finer than the model, more than %d", g.Patch, l.Index, shrink, maxShrink),
			"check the slide's scale (%.4g µm/px)", g.MPP.Mean())
	}
	return &Reader{
		src: src, grid: g, cfg: cfg, level: l, x: x, y: y,
		order: visits(g, l, cfg.CacheBytes),
		pool:  newPool(3*cfg.SizePx*cfg.SizePx, cfg.Prefetch, cfg.Buffer, cfg.Released),
	}, nil
}

// Level returns the index of the level that the patches are read from.
func (r *Reader) Level() int { return r.level.Index }

// Read sends every planned patch once, in no promised order, and returns when
// all are sent, at the first error, or when ctx ends. It does not close out.
// Each patch's buffer is the receiver's until it calls Release; while
// Config.Prefetch of them are out, nothing more is read.
//
// A goroutine reads a run of patches once there is room for all of them: waking
// it for each patch alone cost more than a tenth of the reading.
func (r *Reader) Read(ctx context.Context, out chan<- wsi.Patch) error {
	return r.Each(ctx, func(ctx context.Context, p wsi.Patch) error {
		select {
		case out <- p:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// Each is Read that calls emit with each patch, from the goroutine that has read it:
// from several at once.
func (r *Reader) Each(ctx context.Context, emit func(context.Context, wsi.Patch) error) error {
	eg, ctx := errgroup.WithContext(ctx)
	run := max(min(runLength, r.cfg.Prefetch/r.cfg.Readers), 1)
	var next atomic.Int64
	for range min(r.cfg.Readers, (len(r.order)+run-1)/run) {
		eg.Go(func() error {
			var scratch []byte
			for {
				end := int(next.Add(int64(run)))
				if end-run >= len(r.order) {
					return nil
				}
				part := r.order[end-run : min(end, len(r.order))]
				buffers, err := r.pool.take(ctx, len(part))
				if err != nil {
					return err
				}
				for k, i := range part {
					if err := r.send(ctx, int(i), buffers[k], emit, &scratch); err != nil {
						for _, b := range buffers[k:] {
							r.pool.put(b)
						}
						return err
					}
				}
			}
		})
	}
	return eg.Wait()
}

// send reads the i-th planned patch into b and sends it. After an error b is
// still the caller's.
func (r *Reader) send(ctx context.Context, i int, b *buffer, emit func(context.Context, wsi.Patch) error, scratch *[]byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	at, begun := r.grid.Rect(i), time.Now()
	if err := r.pixels(ctx, at, b.pix, scratch); err != nil {
		return fmt.Errorf("read patch %v: %w", at, err)
	}
	if r.cfg.Read != nil {
		r.cfg.Read(time.Since(begun))
	}
	return emit(ctx, wsi.Patch{Index: i, Pix: b.pix, Release: b.release})
}

// pixels writes the patch that covers at, in level-0 pixels, to dst.
func (r *Reader) pixels(ctx context.Context, at wsi.Rect, dst []byte, scratch *[]byte) error {
	x0, x := r.x.at(at.X)
	y0, y := r.y.at(at.Y)
	if x.copies && y.copies {
		return r.src.Read(ctx, r.level.Index, wsi.Rect{X: x0, Y: y0, W: x.n, H: y.n}, dst)
	}
	size := r.cfg.SizePx
	for row := 0; row < size; { // one turn, unless the patch needs slabs
		taps, first, high := slab(y.taps, row, maxPixels/x.n)
		rows := len(taps.First)
		if n := 3 * x.n * high; cap(*scratch) < n {
			*scratch = make([]byte, n)
		}
		src := (*scratch)[:3*x.n*high]
		if err := r.src.Read(ctx, r.level.Index, wsi.Rect{X: x0, Y: y0 + first, W: x.n, H: high}, src); err != nil {
			return err
		}
		r.cfg.Resample(dst[3*size*row:3*size*(row+rows)], src, x.n, high, x.taps, taps)
		row += rows
	}
	return nil
}

// slab returns the taps of the output rows from row on that need at most most
// input rows (always of one output row), counted from the first input row they
// need; that row; and how many they need.
func slab(t wsi.Taps, row, most int) (taps wsi.Taps, first, high int) {
	first = int(t.First[row])
	end := row + 1
	for end < len(t.First) && int(t.First[end])+t.N-first <= most {
		end++
	}
	high = int(t.First[end-1]) + t.N - first
	taps = wsi.Taps{N: t.N, First: t.First[row:end], Weight: t.Weight[row*t.N : end*t.N]}
	if first != 0 {
		taps.First = make([]int32, end-row)
		for i := range taps.First {
			taps.First[i] = t.First[row+i] - int32(first)
		}
	}
	return taps, first, high
}
