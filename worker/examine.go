package worker

import (
	"context"

	"bcc/detect"
	"bcc/report"
	"bcc/wsi"
)

// Examiner is one way of looking at slides: a detect.Detector, or a stub that only
// waits. It is safe for concurrent use.
type Examiner interface {
	// Parameters is everything set that changes the answer.
	Parameters(override wsi.MPP) report.Parameters
	// Survey opens the slide and plans its patches.
	Survey(ctx context.Context, src detect.Source, watch detect.Watcher) (Survey, error)
	// Score has the patches of g, some of those that a Survey of the slide planned,
	// scored: a row of outputs a patch. scored hears how many are through.
	Score(ctx context.Context, src detect.Source, g *wsi.Grid, scored func(n int)) ([]float32, error)
	// Detect walks the slide as a whole and writes its results into dir.
	Detect(ctx context.Context, src detect.Source, dir string, watch detect.Watcher) (report.Result, error)
}

// Survey is an open slide whose patches are planned: a detect.Survey.
type Survey interface {
	// Grid returns the planned patches.
	Grid() *wsi.Grid
	// Score has the patches from the from-th up to the to-th scored.
	Score(ctx context.Context, from, to int, scored func(n int)) ([]float32, error)
	// Finish judges the slide by the rows of all patches and writes its results into dir.
	Finish(ctx context.Context, rows []float32, dir string) (report.Result, error)
	Close() error
}

// detector is a detect.Detector as an Examiner.
type detector struct{ *detect.Detector }

func (d detector) Survey(ctx context.Context, src detect.Source, watch detect.Watcher) (Survey, error) {
	s, err := d.Detector.Survey(ctx, src, watch)
	if err != nil {
		return nil, err // not a typed nil in an interface
	}
	return s, nil
}

// examiner returns the way of looking at slides that cfg says.
func (m Model) examiner(cfg detect.Config, urgent bool) (Examiner, error) {
	if m.Examine != nil {
		return m.Examine(cfg)
	}
	cfg.Passing = true // all results go into the store
	scorer := m.Scorer
	if urgent && m.Urgent != nil {
		scorer = m.Urgent
	}
	d, err := detect.New(cfg, scorer)
	if err != nil {
		return nil, err
	}
	return detector{d}, nil
}
