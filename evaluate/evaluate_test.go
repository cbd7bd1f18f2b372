package evaluate_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"bcc/evaluate"
	"bcc/fault"
)

const p, n = true, false

func TestItRanksAsCountedByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		scores    []float64
		positive  []bool
		auroc, ap float64
	}{
		{"perfect", []float64{0.9, 0.8, 0.2, 0.1}, []bool{p, p, n, n}, 1, 1},
		{"inverted", []float64{0.1, 0.2, 0.8, 0.9}, []bool{p, p, n, n}, 0, (1./3 + 2./4) / 2},
		{"one swap", []float64{0.9, 0.8, 0.7, 0.6}, []bool{p, n, p, n}, 3. / 4, (1 + 2./3) / 2},
		{"all tied", []float64{0.5, 0.5, 0.5, 0.5}, []bool{p, n, n, n}, 0.5, 0.25},
		{"a tie across", []float64{0.9, 0.5, 0.5, 0.1}, []bool{p, p, n, n}, 3.5 / 4, (1 + 2./3) / 2},
		{"infinities", []float64{math.Inf(1), 0, math.Inf(-1)}, []bool{p, n, n}, 1, 1},
	} {
		auroc, err := evaluate.AUROC(c.scores, c.positive)
		if err != nil || math.Abs(auroc-c.auroc) > 1e-15 {
			t.Errorf("%s: AUROC %v, %v; want %v", c.name, auroc, err, c.auroc)
		}
		ap, err := evaluate.AveragePrecision(c.scores, c.positive)
		if err != nil || math.Abs(ap-c.ap) > 1e-15 {
			t.Errorf("%s: average precision %v, %v; want %v", c.name, ap, err, c.ap)
		}
	}
}

func TestItGivesNoFigureThatTheDataDoesNotHold(t *testing.T) {
	t.Parallel()
	for name, positive := range map[string][]bool{"positives only": {p, p}, "negatives only": {n, n}, "nothing": {}} {
		scores := make([]float64, len(positive))
		if _, err := evaluate.AUROC(scores, positive); !errors.Is(err, evaluate.ErrOneClass) {
			t.Errorf("%s: AUROC gives %v", name, err)
		}
	}
	if _, err := evaluate.AUROC([]float64{math.NaN(), 1}, []bool{p, n}); fault.Of(err) != fault.Invalid || errors.Is(err, evaluate.ErrOneClass) {
		t.Errorf("NaN: %v", err)
	}
	if _, err := evaluate.AUROC([]float64{1}, []bool{p, n}); fault.Of(err) != fault.Invalid {
		t.Errorf("too few scores: %v", err)
	}
	c, err := evaluate.At([]float64{0.5}, []bool{n}, 0.4)
	if err != nil || !math.IsNaN(c.Sensitivity()) || c.Specificity() != 0 {
		t.Errorf("sensitivity without positives = %v, specificity %v, %v", c.Sensitivity(), c.Specificity(), err)
	}
}

func TestItCountsWhatAThresholdDoes(t *testing.T) {
	t.Parallel()
	scores, positive := []float64{0.9, 0.6, 0.6, 0.3, 0.2}, []bool{p, p, n, p, n}
	c, err := evaluate.At(scores, positive, 0.6)
	if want := (evaluate.Confusion{TP: 2, FP: 1, TN: 1, FN: 1}); err != nil || c != want {
		t.Errorf("%+v, %v; want %+v", c, err, want)
	}
	if c.Sensitivity() != 2./3 || c.Specificity() != 0.5 {
		t.Errorf("sensitivity %v, specificity %v", c.Sensitivity(), c.Specificity())
	}
	for sensitivity, want := range map[float64]float64{0.01: 0.9, 1. / 3: 0.9, 0.34: 0.6, 2. / 3: 0.6, 0.7: 0.3, 1: 0.3} {
		if got, err := evaluate.ThresholdFor(scores, positive, sensitivity); err != nil || got != want {
			t.Errorf("threshold for sensitivity %v = %v, %v; want %v", sensitivity, got, err, want)
		}
	}
	for _, bad := range []float64{0, -1, 1.01, math.NaN()} {
		if _, err := evaluate.ThresholdFor(scores, positive, bad); fault.Of(err) != fault.Invalid {
			t.Errorf("sensitivity %v: %v", bad, err)
		}
	}
}

