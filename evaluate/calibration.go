package evaluate

import (
	"math"
	"sort"

	"bcc/fault"
)

// Bins is the number of bins of equal width that calibration is measured in, as in
// Guo et al. 2017.
const Bins = 15

// Bin is the samples whose scores lie in one bin of a reliability curve.
type Bin struct {
	Low, High float64 // (Low, High]; the first holds 0 too
	Count     float64
	Score     float64 // their mean
	Positive  float64 // the share of positives among them
}

// inner are the edges between the bins. The arithmetic is numpy's linspace, so that
// a score on an edge falls into the same bin as in scikit-learn.
var inner = func() [Bins - 1]float64 {
	var e [Bins - 1]float64
	for i := range e {
		e[i] = float64(i+1) * (1.0 / Bins)
	}
	return e
}()

// binOf returns the bin of a score; one outside 0 to 1 counts in the outermost.
func binOf(score float64) uint8 { return uint8(sort.SearchFloat64s(inner[:], score)) }

// bins sorts the samples into bins.
func (r *ranking) bins() [Bins]Bin {
	var all [Bins]Bin
	for i, s := range r.score {
		b := &all[r.bin[i]]
		b.Count += r.weight[i]
		b.Score += r.weight[i] * s
		if r.positive[i] {
			b.Positive += r.weight[i]
		}
	}
	for i := range all {
		b := &all[i]
		b.Low, b.High = float64(i)/Bins, float64(i+1)/Bins
		b.Score /= b.Count // NaN where it is empty
		b.Positive /= b.Count
	}
	return all
}

// ece is the expected calibration error: the distance of mean score and share of
// positives in a bin, over all bins by their counts (Naeini et al. 2015, of the
// positive class, as a slide has one score).
func (r *ranking) ece() float64 {
	var sum, n float64
	for _, b := range r.bins() {
		if b.Count > 0 {
			sum += b.Count * math.Abs(b.Score-b.Positive)
			n += b.Count
		}
	}
	return sum / n
}

// ECE returns the expected calibration error of scores that mean probabilities.
func ECE(scores []float64, positive []bool) (float64, error) {
	return ofProbabilities(scores, positive, (*ranking).ece)
}

// Brier returns the mean squared distance of score and truth (Brier 1950).
func Brier(scores []float64, positive []bool) (float64, error) {
	return ofProbabilities(scores, positive, (*ranking).brier)
}

// LogLoss returns the mean negative log likelihood, in nats.
func LogLoss(scores []float64, positive []bool) (float64, error) {
	return ofProbabilities(scores, positive, (*ranking).logLoss)
}

func ofProbabilities(scores []float64, positive []bool, figure func(*ranking) float64) (float64, error) {
	if err := check(scores, positive); err != nil {
		return 0, err
	}
	if len(scores) == 0 {
		return 0, fault.New(fault.Invalid, "no scores")
	}
	for i, s := range scores {
		if s < 0 || s > 1 {
			return 0, fault.New(fault.Invalid, "score %d: %v is no probability", i, s)
		}
	}
	return figure(rank(scores, positive)), nil
}

// sure is the highest probability that is told from 1: scores have four decimals
// in the files of results.
const sure = 0.9999

// Clip keeps a probability where its logarithm tells something.
func Clip(p float64) float64 { return min(max(p, 1-sure), sure) }

// Logit is the inverse of Sigmoid, of a probability kept within what Clip keeps it in.
func Logit(p float64) float64 { p = Clip(p); return math.Log(p / (1 - p)) }

// Sigmoid is the logistic function.
func Sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// Bounds of a temperature: beyond, every score is ½ or the threshold is a step.
const minTemperature, maxTemperature = 0.05, 20

// Temperature returns the T for which scores scaled by Scale have the highest
// likelihood (Guo et al. 2017). The likelihood is concave in 1/T, so its maximum is
// found by bisecting the slope; where the classes do not overlap, or the scores say
// the opposite of the truth, it lies at a bound: 0.05 or 20.
func Temperature(scores []float64, positive []bool) (float64, error) {
	if err := check(scores, positive); err != nil {
		return 0, err
	}
	pos := 0
	z := make([]float64, len(scores)) // towards the truth
	for i, s := range scores {
		z[i] = Logit(s)
		if positive[i] {
			pos++
		} else {
			z[i] = -z[i]
		}
	}
	if pos == 0 || pos == len(scores) {
		return 0, ErrOneClass
	}
	slope := func(b float64) float64 { // of the log likelihood, at 1/T = b
		var sum float64
		for _, v := range z {
			sum += v * Sigmoid(-b*v)
		}
		return sum
	}
	low, high := 1/float64(maxTemperature), 1/float64(minTemperature)
	if slope(low) <= 0 {
		return maxTemperature, nil
	}
	if slope(high) >= 0 {
		return minTemperature, nil
	}
	for range 60 { // halves a range of 20 to below a rounding error
		if middle := (low + high) / 2; slope(middle) > 0 {
			low = middle
		} else {
			high = middle
		}
	}
	return 2 / (low + high), nil
}

// Scale divides the logit of a probability by the temperature, as model cards do;
// 0 and 1 stay.
func Scale(p, temperature float64) float64 {
	if temperature == 1 || p <= 0 || p >= 1 {
		return p
	}
	return Sigmoid(math.Log(p/(1-p)) / temperature)
}
