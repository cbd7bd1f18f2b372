package aggregate_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"bcc/aggregate"
	"bcc/fault"
	"bcc/wsi"
)

func TestItCallsASlideByItsScore(t *testing.T) {
	t.Parallel()
	cfg := aggregate.Config{Threshold: 0.41, Abstain: [2]float64{0.35, 0.47}, LesionThreshold: 0.5}
	never := cfg
	never.Abstain = [2]float64{0.41, 0.41}
	for _, c := range []struct {
		score float64
		cfg   aggregate.Config
		want  aggregate.Prediction
		conf  float64
	}{
		{0, cfg, aggregate.NonMalignant, 1},
		{0.3499, cfg, aggregate.NonMalignant, 0.6501},
		{0.35, cfg, aggregate.Indeterminate, 0.65},
		{0.41, cfg, aggregate.Indeterminate, 0.59},
		{0.47, cfg, aggregate.Indeterminate, 0.53},
		{0.4701, cfg, aggregate.BCC, 0.4701},
		{1, cfg, aggregate.BCC, 1},
		{0.4099, never, aggregate.NonMalignant, 0.5901},
		{0.41, never, aggregate.BCC, 0.41},
	} {
		if got, conf := aggregate.Decide(c.score, c.cfg); got != c.want || conf != c.conf {
			t.Errorf("score %v, band %v: %s with %v, want %s with %v", c.score, c.cfg.Abstain, got, conf, c.want, c.conf)
		}
	}
}

func TestItNeverCallsASlideWithoutTissueHealthy(t *testing.T) {
	t.Parallel()
	a := answer(t, &wsi.Grid{Slide: wsi.Size{W: 1000, H: 1000}, MPP: wsi.MPP{X: 0.5, Y: 0.5}}, nil, aggregate.DefaultConfig())
	if a.Prediction != aggregate.Indeterminate || len(a.Notes) != 1 || a.Score != 0 || a.Confidence != 0 {
		t.Errorf("answer = %+v, want Indeterminate, nothing known, one note", a)
	}
}

func TestItMovesTheBandWithTheThreshold(t *testing.T) {
	t.Parallel()
	card := aggregate.Config{Threshold: 0.41, Abstain: [2]float64{0.35, 0.47}}
	for p, want := range map[float64][2]float64{0.6: {0.54, 0.66}, 0.02: {0, 0.08}, 1: {0.94, 1}, 0.41: {0.35, 0.47}} {
		got := card.WithThreshold(p)
		if got.Threshold != p || got.Abstain != want {
			t.Errorf("threshold %v: %v with band %v, want %v", p, got.Threshold, got.Abstain, want)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("threshold %v: %v", p, err)
		}
	}
}

func TestItRefusesNonsense(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	for name, cfg := range map[string]aggregate.Config{
		"threshold NaN":    {Threshold: nan, Abstain: [2]float64{0, 1}},
		"threshold 2":      {Threshold: 2, Abstain: [2]float64{0, 1}},
		"band without it":  {Threshold: 0.5, Abstain: [2]float64{0.6, 0.7}},
		"lesion threshold": {Threshold: 0.5, Abstain: [2]float64{0.5, 0.5}, LesionThreshold: -0.1},
		"area NaN":         {Threshold: 0.5, Abstain: [2]float64{0.5, 0.5}, MinLesionMM2: nan},
	} {
		if err := cfg.Validate(); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v, want an error of kind invalid", name, err)
		}
	}
	for _, p := range []float32{float32(nan), float32(math.Inf(1)), -0.1, 1.1} {
		g, probs := draw("55")
		probs[1] = p
		if _, err := aggregate.Slide(g, probs, aggregate.DefaultConfig()); fault.Of(err) != fault.Corrupt {
			t.Errorf("probability %v: %v, want an error of kind corrupt", p, err)
		}
	}
	g, probs := draw("55")
	if _, err := aggregate.Slide(g, probs[:1], aggregate.DefaultConfig()); fault.Of(err) != fault.Internal || err == nil {
		t.Errorf("too few probabilities: %v", err)
	}
	g.Cells[1].Col = 7
	if _, err := aggregate.Slide(g, probs, aggregate.DefaultConfig()); err == nil {
		t.Error("a patch beside the grid is accepted")
	}
}

func TestItTakesAPictureOfOnePatch(t *testing.T) {
	t.Parallel()
	g, probs := draw("8")
	a := answer(t, g, probs, aggregate.DefaultConfig())
	if a.Score != 0.8889 || a.Prediction != aggregate.BCC || len(a.Lesions) != 1 {
		t.Errorf("score %v, %s, %d lesions; want the patch's own 0.8889, BCC, 1", a.Score, a.Prediction, len(a.Lesions))
	}
}

