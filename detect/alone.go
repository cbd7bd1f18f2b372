package detect

import (
	"context"
	"fmt"

	"bcc/patch"
	"bcc/tissue"
	"bcc/wsi"
)

// isAlone reports whether a picture of this size that does not say its scale is taken
// as one patch, cut by somebody else for this model.
func (w walker) isAlone(size wsi.Size) bool {
	side := w.cfg.Patch.SizePx
	return w.cfg.OnePatch && size == wsi.Size{W: side, H: side}
}

// planAlone does what plan does for a picture that is one patch. Whether it holds
// enough tissue is not asked: somebody wants to know about this very patch, and waits
// for it. So its pixels are read once, for the overview and for the model.
func (w walker) planAlone(ctx context.Context, v *seen) (err error) {
	cfg := w.cfg.Patch
	v.mpp = wsi.MPP{X: cfg.MPP, Y: cfg.MPP}
	v.notes = append(v.notes, fmt.Sprintf("the picture does not say its scale: taken as one patch at %.2f µm per pixel", cfg.MPP))

	v.alone = wsi.NewImage(cfg.SizePx, cfg.SizePx)
	if err := v.slide.Read(ctx, 0, wsi.Rect{W: v.alone.W, H: v.alone.H}, v.alone.Pix); err != nil {
		return fmt.Errorf("read the picture: %w", err)
	}
	v.overview = shrink(v.alone, overviewFineUM/cfg.MPP, cfg.Resample)

	wanted := w.cfg.Tissue
	wanted.MinAreaUM2 = 0 // nothing in a patch is as large as a piece of tissue
	v.mask, err = tissue.Find(v.overview, v.mpp, wanted)
	if err != nil {
		return fmt.Errorf("find tissue: %w", err)
	}
	share := float64(v.mask.Count()) / float64(max(v.mask.Area(), 1))
	v.grid = &wsi.Grid{
		Slide: v.alone.Size, MPP: v.mpp, Patch: v.alone.Size, Stride: v.alone.Size, Cols: 1, Rows: 1,
		Cells: []wsi.Cell{{Tissue: float32(share)}},
	}
	return nil
}

// shrink returns a square picture made about down times smaller.
func shrink(m *wsi.Image, down float64, resample patch.ResampleFunc) *wsi.Overview {
	if resample == nil {
		resample = patch.Resample
	}
	n := scaled(m.W, max(down, 1))
	small := wsi.NewImage(n, n)
	taps := wsi.NewTaps(m.W, 0, float64(m.W), n)
	resample(small.Pix, m.Pix, m.W, m.H, taps, taps)
	scale := float64(m.W) / float64(n)
	return &wsi.Overview{Image: small, ScaleX: scale, ScaleY: scale}
}

// scoreAlone has the picture scored as it is, which is what the reader would give.
func (w walker) scoreAlone(ctx context.Context, m *wsi.Image, scored func(int)) ([]float32, error) {
	out := make([]float32, w.cfg.Outputs)
	patches := make(chan wsi.Patch, 1)
	patches <- wsi.Patch{Pix: m.Pix, Release: func() {
		if scored != nil {
			scored(1)
		}
	}}
	close(patches)
	return out, w.scorer.Score(ctx, patches, out)
}
