package worker

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/model"
	"bcc/tissue"
)

// told is what a drift says, by name; of colours the last.
func told(t *testing.T, d *drift) map[string]float64 {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(d)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			out[f.GetName()] = m.GetGauge().GetValue()
		}
	}
	return out
}

// reference is of slides whose scores are spread as those of rng.
func reference(scores func() float64) *model.Reference {
	r := &model.Reference{Slides: 500, Scores: make([]int, model.ReferenceBins), Stain: model.Stain{Mean: [3]float64{0.3, 0.5, 0.4}, Deviation: [3]float64{0.05, 0.1, 0.001}}}
	for range 500 {
		r.Scores[model.ScoreBin(scores())]++
	}
	return r
}

func TestDriftIsSilentUntilItKnowsAndSeesAChange(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	usual := func() float64 { // benign ones and tumours
		if rng.Float64() < 0.5 {
			return 0.1 * rng.Float64()
		}
		return 1 - 0.2*rng.Float64()
	}
	d := &drift{ref: reference(usual)}
	stain := func(shift float64) tissue.Density {
		return tissue.Density{0.3 + 0.05*(rng.NormFloat64()+shift), 0.5 + 0.1*(rng.NormFloat64()+shift), 0.4}
	}
	for range 19 {
		d.stained(stain(0))
	}
	for range 99 {
		d.scored(usual())
	}
	got := told(t, d)
	if len(got) != 1 || got["bcc_reference_slides"] != 500 {
		t.Errorf("of too few slides it says %v", got)
	}
	for range 200 {
		d.stained(stain(0))
		d.scored(usual())
	}
	got = told(t, d)
	if got["bcc_stain_drift"] > 0.3 || got["bcc_score_drift"] > 0.12 || len(got) != 4 {
		t.Errorf("of slides like those of the reference it says %v", got)
	}
	for range 200 { // paler by two deviations; called half as often
		d.stained(stain(-2))
		d.scored(0.5 * usual())
	}
	got = told(t, d)
	if want := 2 * math.Sqrt(2./3); math.Abs(got["bcc_stain_drift"]-want) > 0.3 || got["bcc_score_drift"] < 1 {
		t.Errorf("of others it says %v, want a stain drift of %.2f and much of the scores", got, want)
	}
}

func TestWithoutAReferenceNothingDrifts(t *testing.T) {
	t.Parallel()
	d := &drift{}
	for range 300 {
		d.stained(tissue.Density{1, 1, 1})
		d.scored(1)
	}
	got := told(t, d)
	if got["bcc_stain_density"] < 0.999 || got["bcc_reference_slides"] != 0 || len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestStainsThatHardlyDifferAreNoStorm(t *testing.T) {
	t.Parallel()
	ref := model.Stain{Mean: [3]float64{0.3, 0.3, 0.3}} // all of one machine
	if got := distance(tissue.Density{0.301, 0.301, 0.301}, ref); got > 0.1 {
		t.Errorf("a thousandth is a drift of %v", got)
	}
}