// Three properties that hold for every slide, on 300 random ones: raising
// probabilities never lowers the score; the score moves no more than the
// probabilities can move it; it reaches the lesion threshold exactly when there is
// a lesion, and is then the best lesion's.
func TestItScoresMonotonouslyAndInAgreementWithTheLesions(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		g, probs := random(rng, 1+n%4)
		cfg := aggregate.DefaultConfig()
		cfg.LesionThreshold = float64(rng.IntN(101)) / 100
		before := answer(t, g, probs, cfg)

		best := 0.0
		for i, l := range before.Lesions {
			best = max(best, l.Score)
			if i > 0 && l.Score > before.Lesions[i-1].Score {
				t.Fatalf("slide %d: lesions are not in order", n)
			}
			if l.Score < cfg.LesionThreshold {
				t.Fatalf("slide %d: a lesion of score %v below the threshold %v", n, l.Score, cfg.LesionThreshold)
			}
		}
		if found := len(before.Lesions) > 0; found != (before.Score >= cfg.LesionThreshold) || found && best != before.Score {
			t.Fatalf("slide %d: score %v, best of %d lesions %v, threshold %v", n, before.Score, len(before.Lesions), best, cfg.LesionThreshold)
		}

		const delta = 1e-3
		for i := range probs {
			if rng.IntN(3) == 0 {
				probs[i] = min(probs[i]+delta*rng.Float32(), 1)
			}
		}
		after := answer(t, g, probs, cfg)
		// The vote's slope with respect to all its voices together is at most 2.
		if after.Score < before.Score || after.Score > before.Score+2*delta+1e-4 {
			t.Fatalf("slide %d: score went from %v to %v", n, before.Score, after.Score)
		}
		for i := range probs {
			probs[i] = min(probs[i]+rng.Float32()*0.3, 1)
		}
		if last := answer(t, g, probs, cfg); last.Score < after.Score {
			t.Fatalf("slide %d: score fell from %v to %v", n, after.Score, last.Score)
		}
	}
}

func TestItGivesTheSameAnswerAgain(t *testing.T) {
	t.Parallel()
	g, probs := random(rand.New(rand.NewPCG(3, 4)), 2)
	a, b := answer(t, g, probs, aggregate.DefaultConfig()), answer(t, g, probs, aggregate.DefaultConfig())
	if !reflect.DeepEqual(a.Lesions, b.Lesions) || a.Score != b.Score {
		t.Error("two runs differ")
	}
}

func TestItTakesAScoreFromElsewhere(t *testing.T) {
	t.Parallel()
	g, shares := draw(
		"0000000",
		"0777000",
		"0777000",
		"0000000",
	)
	cfg := aggregate.Config{Threshold: 0.6, Abstain: [2]float64{0.6, 0.6}, LesionThreshold: 0.5, MinLesionMM2: 0.02}
	a, err := aggregate.Scored(g, shares, 0.77777, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if a.Score != 0.7778 || a.Prediction != aggregate.BCC || a.Confidence != 0.7778 {
		t.Errorf("score %v, %s with %v, want 0.7778, BCC", a.Score, a.Prediction, a.Confidence)
	}
	own := answer(t, g, shares, cfg)
	if len(a.Lesions) != 1 || !reflect.DeepEqual(a.Lesions, own.Lesions) || !reflect.DeepEqual(a.Heatmap.Vote, own.Heatmap.Vote) {
		t.Errorf("lesions %+v, want those of the same heat map %+v", a.Lesions, own.Lesions)
	}
	if a, _ := aggregate.Scored(g, shares, 0.2, cfg); a.Prediction != aggregate.NonMalignant {
		t.Errorf("a low score is called %s", a.Prediction)
	}
	for _, wrong := range []float32{float32(math.NaN()), -0.1, 1.1} {
		if _, err := aggregate.Scored(g, shares, wrong, cfg); fault.Of(err) != fault.Corrupt {
			t.Errorf("score %v: %v", wrong, err)
		}
	}
	empty := &wsi.Grid{Slide: wsi.Size{W: 1000, H: 1000}, MPP: wsi.MPP{X: 0.5, Y: 0.5}}
	if a, err := aggregate.Scored(empty, nil, 0.9, cfg); err != nil || a.Prediction != aggregate.Indeterminate || a.Score != 0 {
		t.Errorf("a slide without tissue: %+v, %v", a, err)
	}
}
