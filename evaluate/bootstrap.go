package evaluate

import (
	"context"
	"errors"
	"iter"
	"math"
	"math/rand/v2"
	"slices"

	"bcc/fault"
)

// Rounds is how many resamples an interval is taken from by default.
const Rounds = 1000

// Interval is a 95 % percentile interval (Efron 1979).
type Interval struct {
	Low, High float64
	Rounds    int // resamples that gave the figure; the others held one class only
}

// Bootstrap draws whole groups (patients) with replacement, as many as there are,
// and returns the interval of figure over them. rows are the indices of a
// resample, a group drawn twice standing in it twice; figure must not keep them.
// Rounds in which figure fails with ErrOneClass are left out; fewer than half
// left is an error of kind Invalid. The seed fixes the result.
func Bootstrap(groups []string, rounds int, seed uint64, figure func(rows []int) (float64, error)) (Interval, error) {
	if len(groups) == 0 || rounds <= 0 {
		return Interval{}, fault.New(fault.Invalid, "bootstrap of %d rows in %d rounds", len(groups), rounds)
	}
	figures := make([]float64, 0, rounds)
	for rows := range resamples(groups, rounds, seed) {
		v, err := figure(rows)
		if errors.Is(err, ErrOneClass) {
			v, err = math.NaN(), nil
		}
		if err != nil {
			return Interval{}, err
		}
		figures = append(figures, v)
	}
	i, ok := percentile(figures)
	if !ok {
		return Interval{}, fault.New(fault.Invalid, "bootstrap: only %d of %d resamples of %d rows gave a figure", i.Rounds, rounds, len(groups))
	}
	return i, nil
}

// Intervals is Bootstrap for n figures at once, over the same resamples, so that a
// difference of two of them is a paired one. times tells how often each row stands
// in a resample; figures writes NaN to out where the resample cannot give one. A
// figure that fewer than half of the rounds gave has NaN for its ends. When ctx ends,
// no more rounds are made, and what comes back is of no use.
func Intervals(ctx context.Context, groups []string, rounds int, seed uint64, n int, figures func(times, out []float64)) []Interval {
	values := make([][]float64, n)
	times, out := make([]float64, len(groups)), make([]float64, n)
	for rows := range resamples(groups, rounds, seed) {
		if ctx.Err() != nil {
			break
		}
		clear(times)
		for _, r := range rows {
			times[r]++
		}
		figures(times, out)
		for i, v := range out {
			values[i] = append(values[i], v)
		}
	}
	intervals := make([]Interval, n)
	for i, v := range values {
		intervals[i], _ = percentile(v)
	}
	return intervals
}

// resamples yields the rows of each round, in one slice that it uses again.
func resamples(groups []string, rounds int, seed uint64) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		members := map[string]int{}
		var rowsOf [][]int // by group, in the order of their first row, so that the seed fixes the draw
		for i, g := range groups {
			at, ok := members[g]
			if !ok {
				at = len(rowsOf)
				members[g], rowsOf = at, append(rowsOf, nil)
			}
			rowsOf[at] = append(rowsOf[at], i)
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		rows := make([]int, 0, len(groups))
		for range rounds {
			rows = rows[:0]
			for range rowsOf {
				rows = append(rows, rowsOf[rng.IntN(len(rowsOf))]...)
			}
			if !yield(rows) {
				return
			}
		}
	}
}

// percentile returns the interval of what the rounds gave. Where fewer than half
// gave a figure there is none: the rest would be a chosen sample.
func percentile(figures []float64) (Interval, bool) {
	rounds := len(figures)
	valid := slices.DeleteFunc(figures, math.IsNaN)
	if len(valid) == 0 || 2*len(valid) < rounds {
		return Interval{math.NaN(), math.NaN(), len(valid)}, false
	}
	slices.Sort(valid)
	return Interval{quantile(valid, 0.025), quantile(valid, 0.975), len(valid)}, true
}

// quantile interpolates linearly between the sorted values on either side.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	f := at - float64(i)
	return sorted[i]*(1-f) + sorted[i+1]*f
}

// AUROCInterval is AUROC with its interval, resampled by group.
func AUROCInterval(scores []float64, positive []bool, groups []string, rounds int, seed uint64) (float64, Interval, error) {
	if len(groups) != len(scores) {
		return 0, Interval{}, fault.New(fault.Invalid, "%d groups for %d scores", len(groups), len(scores))
	}
	value, err := AUROC(scores, positive)
	if err != nil {
		return 0, Interval{}, err
	}
	r := rank(scores, positive)
	i := Intervals(context.Background(), groups, rounds, seed, 1, func(times, out []float64) { out[0] = r.times(times).auroc() })[0]
	if math.IsNaN(i.Low) {
		return value, i, fault.New(fault.Invalid, "bootstrap: only %d of %d resamples held both classes", i.Rounds, rounds)
	}
	return value, i, nil
}