// With 3 groups of which one decides the figure, the share of resamples in which
// it is missing is (2/3)³; the interval then reaches from one end to the other.
func TestItResamplesWholeGroups(t *testing.T) {
	t.Parallel()
	groups := []string{"a", "a", "b", "c", "c", "c"}
	without := 0
	i, err := evaluate.Bootstrap(groups, 2000, 1, func(rows []int) (float64, error) {
		seen := map[int]int{}
		for _, r := range rows {
			seen[r]++
		}
		if seen[0] != seen[1] || seen[3] != seen[4] || seen[3] != seen[5] || seen[0]+seen[2]+seen[3] != 3 {
			t.Errorf("rows %v tear groups apart", rows)
		}
		if seen[0] == 0 {
			without++
		}
		return float64(seen[0]), nil
	})
	if err != nil || i.Rounds != 2000 || i.Low != 0 || i.High < 2 {
		t.Errorf("%+v, %v", i, err)
	}
	if share := float64(without) / 2000; math.Abs(share-8./27) > 0.04 { // 4 standard errors
		t.Errorf("group a is missing in %v of the resamples, want about 0.296", share)
	}
}

// The 95 % interval covers the true AUROC about 95 times in 100. 120 samples of
// 30 + 30 with a true AUROC of Φ(1/√2) = 0.7602; 4 standard errors of 0.95 are 0.08.
func TestItsIntervalCoversTheTruth(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(11, 12))
	covered := 0
	const samples = 120
	for s := range samples {
		var scores []float64
		var positive []bool
		var groups []string
		for i := range 60 {
			positive = append(positive, i%2 == 0)
			shift := 0.0
			if i%2 == 0 {
				shift = 1
			}
			scores, groups = append(scores, rng.NormFloat64()+shift), append(groups, fmt.Sprint(i))
		}
		_, i, err := evaluate.AUROCInterval(scores, positive, groups, 200, uint64(s))
		if err != nil {
			t.Fatal(err)
		}
		if i.Low <= 0.7602 && 0.7602 <= i.High {
			covered++
		}
	}
	if share := float64(covered) / samples; share < 0.87 {
		t.Errorf("covered in %v of the samples, want about 0.95", share)
	}
}

func TestItFixesTheIntervalByItsSeed(t *testing.T) {
	t.Parallel()
	scores, positive := []float64{0.9, 0.8, 0.7, 0.6, 0.5, 0.4}, []bool{p, n, p, p, n, n}
	groups := []string{"a", "b", "c", "d", "e", "f"}
	_, a, err := evaluate.AUROCInterval(scores, positive, groups, evaluate.Rounds, 7)
	_, b, err2 := evaluate.AUROCInterval(scores, positive, groups, evaluate.Rounds, 7)
	if err != nil || err2 != nil || a != b {
		t.Errorf("%+v and %+v, %v, %v", a, b, err, err2)
	}
	if a.Rounds == evaluate.Rounds || a.Rounds < 900 {
		t.Errorf("%d rounds: those with one class only must be left out, about 3 in 100", a.Rounds)
	}
	if _, _, err := evaluate.AUROCInterval(scores, positive, []string{"a", "a", "a", "a", "a", "a"}[:5], 10, 1); err == nil {
		t.Error("too few groups: no error")
	}
	if _, err := evaluate.Bootstrap([]string{"a", "b"}, 100, 1, func([]int) (float64, error) { return 0, evaluate.ErrOneClass }); fault.Of(err) != fault.Invalid {
		t.Errorf("no resample with a figure: %v", err)
	}
}
