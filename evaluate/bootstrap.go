package evaluate

import (
	"errors"
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
	members := map[string][]int{}
	var names []string // in the order of their first row, so that the seed fixes the draw
	for i, g := range groups {
		if members[g] == nil {
			names = append(names, g)
		}
		members[g] = append(members[g], i)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	rows := make([]int, 0, len(groups))
	figures := make([]float64, 0, rounds)
	for range rounds {
		rows = rows[:0]
		for range names {
			rows = append(rows, members[names[rng.IntN(len(names))]]...)
		}
		v, err := figure(rows)
		if errors.Is(err, ErrOneClass) || err == nil && math.IsNaN(v) {
			continue
		}
		if err != nil {
			return Interval{}, err
		}
		figures = append(figures, v)
	}
	if 2*len(figures) < rounds {
		return Interval{}, fault.New(fault.Invalid, "bootstrap: only %d of %d resamples of %d groups gave a figure", len(figures), rounds, len(names))
	}
	slices.Sort(figures)
	return Interval{quantile(figures, 0.025), quantile(figures, 0.975), len(figures)}, nil
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
	s, p := make([]float64, 0, len(scores)), make([]bool, 0, len(scores))
	interval, err := Bootstrap(groups, rounds, seed, func(rows []int) (float64, error) {
		s, p = s[:0], p[:0]
		for _, i := range rows {
			s, p = append(s, scores[i]), append(p, positive[i])
		}
		return AUROC(s, p)
	})
	return value, interval, err
}
