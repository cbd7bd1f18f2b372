// Package detect walks one slide from its file to its answer, and a list of
// slides one after the other. It owns the order of the steps and nothing else:
// each step lives in a room of its own and knows no other.
//
// In: a slide's bytes, a model's card, a scorer. Out: the files of one slide's
// results. It runs no model itself and prints nothing.
package detect

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"bcc/aggregate"
	"bcc/fault"
	"bcc/patch"
	"bcc/report"
	"bcc/slide"
	"bcc/tissue"
	"bcc/wsi"
)

// Scorer runs patches through the model: infer.Batcher.
type Scorer interface {
	// Score writes the outputs of each patch to row Patch.Index of out, releases
	// every patch it receives, and returns when patches is closed and all are scored.
	Score(ctx context.Context, patches <-chan wsi.Patch, out []float32) error
}

// Detector walks slides. It is safe for concurrent use.
type Detector struct {
	cfg    Config
	scorer Scorer
}

// New returns a detector that has its patches scored by scorer.
func New(cfg Config, scorer Scorer) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "detector: %w", err)
	}
	return &Detector{cfg: cfg, scorer: scorer}, nil
}

// Source is the file of one slide.
type Source struct {
	io.ReaderAt
	Size int64   // bytes
	Name string  // as it shall stand in the result
	MPP  wsi.MPP // overrides the file's own scale; zero: take the file's

	// SHA256 returns the file's, hexadecimal. It is asked for when the walk is over.
	SHA256 func() (string, error)
}

// Detect walks the slide and writes its results into the folder dir, which it
// makes. The folder holds the whole set or, when Detect fails, what it held before.
func (d *Detector) Detect(ctx context.Context, src Source, dir string, watch Watcher) (report.Result, error) {
	clock := startClock()
	s, err := slide.Open(src, src.Size, d.slideConfig(src.MPP))
	if err != nil {
		return report.Result{}, err
	}
	defer s.Close()
	mpp, err := s.MPP()
	if err != nil {
		return report.Result{}, err
	}
	levels := s.Levels()

	overview, err := s.Overview(ctx, overviewDown(levels, mpp))
	if err != nil {
		return report.Result{}, fmt.Errorf("read overview: %w", err)
	}

	mask, err := tissue.Find(overview, mpp, d.cfg.Tissue)
	if err != nil {
		return report.Result{}, fmt.Errorf("find tissue: %w", err)
	}

	grid, err := patch.Plan(levels[0].Size, mpp, mask, d.cfg.Patch)
	if err != nil {
		return report.Result{}, fmt.Errorf("plan patches: %w", err)
	}
	watch.Planned(src.Name, grid.Len())
	clock.lap(&clock.OverviewS)

	probs, err := d.score(ctx, s, grid, func(n int) { watch.Scored(src.Name, n) })
	if err != nil {
		return report.Result{}, fmt.Errorf("score patches: %w", err)
	}
	clock.lap(&clock.InferenceS)

	answer, err := aggregate.Slide(grid, probs, d.cfg.Aggregate)
	if err != nil {
		return report.Result{}, fmt.Errorf("aggregate: %w", err)
	}

	thumbnails, err := d.thumbnails(ctx, s, levels, mpp, answer.Lesions)
	if err != nil {
		return report.Result{}, fmt.Errorf("read thumbnails: %w", err)
	}
	clock.lap(&clock.AggregateS)

	digest, err := src.SHA256()
	if err != nil {
		return report.Result{}, err
	}
	return d.write(dir, report.Input{
		Result:     d.result(src, digest, s, mpp, mask, grid, answer),
		Answer:     answer,
		Grid:       grid,
		Probs:      probs,
		Overview:   overview,
		Card:       d.cfg.Card,
		Thumbnails: thumbnails,
		Timing:     d.timing(clock, grid.Len()),
	})
}

// score reads every patch of the grid and has it scored. It returns the
// probability of the model's positive class, one a patch in grid order.
// Reading and scoring overlap; the channel between them is bounded, so reading
// waits for scoring and memory stays flat however large the slide.
func (d *Detector) score(ctx context.Context, s *slide.Slide, g *wsi.Grid, scored func(int)) ([]float32, error) {
	cfg := d.cfg.Patch
	cfg.Released = func() { scored(1) } // a patch is given back when the model is through with it
	reader, err := patch.NewReader(s, g, cfg)
	if err != nil {
		return nil, err
	}
	n := d.cfg.Outputs
	out := make([]float32, g.Len()*n)
	patches := make(chan wsi.Patch, cfg.Prefetch)

	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error {
		defer close(patches)
		return reader.Read(ctx, patches)
	})
	eg.Go(func() error { return d.scorer.Score(ctx, patches, out) })
	if err := eg.Wait(); err != nil {
		return nil, err
	}

	probs := make([]float32, g.Len())
	for i := range probs {
		probs[i] = d.cfg.Probability(out[i*n : (i+1)*n])
	}
	return probs, nil
}
