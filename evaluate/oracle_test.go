//go:build oracle

package evaluate_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const askScikitLearn = `
import json, sys, warnings
import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import *
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore")

def ece(y, p):
    share, mean = calibration_curve(y, p, n_bins=15)
    count = np.bincount(np.searchsorted(np.linspace(0, 1, 16)[1:-1], p), minlength=15)
    return float(np.sum(count[count > 0] * np.abs(share - mean)) / len(y))

out = []
for c in json.load(sys.stdin):
    y, p = np.array(c["positive"]), np.array(c["scores"])
    called = p >= 0.5
    f = {"AUROC": roc_auc_score(y, p), "AP": average_precision_score(y, p),
         "Sensitivity": recall_score(y, called), "Precision": precision_score(y, called), "F1": f1_score(y, called),
         "Balanced": balanced_accuracy_score(y, called), "Brier": brier_score_loss(y, p), "LogLoss": log_loss(y, p, eps=1e-4), "ECE": ece(y, p)}
    if c["small"]:
        fpr, tpr, _ = roc_curve(y, p, drop_intermediate=False)
        f["ROC"] = np.stack([fpr, tpr], 1).tolist()
        x = np.array(c["features"])
        m = make_pipeline(StandardScaler(), LogisticRegression(C=1, tol=1e-12, max_iter=100000))
        f["Logistic"] = m.fit(x, y).predict_proba(x)[:, 1].tolist()
    out.append(f)
print(json.dumps(out))
`

var update = flag.Bool("update", false, "rewrite the golden figures from scikit-learn")

// Run with -tags oracle; it needs Debian's python3-sklearn. With -update it writes
// the golden file, otherwise it checks that the file still says what
// scikit-learn says.
func TestScikitLearnStillSaysSo(t *testing.T) {
	cases := []golden{
		{Seed: 1, N: 4, Levels: 100}, {Seed: 2, N: 50, Levels: 3}, {Seed: 3, N: 200, Levels: 10},
		{Seed: 4, N: 1000, Levels: 1 << 30}, {Seed: 5, N: 1000, Levels: 1}, {Seed: 6, N: 5000, Levels: 100}, {Seed: 7, N: 150, Levels: 15},
	}
	type data struct {
		Scores   []float64   `json:"scores"`
		Positive []bool      `json:"positive"`
		Features [][]float64 `json:"features"`
		Small    bool        `json:"small"`
	}
	var in []data
	for _, g := range cases {
		scores, positive := g.data()
		in = append(in, data{scores, positive, g.features(scores), g.small()})
	}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "-c", askScikitLearn)
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(b)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("scikit-learn cannot be asked: %v", err)
	}
	if err := json.Unmarshal(out, &cases); err != nil { // fills in what the cases lack
		t.Fatal(err)
	}
	want, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(want), `},{"Seed"`, "},\n{\"Seed\"") + "\n"
	if *update {
		if err := os.WriteFile(goldenFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(goldenFile); err != nil || string(got) != text {
		t.Errorf("the golden file differs (%v); run with -update and read the change", err)
	}
}
