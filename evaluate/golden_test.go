package evaluate_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"bcc/evaluate"
)

// golden is one case with the figures that scikit-learn gives for it; the oracle
// test makes them.
type golden struct {
	Seed      uint64
	N, Levels int // scores, and how many different ones: few levels, many ties
	AUROC, AP float64

	// At the threshold 0.5.
	Sensitivity, Precision, F1, Balanced float64
	// Of the scores as probabilities.
	Brier, LogLoss, ECE float64
	// ROC is every threshold's false positive rate and sensitivity; of small cases.
	ROC [][2]float64 `json:",omitempty"`
	// Logistic is the score that a logistic regression over two features gives each
	// sample that it was fitted on; of small cases.
	Logistic []float64 `json:",omitempty"`
}

// data draws the case's scores and labels.
func (g golden) data() (scores []float64, positive []bool) {
	rng := rand.New(rand.NewPCG(g.Seed, 1))
	for i := range g.N {
		yes := i%3 == 0
		s := rng.Float64()
		if yes {
			s = math.Sqrt(s)
		}
		scores = append(scores, math.Floor(s*float64(g.Levels))/float64(g.Levels))
		positive = append(positive, yes)
	}
	return scores, positive
}

// features draws two more numbers for each score: one that says something about it,
// and one on another scale that says nothing.
func (g golden) features(scores []float64) [][]float64 {
	rng := rand.New(rand.NewPCG(g.Seed, 2))
	var rows [][]float64
	for _, s := range scores {
		rows = append(rows, []float64{s + rng.Float64(), 1000 * rng.Float64()})
	}
	return rows
}

// small cases keep lists in the golden file.
func (g golden) small() bool { return g.N <= 200 }

const goldenFile = "testdata/sklearn.json"

func TestItAgreesWithScikitLearn(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) == 0 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, g := range cases {
		scores, positive := g.data()
		near := func(what string, got, want, within float64, err error) {
			t.Helper()
			if err != nil || !(math.Abs(got-want) <= within) {
				t.Errorf("%d scores of %d levels: %s %v, %v; scikit-learn %v", g.N, g.Levels, what, got, err, want)
			}
		}
		const rounding = 1e-12 // both add the same numbers in another order
		auroc, err := evaluate.AUROC(scores, positive)
		near("AUROC", auroc, g.AUROC, rounding, err)
		ap, err := evaluate.AveragePrecision(scores, positive)
		near("average precision", ap, g.AP, rounding, err)
		brier, err := evaluate.Brier(scores, positive)
		near("Brier score", brier, g.Brier, rounding, err)
		loss, err := evaluate.LogLoss(scores, positive)
		near("log loss", loss, g.LogLoss, rounding, err)
		ece, err := evaluate.ECE(scores, positive)
		near("calibration error", ece, g.ECE, rounding, err)

		e, err := evaluate.Run(t.Context(), samples(scores, positive), evaluate.Point{Threshold: 0.5}, nil, evaluate.Config{Rounds: 1})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]float64{
			"auroc": g.AUROC, "average_precision": g.AP, "sensitivity": g.Sensitivity, "precision": g.Precision, "f1": g.F1,
			"balanced_accuracy": g.Balanced, "brier": g.Brier, "log_loss": g.LogLoss, "ece": g.ECE,
		} {
			if f, ok := e.Figures[name]; ok || want != 0 { // scikit-learn gives 0 where nothing was called
				near(name, f.Value, want, rounding, nil)
			}
		}
		if !g.small() {
			continue
		}
		roc, err := evaluate.ROC(scores, positive)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range g.ROC { // ours leaves out what lies on the line
			if !onCurve(roc, p[0], p[1]) {
				t.Errorf("%d scores of %d levels: scikit-learn's point %v is not on the curve", g.N, g.Levels, p)
			}
		}
		rows := g.features(scores)
		l, err := evaluate.FitLogistic(rows, positive)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range g.Logistic {
			near("logistic regression", l.Score(rows[i]), want, 1e-6, nil) // scikit-learn's solver stops there
		}
	}
}

func onCurve(roc []evaluate.ROCPoint, x, y float64) bool {
	for i := range len(roc) - 1 {
		a, b := roc[i], roc[i+1]
		cross := (b.FalseRate-a.FalseRate)*(y-a.Sensitivity) - (b.Sensitivity-a.Sensitivity)*(x-a.FalseRate)
		if math.Abs(cross) < 1e-12 && x >= a.FalseRate-1e-12 && x <= b.FalseRate+1e-12 && y >= a.Sensitivity-1e-12 && y <= b.Sensitivity+1e-12 {
			return true
		}
	}
	return false
}
