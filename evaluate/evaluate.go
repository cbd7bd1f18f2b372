// Package evaluate measures how well answers fit the truth: how scores rank
// slides, what a threshold does, what a score means, how far a figure can be
// trusted, how drawn lesions cover the true ones.
//
// In: scores with labels and groups, or regions. Out: an Evaluation: figures with
// intervals, as JSON, as curves and as one page. It runs no model, and pictures no
// figure better than it is: a figure that the data cannot give (one class only, no
// lesion) is an error or NaN or left out, never 0 or 1.
//
//	evaluation.go   samples and an operating point in, all figures out: Run, Tune, Temper
//	figures.go      the table of figures
//	ranking.go      samples sorted once for a thousand resamples
//	bootstrap.go    resamples of whole groups
//	point.go        choosing an operating point and its band
//	calibration.go  what scores mean; temperature
//	colour.go       what colour alone tells
//	lesions.go      overlap.go  region.go  found lesions against true ones
//	write.go        charts.go  page.go  predictions.go  what leaves and comes in
package evaluate

import (
	"math"

	"bcc/fault"
)

// ErrOneClass is the cause where a figure needs both classes and the data has one.
var ErrOneClass = fault.New(fault.Invalid, "positives and negatives are both needed")

// check refuses labels that do not fit the scores, and scores that have no order.
func check(scores []float64, positive []bool) error {
	if len(scores) != len(positive) {
		return fault.New(fault.Invalid, "%d scores for %d labels", len(scores), len(positive))
	}
	for i, s := range scores {
		if math.IsNaN(s) {
			return fault.New(fault.Invalid, "score %d is not a number", i)
		}
	}
	return nil
}

// AUROC returns the area under the receiver operating characteristic: the share
// of pairs of a positive and a negative in which the positive scores higher, ties
// counting one half (Mann and Whitney 1947).
func AUROC(scores []float64, positive []bool) (float64, error) {
	if err := check(scores, positive); err != nil {
		return 0, err
	}
	v := rank(scores, positive).auroc()
	if math.IsNaN(v) {
		return 0, ErrOneClass
	}
	return v, nil
}

// AveragePrecision returns the mean of the precisions at each rank where recall
// grows, weighted by how much it grows; without interpolation. Ties are one rank.
func AveragePrecision(scores []float64, positive []bool) (float64, error) {
	if err := check(scores, positive); err != nil {
		return 0, err
	}
	v := rank(scores, positive).averagePrecision()
	if math.IsNaN(v) {
		return 0, ErrOneClass
	}
	return v, nil
}

// Confusion counts what a threshold does.
type Confusion struct{ TP, FP, TN, FN int }

// At counts with scores from the threshold on called positive.
func At(scores []float64, positive []bool, threshold float64) (Confusion, error) {
	var c Confusion
	if err := check(scores, positive); err != nil {
		return c, err
	}
	for i, s := range scores {
		switch called := s >= threshold; {
		case called && positive[i]:
			c.TP++
		case called:
			c.FP++
		case positive[i]:
			c.FN++
		default:
			c.TN++
		}
	}
	return c, nil
}

// Sensitivity is the share of positives that were called; NaN without positives.
func (c Confusion) Sensitivity() float64 { return float64(c.TP) / float64(c.TP+c.FN) }

// Specificity is the share of negatives that were not called; NaN without negatives.
func (c Confusion) Specificity() float64 { return float64(c.TN) / float64(c.TN+c.FP) }

// ThresholdFor returns the highest threshold at which at least the share
// sensitivity of the positives is called. It is to be chosen on a tuning set and
// only read on a test set.
func ThresholdFor(scores []float64, positive []bool, sensitivity float64) (float64, error) {
	if err := check(scores, positive); err != nil {
		return 0, err
	}
	if !(sensitivity > 0 && sensitivity <= 1) {
		return 0, fault.New(fault.Invalid, "sensitivity %v is not a share above 0", sensitivity)
	}
	var all, called float64
	for _, p := range positive {
		if p {
			all++
		}
	}
	for t := range rank(scores, positive).ties {
		// A rounding error in sensitivity × count must not ask for one more.
		if called += t.pos; all > 0 && called >= sensitivity*all-1e-9 {
			return t.score, nil
		}
	}
	return 0, ErrOneClass
}
