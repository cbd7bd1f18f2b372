package slide

import (
	"context"
	"math"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
	"bcc/wsi"
)

// maxOverviewPixels bounds an overview: 12 MiB, and four times that while it is
// made. A slide of 40,000 px at 8 µm is 1.6 million.
const maxOverviewPixels = 4 << 20

// Overview returns a picture of the whole slide at about down level-0 pixels per
// pixel: never finer than level 0, and coarser where it would be too large. It is
// averaged by area from the coarsest level that is fine enough; a flat slide is
// streamed once from top to bottom. The bytes do not depend on the number of
// cores. Memory is a few segments besides the picture.
func (s *Slide) Overview(ctx context.Context, down float64) (*wsi.Overview, error) {
	if math.IsNaN(down) || math.IsInf(down, 0) || down <= 0 {
		return nil, fault.New(fault.Invalid, "overview at a downsample of %v", down)
	}
	if s.closed.Load() {
		return nil, errClosed
	}
	size := s.levels[0].Size
	down = max(down, 1, math.Sqrt(float64(size.Area())/maxOverviewPixels))
	l := &s.levels[wsi.BestLevel(s.Levels(), down)]
	out := wsi.Size{W: max(1, int(float64(size.W)/down+0.5)), H: max(1, int(float64(size.H)/down+0.5))}
	fill := s.average
	if near(out.W, l.Size.W) && near(out.H, l.Size.H) && !l.ordered {
		out, fill = l.Size, s.whole
	}
	ov := &wsi.Overview{
		Image:  wsi.NewImage(out.W, out.H),
		ScaleX: float64(size.W) / float64(out.W),
		ScaleY: float64(size.H) / float64(out.H),
	}
	if err := fill(ctx, l, ov); err != nil {
		if isCancelled(err) {
			return nil, err
		}
		return nil, wrap(err, "read overview from level %d", l.Index)
	}
	return ov, nil
}

// near reports whether two extents differ by no more than the rounding of a level's size.
func near(a, b int) bool { return a-b <= 1 && b-a <= 1 }

// whole fills ov with a level as it is, a row of segments at a time.
func (s *Slide) whole(ctx context.Context, l *level, ov *wsi.Overview) error {
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(s.workers)
	for y := 0; y < l.Size.H; y += l.Tile.H {
		eg.Go(func() error {
			r := wsi.Rect{Y: y, W: l.Size.W, H: min(l.Tile.H, l.Size.H-y)}
			return s.Read(ctx, l.Index, r, ov.Pix[3*r.W*y:3*r.W*(y+r.H)])
		})
	}
	return eg.Wait()
}

// average fills ov from all segments of a level, decoded as small as they may be.
func (s *Slide) average(ctx context.Context, l *level, ov *wsi.Overview) error {
	perX, perY := ov.ScaleX/l.DownX, ov.ScaleY/l.DownY // level pixels per overview pixel
	reduce := 0
	for reduce < l.maxReduce && min(perX, perY) >= float64(int(4)<<reduce) {
		reduce++ // two decoded pixels or more are left to average, so that nothing blurs
	}
	// A pixel that is padded in part is left out: what pads a tile is not tissue.
	in := wsi.Size{W: max(1, l.Size.W>>reduce), H: max(1, l.Size.H>>reduce)}
	div := float64(int(1) << reduce)
	acc := newSums(
		newAreaTaps(in.W, perX*float64(ov.W)/div, ov.W),
		newAreaTaps(in.H, perY*float64(ov.H)/div, ov.H))

	workers := s.workers
	if l.ordered || l.cost > 0 {
		workers = 1
	}
	var next atomic.Int64
	eg, ctx := errgroup.WithContext(ctx)
	for range workers {
		eg.Go(func() error {
			free, err := s.reserve(ctx, l)
			if err != nil {
				return err
			}
			defer free()
			buf := s.bufs.get(3 * halved(l.Tile.W, reduce) * halved(l.Tile.H, reduce))
			defer s.bufs.put(buf)
			part := acc.adder()
			for {
				i := int(next.Add(1)) - 1
				if i >= l.cols*l.rows {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if l.absent(i) {
					continue
				}
				seg := l.segRect(i)
				w, h := halved(seg.W, reduce), halved(seg.H, reduce)
				if err := l.decode(ctx, i, reduce, buf[:3*w*h]); err != nil {
					if isCancelled(err) {
						return err
					}
					return wrap(err, "segment (%d,%d)", i%l.cols, i/l.cols)
				}
				x, y := seg.X>>reduce, seg.Y>>reduce
				part.add(buf, x, y, min(w, in.W-x), min(h, in.H-y), w)
			}
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	acc.write(ov.Pix)
	return nil
}
