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
import json, sys
from sklearn.metrics import roc_auc_score, average_precision_score
print(json.dumps([[float(f(c["positive"], c["scores"])) for f in (roc_auc_score, average_precision_score)] for c in json.load(sys.stdin)]))
`

var update = flag.Bool("update", false, "rewrite the golden figures from scikit-learn")

// Run with -tags oracle; it needs Debian's python3-sklearn. With -update it writes
// the golden file, otherwise it checks that the file still says what
// scikit-learn says.
func TestScikitLearnStillSaysSo(t *testing.T) {
	cases := []golden{
		{Seed: 1, N: 4, Levels: 100}, {Seed: 2, N: 50, Levels: 3}, {Seed: 3, N: 200, Levels: 10},
		{Seed: 4, N: 1000, Levels: 1 << 30}, {Seed: 5, N: 1000, Levels: 1}, {Seed: 6, N: 5000, Levels: 100},
	}
	type data struct {
		Scores   []float64 `json:"scores"`
		Positive []bool    `json:"positive"`
	}
	var in []data
	for _, g := range cases {
		scores, positive := g.data()
		in = append(in, data{scores, positive})
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
	var figures [][2]float64
	if err := json.Unmarshal(out, &figures); err != nil {
		t.Fatal(err)
	}
	for i, f := range figures {
		cases[i].AUROC, cases[i].AP = f[0], f[1]
	}
	want, err := json.MarshalIndent(cases, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(goldenFile, append(want, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(goldenFile); err != nil || strings.TrimSpace(string(got)) != string(want) {
		t.Errorf("the golden file differs (%v); run with -update and read the change", err)
	}
}
