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
	for i := range probs {
		probs[i] = d.probability(v.rows, i)
	}
	answer, err := aggregate.Slide(v.grid, probs, d.cfg.Aggregate)
	return answer, probs, err
}

// probability returns that of the i-th patch of rows.
func (d *Detector) probability(rows []float32, i int) float32 {
	n := d.cfg.Outputs
	return d.cfg.Probability(rows[i*n : (i+1)*n])
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

// relative returns each patch's attention a against the even share 1/n, as
// a/(a + 1/n), times the slide's score: half of the score where a patch counted as
// much as it would if all counted alike, nearly all of it where it counted far more.
// In parts of the largest attention, tried first, one patch is bright and a whole
// lesion around it is not: attention is steep (docs/results.md).
func relative(attention []float32, score float32, n int) ([]float32, error) {
	if len(attention) != n {
		return nil, fault.New(fault.Corrupt, "the model gave the attention of %d patches, of %d", len(attention), n)
	}
	sum := 0.0
	for i, a := range attention {
		if !(a >= 0) || math.IsInf(float64(a), 0) { // true for NaN
			return nil, fault.New(fault.Corrupt, "attention of patch %d: the model gave %v", i, a)
		}
		sum += float64(a)
	}
	shares := make([]float32, n)
	if sum == 0 {
		return shares, nil
	}
	even := sum / float64(n) // 1/n where the attention sums to 1, as it should
	for i, a := range attention {
		shares[i] = float32(float64(a)/(float64(a)+even)) * score
	}
	return shares, nil
}

// notFinite is the error of a model that gives what is no number, or none that
// float16 holds.
func notFinite(rounded []float32, width int) error {
	i := slices.IndexFunc(rounded, func(v float32) bool { return v-v != 0 }) // NaN and infinities
	return fault.New(fault.Corrupt, "embedding of patch %d: the model gave %v, or more than float16 holds", i/width, rounded[i])
}
