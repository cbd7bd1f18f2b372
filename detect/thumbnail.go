package detect

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"bcc/aggregate"
	"bcc/patch"
	"bcc/report"
	"bcc/wsi"
)

// thumbnails reads a picture of the peak of each of the first lesions, in their order.
func (d *Detector) thumbnails(ctx context.Context, v *seen, lesions []aggregate.Lesion) ([]*wsi.Image, error) {
	pictures := make([]*wsi.Image, min(len(lesions), d.cfg.Thumbnails))
	order := make([]int, len(pictures))
	for i := range order {
		order[i] = i
	}
	// From top to bottom, and one at a time out of strips: a strip can only be
	// decoded from its beginning, and a flat slide may be one strip.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(lesions[a].Peak.Y, lesions[b].Peak.Y) })
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(max(d.cfg.Patch.Readers, 1))
	if l := v.levels[0]; l.Tile.W >= l.Size.W {
		eg.SetLimit(1)
	}
	for _, i := range order {
		eg.Go(func() (err error) {
			at := report.ThumbnailRect(lesions[i].Peak, v.levels[0].Size, v.mpp)
			if pictures[i], err = d.picture(ctx, v.slide, v.levels, at); err != nil {
				return fmt.Errorf("of lesion %d: %w", i, err)
			}
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	return pictures, nil
}

// picture reads the level-0 rectangle at, its longer side scaled to
// report.ThumbnailPx.
func (d *Detector) picture(ctx context.Context, s Slide, levels []wsi.Level, at wsi.Rect) (*wsi.Image, error) {
	down := float64(max(at.W, at.H)) / report.ThumbnailPx
	l := levels[wsi.BestLevel(levels, max(down, 1))]
	x, y := int(float64(at.X)/l.DownX), int(float64(at.Y)/l.DownY)
	in := wsi.Rect{
		X: x, Y: y,
		W: max(int(math.Round(float64(at.W)/l.DownX)), 1),
		H: max(int(math.Round(float64(at.H)/l.DownY)), 1),
	}
	src := make([]byte, 3*in.W*in.H)
	if err := s.Read(ctx, l.Index, in, src); err != nil {
		return nil, err
	}
	out := wsi.NewImage(scaled(at.W, down), scaled(at.H, down))
	resample := d.cfg.Patch.Resample
	if resample == nil {
		resample = patch.Resample
	}
	resample(out.Pix, src, in.W, in.H,
		wsi.NewTaps(in.W, 0, float64(in.W), out.W), wsi.NewTaps(in.H, 0, float64(in.H), out.H))
	return out, nil
}

func scaled(n int, down float64) int { return max(int(math.Round(float64(n)/down)), 1) }
