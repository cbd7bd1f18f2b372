package detect

import (
	"context"
	"fmt"

	"bcc/fault"
	"bcc/report"
	"bcc/wsi"
)

// Survey is an open slide whose patches are planned. Its parts are scored here or by
// others (Detector.Score), in any order; all of them together are judged by Finish,
// with the same bytes as Detect would write.
type Survey struct {
	d   *Detector
	src Source
	v   *seen
}

// Survey opens the slide, finds the tissue and plans the patches. The caller closes
// it. watch, which may be nil, hears how many there are. A coarse pass cannot be
// divided (Invalid): each of its rounds follows from the last.
func (d *Detector) Survey(ctx context.Context, src Source, watch Watcher) (*Survey, error) {
	if d.cfg.Coarse.On {
		return nil, fault.New(fault.Invalid, "survey: a coarse pass is made as a whole")
	}
	if watch == nil {
		watch = silent{}
	}
	v, err := d.plan(ctx, src, watch)
	if err != nil {
		return nil, err
	}
	return &Survey{d, src, v}, nil
}

// Grid returns the planned patches. It must not be changed.
func (s *Survey) Grid() *wsi.Grid { return s.v.grid }

// Score has the patches of the grid from the from-th up to the to-th scored and
// returns their outputs, a row a patch. scored hears how many are through.
func (s *Survey) Score(ctx context.Context, from, to int, scored func(n int)) ([]float32, error) {
	part := Part(s.v.grid, from, to)
	rows, err := s.d.scorePlanned(ctx, s.v, part, scored)
	if err != nil {
		return nil, fmt.Errorf("score patches: %w", err)
	}
	return rows, nil
}

// Finish judges the slide by the outputs of all its patches, in grid order, and
// writes the results into the folder dir as Detect does.
func (s *Survey) Finish(ctx context.Context, rows []float32, dir string) (report.Result, error) {
	if want := s.v.grid.Len() * s.d.cfg.Outputs; len(rows) != want {
		return report.Result{}, fault.New(fault.Internal, "judge the slide: %d outputs, want %d", len(rows), want)
	}
	s.v.rows = rows
	s.v.clock.lap(&s.v.clock.InferenceS)
	return s.d.finish(ctx, s.src, s.v, dir)
}

// Close closes the slide, not its source.
func (s *Survey) Close() error { return s.v.slide.Close() }

// Part returns the grid with only the patches from the from-th up to the to-th.
func Part(g *wsi.Grid, from, to int) *wsi.Grid {
	part := *g
	part.Cells = g.Cells[from:to:to]
	return &part
}

// Score opens the slide and has the patches of g, which a Survey of the same slide
// planned, scored: their outputs, a row a patch. scored hears how many are through.
func (d *Detector) Score(ctx context.Context, src Source, g *wsi.Grid, scored func(n int)) ([]float32, error) {
	s, err := d.open(ctx, src, d.cfg.slideConfig(src.MPP))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if size := s.Levels()[0].Size; size != g.Slide {
		return nil, fault.New(fault.Internal, "score patches of a slide of %v: this one has %v", g.Slide, size)
	}
	rows, err := d.score(ctx, s, g, scored)
	if err != nil {
		return nil, fmt.Errorf("score patches: %w", err)
	}
	return rows, nil
}
