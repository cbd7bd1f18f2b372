package detect

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"bcc/patch"
	"bcc/slide"
	"bcc/tissue"
	"bcc/wsi"
)

// walker takes slides from their files to the model's outputs: the first half of
// finding, and nearly all of embedding.
type walker struct {
	cfg    Walk
	scorer Scorer
}

// seen is what a walk has seen of a slide.
type seen struct {
	slide    Slide // open: the caller closes it
	mpp      wsi.MPP
	levels   []wsi.Level
	overview *wsi.Overview
	mask     *wsi.Mask
	grid     *wsi.Grid
	alone    *wsi.Image // the pixels of a picture that is one patch, else nil
	rows     []float32  // the model's outputs, Walk.Outputs a patch in grid order
	notes    []string   // what was done less well than asked, in words
	clock    *clock
}

// walk opens the slide, finds the tissue, plans the patches and has them scored.
func (w walker) walk(ctx context.Context, src Source, watch Watcher) (*seen, error) {
	v, err := w.plan(ctx, src, watch)
	if err != nil {
		return nil, err
	}
	v.rows, err = w.scorePlanned(ctx, v, v.grid, func(n int) { watch.Scored(src.Name, n) })
	if err != nil {
		v.slide.Close()
		return nil, fmt.Errorf("score patches: %w", err)
	}
	v.clock.lap(&v.clock.InferenceS)
	return v, nil
}

// scorePlanned scores the patches of g, which are those of v's grid or some of them.
func (w walker) scorePlanned(ctx context.Context, v *seen, g *wsi.Grid, scored func(int)) ([]float32, error) {
	if v.alone != nil {
		return w.scoreAlone(ctx, v.alone, scored)
	}
	return w.score(ctx, v.slide, g, scored)
}

func (w walker) open(ctx context.Context, src Source, cfg slide.Config) (Slide, error) {
	if w.cfg.Open != nil {
		return w.cfg.Open(ctx, src, cfg)
	}
	return OpenHere(ctx, src, cfg)
}

// plan opens the slide, finds the tissue and plans the patches.
func (w walker) plan(ctx context.Context, src Source, watch Watcher) (_ *seen, err error) {
	v := &seen{clock: startClock()}
	v.slide, err = w.open(ctx, src, w.cfg.slideConfig(src.MPP))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			v.slide.Close()
		}
	}()
	v.levels = v.slide.Levels()
	v.mpp, err = v.slide.MPP()
	if errors.Is(err, slide.ErrNoMPP) && w.isAlone(v.levels[0].Size) {
		err = w.planAlone(ctx, v)
	} else if err == nil {
		err = w.planGrid(ctx, v)
	}
	if err != nil {
		return nil, err
	}
	watch.Planned(src.Name, v.grid.Len())
	v.clock.lap(&v.clock.OverviewS)
	return v, nil
}

// planGrid finds the tissue of a slide and plans its patches.
func (w walker) planGrid(ctx context.Context, v *seen) (err error) {
	v.overview, err = v.slide.Overview(ctx, overviewDown(v.levels, v.mpp))
	if err != nil {
		return fmt.Errorf("read overview: %w", err)
	}

	wanted := w.cfg.Tissue
	wanted.MinAreaUM2 = min(wanted.MinAreaUM2, cropped*v.mpp.AreaMM2(float64(v.levels[0].Size.Area()))*1e6)
	v.mask, err = tissue.Find(v.overview, v.mpp, wanted)
	if err != nil {
		return fmt.Errorf("find tissue: %w", err)
	}
	if w.cfg.Stain != nil {
		if d, ok := tissue.Stain(v.overview, v.mask); ok {
			w.cfg.Stain(d)
		}
	}

	v.grid, err = patch.Plan(v.levels[0].Size, v.mpp, v.mask, w.cfg.Patch)
	if err != nil {
		return fmt.Errorf("plan patches: %w", err)
	}
	return nil
}

// cropped is the part of a picture from which on a piece of tissue is no debris,
// however small: what is cut out of a slide is cut around tissue.
const cropped = 0.25

// score reads every patch of the grid and has it scored. It returns the model's
// outputs, a row a patch in grid order. Reading and scoring overlap; the channel
// between them is bounded, so reading waits for scoring and memory stays flat
// however large the slide.
func (w walker) score(ctx context.Context, s Slide, g *wsi.Grid, scored func(int)) ([]float32, error) {
	cfg := w.cfg.Patch
	if scored == nil {
		scored = func(int) {}
	}
	cfg.Released = func() { scored(1) } // a patch is given back when the model is through with it
	out := make([]float32, g.Len()*w.cfg.Outputs)
	patches := make(chan wsi.Patch, cfg.Prefetch)

	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error {
		defer close(patches)
		return s.Patches(ctx, g, cfg, patches)
	})
	eg.Go(func() error { return w.scorer.Score(ctx, patches, out) })
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}
