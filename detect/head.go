package detect

import (
	"context"
	"fmt"
	"math"
	"slices"

	"bcc/aggregate"
	"bcc/bag"
	"bcc/fault"
)

// Head judges a slide as a whole by the embeddings of its patches. It is safe for
// concurrent use.
type Head interface {
	// Score takes n embeddings in grid order, one after the other, and returns the
	// slide's probability of BCC and how much each patch counted for it: n values of
	// at least 0.
	Score(ctx context.Context, embeddings []float32, n int) (score float32, attention []float32, err error)
}

// judge turns what the model gave into the answer, and the value of each patch that
// the heat map was made of.
func (d *Detector) judge(ctx context.Context, v *seen) (*aggregate.Answer, []float32, error) {
	if d.cfg.Head != nil {
		return d.judgeWhole(ctx, v)
	}
	probs := make([]float32, v.grid.Len())
	for i, n := 0, d.cfg.Outputs; i < len(probs); i++ {
		probs[i] = d.cfg.Probability(v.rows[i*n : (i+1)*n])
	}
	answer, err := aggregate.Slide(v.grid, probs, d.cfg.Aggregate)
	return answer, probs, err
}

// judgeWhole asks the head. It sees the embeddings as a bag would give them back,
// so that a slide gets the same score here as in the evaluation of bags.
func (d *Detector) judgeWhole(ctx context.Context, v *seen) (*aggregate.Answer, []float32, error) {
	n := v.grid.Len()
	if n == 0 { // nothing to ask about
		answer, err := aggregate.Scored(v.grid, nil, 0, d.cfg.Aggregate)
		return answer, nil, err
	}
	if !bag.Round(v.rows) {
		return nil, nil, notFinite(v.rows, d.cfg.Outputs)
	}
	score, attention, err := d.cfg.Head.Score(ctx, v.rows, n)
	if err != nil {
		return nil, nil, fmt.Errorf("judge the slide: %w", err)
	}
	shares, err := relative(attention, score, n)
	if err != nil {
		return nil, nil, err
	}
	answer, err := aggregate.Scored(v.grid, shares, score, d.cfg.Aggregate)
	return answer, shares, err
}

// relative returns each patch's attention in parts of the largest, times the
// slide's score: the place that counted most has the colour of the slide's score,
// whatever the number of patches.
func relative(attention []float32, score float32, n int) ([]float32, error) {
	if len(attention) != n {
		return nil, fault.New(fault.Corrupt, "the model gave the attention of %d patches, of %d", len(attention), n)
	}
	var largest float32
	for i, a := range attention {
		if !(a >= 0) || math.IsInf(float64(a), 0) { // true for NaN
			return nil, fault.New(fault.Corrupt, "attention of patch %d: the model gave %v", i, a)
		}
		largest = max(largest, a)
	}
	shares := make([]float32, n)
	for i, a := range attention {
		if largest > 0 {
			shares[i] = float32(a/largest) * score
		}
	}
	return shares, nil
}

// notFinite is the error of a model that gives what is no number, or none that
// float16 holds.
func notFinite(rounded []float32, width int) error {
	i := slices.IndexFunc(rounded, func(v float32) bool { return v-v != 0 }) // NaN and infinities
	return fault.New(fault.Corrupt, "embedding of patch %d: the model gave %v, or more than float16 holds", i/width, rounded[i])
}
