package evaluate

import (
	"context"
	"math"
	"slices"

	"bcc/fault"
)

// Call is what an operating point makes of a score.
type Call uint8

// The calls.
const (
	Negative Call = iota
	Positive
	Undecided // within the abstention band: Indeterminate in a result
)

// Point is an operating point: the score from which a sample is called positive,
// and the band of scores that are left undecided. An empty band leaves none.
type Point struct {
	Threshold float64
	Abstain   [2]float64 // ends included, as results have it
}

// Call decides on a score, by the rule that slides are called by.
func (p Point) Call(score float64) Call {
	switch {
	case p.Abstain[0] < p.Abstain[1] && score >= p.Abstain[0] && score <= p.Abstain[1]:
		return Undecided
	case score >= p.Threshold:
		return Positive
	}
	return Negative
}

// always is the point without its band: each sample is called one way.
func (p Point) always() Point { return Point{p.Threshold, [2]float64{p.Threshold, p.Threshold}} }

// Rule says how an operating point is chosen on a tuning set.
type Rule struct {
	// Sensitivity is the least share of positives to be called: the highest
	// threshold that keeps it is taken. 0: where sensitivity and specificity add up
	// to most (Youden 1950).
	Sensitivity float64
	// MaxUndecided is the largest share of the tuning set that the band may leave
	// undecided. Default 0.1; 0: no band.
	MaxUndecided float64
	Rounds       int    // of the bootstrap; default Rounds
	Seed         uint64 // of the bootstrap
}

// DefaultRule is Youden's, with a band.
func DefaultRule() Rule { return Rule{MaxUndecided: 0.1, Rounds: Rounds, Seed: 1} }

// Choose picks an operating point on a tuning set; it is then only read on others.
//
// The band is where the threshold itself is uncertain: it is chosen anew on each
// bootstrap resample of the groups, and the band is the 95 % interval of these
// thresholds, drawn in towards the threshold on both sides alike until no more than
// MaxUndecided of the tuning set lie in it (a reject option of bounded coverage:
// Chow 1970, El-Yaniv and Wiener 2010). A threshold that every resample chooses
// again has no band.
func Choose(ctx context.Context, scores []float64, positive []bool, groups []string, r Rule) (Point, error) {
	threshold, err := r.threshold(scores, positive)
	if err != nil {
		return Point{}, err
	}
	none := Point{threshold, [2]float64{threshold, threshold}}
	if r.MaxUndecided <= 0 {
		return none, nil
	}
	if len(groups) != len(scores) {
		return Point{}, fault.New(fault.Invalid, "%d groups for %d scores", len(groups), len(scores))
	}
	var again []float64
	ranked := rank(scores, positive)
	Intervals(ctx, groups, r.Rounds, r.Seed, 1, func(times, out []float64) {
		if t := r.on(ranked.times(times)); !math.IsNaN(t) {
			again = append(again, t)
		}
	})
	if err := ctx.Err(); err != nil {
		return Point{}, err
	}
	if 2*len(again) < r.Rounds {
		return none, nil // too few groups to say anything about it
	}
	slices.Sort(again)
	low, high := threshold-quantile(again, 0.025), quantile(again, 0.975)-threshold
	ranked = rank(scores, positive)
	// From the whole interval towards the threshold in steps of 1 %: the first band
	// that leaves few enough undecided.
	for part := 1.0; part > 0.005; part -= 0.01 {
		p := Point{threshold, [2]float64{threshold - part*max(low, 0), threshold + part*max(high, 0)}}
		p.Abstain[0], p.Abstain[1] = math.Floor(p.Abstain[0]*1e4)/1e4, math.Ceil(p.Abstain[1]*1e4)/1e4 // as results have scores
		if ranked.at(p).undecided() <= r.MaxUndecided {
			return p, nil
		}
	}
	return none, nil
}

func (r Rule) threshold(scores []float64, positive []bool) (float64, error) {
	if r.Sensitivity != 0 {
		return ThresholdFor(scores, positive, r.Sensitivity)
	}
	if err := check(scores, positive); err != nil {
		return 0, err
	}
	t := rank(scores, positive).youden()
	if math.IsNaN(t) {
		return 0, ErrOneClass
	}
	return t, nil
}

// on chooses a threshold on a resample; NaN without both classes.
func (r Rule) on(ranked *ranking) float64 {
	if r.Sensitivity == 0 {
		return ranked.youden()
	}
	return ranked.sensitive(r.Sensitivity)
}

// sensitive returns the highest score at which the share of positives is called.
func (r *ranking) sensitive(share float64) float64 {
	var all, called float64
	for i, w := range r.weight {
		if r.positive[i] {
			all += w
		}
	}
	for t := range r.ties {
		// A rounding error in share × count must not ask for one more.
		if called += t.pos; all > 0 && called >= share*all-1e-9 {
			return t.score
		}
	}
	return math.NaN()
}

// youden returns the score at which sensitivity and specificity add up to most.
// Any threshold down to the next score below makes the same calls; the middle is
// taken, so that no sample sits on the edge.
func (r *ranking) youden() float64 {
	var pos, neg float64
	for i, w := range r.weight {
		if r.positive[i] {
			pos += w
		} else {
			neg += w
		}
	}
	if pos == 0 || neg == 0 {
		return math.NaN()
	}
	best, threshold, waits := math.Inf(-1), math.NaN(), false
	var tp, fp float64
	for t := range r.ties {
		if waits {
			threshold, waits = (threshold+t.score)/2, false
		}
		tp, fp = tp+t.pos, fp+t.neg
		if j := tp*neg - fp*pos; j > best { // in whole numbers, so that equals are equal: the highest is kept
			best, threshold, waits = j, t.score, true
		}
	}
	return threshold
}
