// Package detect walks one slide from its file to its answer, and a list of
// slides one after the other. It owns the order of the steps and nothing else:
// each step lives in a room of its own and knows no other.
//
// In: a slide's bytes, a model's card, a scorer. Out: the files of one slide's
// results (Detector), or its bag of embeddings (Embedder). It runs no model itself
// and prints nothing.
//
//	walk.go      open, overview, tissue, plan, score ── common to both
//	survey.go    the same in parts, which others may score
//	look.go      ─► judge (head.go)
//	detect.go    ─► judge ─► thumbnails ─► report
//	embed.go     ─► bag
package detect

import (
	"context"
	"fmt"
	"io"

	"bcc/fault"
	"bcc/report"
	"bcc/wsi"
)

// Scorer runs patches through the model: infer.Batcher.
type Scorer interface {
	// Score writes the outputs of each patch to row Patch.Index of out, releases
	// every patch it receives, and returns when patches is closed and all are scored.
	Score(ctx context.Context, patches <-chan wsi.Patch, out []float32) error
}

// Detector walks slides and says what is on them. It is safe for concurrent use.
type Detector struct {
	walker
	cfg Config
}

// New returns a detector that has its patches scored by scorer.
func New(cfg Config, scorer Scorer) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "detector: %w", err)
	}
	return &Detector{walker{cfg.Walk, scorer}, cfg}, nil
}

// With returns a detector over the same scorer whose configuration is that of d as
// changed by change. It costs nothing: one engine serves any number of them.
func (d *Detector) With(change func(*Config)) (*Detector, error) {
	cfg := d.cfg
	change(&cfg)
	return New(cfg, d.scorer)
}

// Source is the file of one slide.
type Source struct {
	io.ReaderAt
	Size int64   // bytes
	Name string  // as it shall stand in the result
	MPP  wsi.MPP // overrides the file's own scale; zero: take the file's

	// SHA256 returns the file's, hexadecimal. It is asked for when the walk is over.
	// Nil: the result is of no known file, and is never the same as another.
	SHA256 func() (string, error)
}

// digest returns the file's SHA-256, empty where nobody asked for it.
func (s Source) digest() (string, error) {
	if s.SHA256 == nil {
		return "", nil
	}
	return s.SHA256()
}

// Detect walks the slide and writes its results into the folder dir, which it
// makes. The folder holds the whole set or, when Detect fails, what it held before.
func (d *Detector) Detect(ctx context.Context, src Source, dir string, watch Watcher) (report.Result, error) {
	v, err := d.see(ctx, src, watch) // open, overview, tissue, patches, model
	if err != nil {
		return report.Result{}, err
	}
	defer v.slide.Close()
	return d.finish(ctx, src, v, dir)
}

// finish judges what was seen and writes the results.
func (d *Detector) finish(ctx context.Context, src Source, v *seen, dir string) (report.Result, error) {
	f, err := d.find(ctx, src, v) // heat map, lesions, score
	if err != nil {
		return report.Result{}, err
	}

	thumbnails, err := d.thumbnails(ctx, v, f.Answer.Lesions)
	if err != nil {
		return report.Result{}, fmt.Errorf("read thumbnails: %w", err)
	}
	v.clock.lap(&v.clock.AggregateS)

	err = report.Write(dir, report.Input{
		Result:     f.Result,
		Answer:     f.Answer,
		Grid:       f.Grid,
		Probs:      f.Values,
		Overview:   v.overview,
		Card:       d.cfg.Card,
		Thumbnails: thumbnails,
		Timing:     d.timing(v),
		Passing:    d.cfg.Passing,
	})
	if err != nil {
		return report.Result{}, err
	}
	return f.Result, nil
}
