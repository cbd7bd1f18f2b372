// Package aggregate turns the probabilities of a slide's patches into the
// answer about the slide: heat map, lesions, slide score, prediction.
//
// In: one probability a planned patch, in grid order, and the grid; or one weight
// a patch and a slide score from a network that looked at all of them. Out: an
// Answer. It reads no pixels, writes no files and knows no model; the
// thresholds come from the model's card through Config.
//
//	probabilities ─► mean over overlapping patches ─► 3×3 vote ─┬─► lesions (≥ lesion threshold, ≥ smallest area)
//	                  Heatmap.Patch                 Heatmap.Vote └─► slide score ─► prediction
//
// Every sum runs in grid order in float64, so the same probabilities give the
// same bytes on any number of cores.
package aggregate

import (
	"errors"
	"fmt"
	"math"

	"bcc/fault"
	"bcc/wsi"
)

// Config holds the thresholds. Probabilities and scores lie in 0 to 1.
type Config struct {
	// Threshold is the operating point: the slide score from which on a slide is
	// called BCC. Default 0.5, which is no clinical threshold: the card has one.
	Threshold float64
	// Abstain is the band [low, high] of slide scores that are called
	// Indeterminate, both ends included. It holds Threshold; equal ends mean that
	// the program never abstains. Default: none.
	Abstain [2]float64
	// LesionThreshold is the voted probability from which on a cell belongs to a
	// lesion. Default 0.5: the vote of the patches leans towards BCC.
	LesionThreshold float64
	// MinLesionMM2 is the smallest area called a lesion, in mm². Default 0.02:
	// two patches of 112×112 µm. Superficial BCC shows buds of 0.2 to 0.5 mm along
	// the epidermis, which must not be lost; a single patch is left to the vote.
	MinLesionMM2 float64
}

// DefaultConfig returns the defaults that Config states.
func DefaultConfig() Config {
	return Config{Threshold: 0.5, Abstain: [2]float64{0.5, 0.5}, LesionThreshold: 0.5, MinLesionMM2: 0.02}
}

// WithThreshold returns c with another operating point. The abstention band
// moves along, as wide as before and cut off at 0 and 1.
func (c Config) WithThreshold(p float64) Config {
	d := p - c.Threshold
	c.Threshold = p
	for i, v := range c.Abstain {
		c.Abstain[i] = min(max(round4(v+d), 0), 1)
	}
	c.Abstain[0], c.Abstain[1] = min(c.Abstain[0], p), max(c.Abstain[1], p)
	return c
}

// Validate returns every problem at once, of kind Invalid.
func (c Config) Validate() error {
	var errs []error
	unit := func(name string, v float64) {
		if !(v >= 0 && v <= 1) { // true for NaN
			errs = append(errs, fmt.Errorf("%s %v is not a probability", name, v))
		}
	}
	unit("threshold", c.Threshold)
	unit("abstention band's low end", c.Abstain[0])
	unit("abstention band's high end", c.Abstain[1])
	unit("lesion threshold", c.LesionThreshold)
	if !(c.Abstain[0] <= c.Threshold && c.Threshold <= c.Abstain[1]) {
		errs = append(errs, fmt.Errorf("abstention band %v to %v does not hold the threshold %v", c.Abstain[0], c.Abstain[1], c.Threshold))
	}
	if !(c.MinLesionMM2 >= 0 && c.MinLesionMM2 <= 1e4) {
		errs = append(errs, fmt.Errorf("smallest lesion %v mm² is not an area", c.MinLesionMM2))
	}
	if len(errs) > 0 {
		return fault.New(fault.Invalid, "aggregate config: %w", errors.Join(errs...))
	}
	return nil
}

// Answer is what is said about one slide.
type Answer struct {
	Heatmap    *Heatmap
	Lesions    []Lesion // by score, the highest first; then by position, top to bottom and left to right
	Score      float64  // 0 to 1, four decimals; the prediction was taken from these four
	Prediction Prediction
	Confidence float64  // that of the prediction, 0 to 1, four decimals; see Decide
	Notes      []string // what a reader of the answer must know, e.g. that no tissue was found
}

// Slide aggregates probs, one a cell of g in grid order. A probability that is
// none (NaN, below 0, above 1) is Corrupt: the model is not what its card says.
func Slide(g *wsi.Grid, probs []float32, cfg Config) (*Answer, error) {
	return answer(g, probs, cfg, func(h *Heatmap, f *forest, k int) float64 {
		return emergence(h, f, allCells(h), k)
	})
}

// Scored is Slide where the score comes from elsewhere, of a network that looked at
// all patches at once. Shares, one a cell of g, say how much of the score each patch
// stands for, 0 to 1: heat map and lesions are made of them.
func Scored(g *wsi.Grid, shares []float32, score float32, cfg Config) (*Answer, error) {
	p, err := probability(score)
	if err != nil {
		return nil, fmt.Errorf("score of the slide: %w", err)
	}
	return answer(g, shares, cfg, func(*Heatmap, *forest, int) float64 { return float64(p) })
}

// answer makes heat map and lesions of values, one a cell of g, and takes the
// slide's score from score, which is given the number of cells of the smallest
// lesion.
func answer(g *wsi.Grid, values []float32, cfg Config, score func(*Heatmap, *forest, int) float64) (*Answer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	h, err := NewHeatmap(g, values)
	if err != nil {
		return nil, fmt.Errorf("aggregate %d patches: %w", len(values), err)
	}
	a := &Answer{Heatmap: h}
	if h.planned() == 0 {
		a.Prediction = Indeterminate
		a.Notes = []string{NoTissue}
		return a, nil
	}
	f := newForest(h)
	k := minCells(h, f, cfg.MinLesionMM2)
	a.Lesions = lesions(h, f, cfg.LesionThreshold, k)
	a.Score = round4(score(h, f, k))
	a.Prediction, a.Confidence = Decide(a.Score, cfg)
	return a, nil
}

// NoTissue is the note of a slide on which nothing was looked at.
const NoTissue = "no tissue found: nothing was analysed, so nothing can be said about this slide"

// round4 keeps the four decimals that files keep, so that what a file shows is
// what was decided upon.
func round4(v float64) float64 { return math.Round(v*1e4) / 1e4 }
