//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestItGoesFromCOBRAsTablesToAModel types what docs/cobra.md says, on a synthetic
// set of the same form. The encoder's weights are random: what is looked at is that
// everything fits together, not how good it is.
func TestItGoesFromCOBRAsTablesToAModel(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, "synth", "--variant", "cobra", "--out", in("cobra"), "--count", "60", "--seed", "60", "--size", "1400x1100")
	must(t, "bench", "bundle", "resnet10-slim", "--out", in("encoder"))
	embed := must(t, "embed", "--device", "cpu", "--model", in("encoder"), "--out", in("bags"), in("cobra"))
	train := []string{"train", "--device", "cpu", "--task", "slide", "--dataset", "cobra", "--data", in("cobra"), "--bags", in("bags"), "--model", in("encoder"), "--patches", "128"}
	o := must(t, append(train, "--epochs", "3", "--out", in("run"))...)
	t.Logf("embed %.0f s, train %.0f s\n%s", embed.took.Seconds(), o.took.Seconds(), o.err)
	must(t, "evaluate", "--device", "cpu", "--model", in("run/model"), "--dataset", "cobra", "--data", in("cobra"), "--split", "test", "--out", in("evaluation"))
	must(t, "detect", "--device", "cpu", "--model", in("run/model"), "--out", in("results"), in("cobra/images/synth-00000.tif"))
	for _, name := range []string{"run/model/head.onnx", "run/model/card.json", "run/history.csv", "results/synth-00000.tif/result.json"} {
		if info, err := os.Stat(in(name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Whatever is wrong with the tables stops the run before anything is written.
	table := in("cobra/bcc_patient.csv")
	patients, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	labels, err := os.ReadFile(in("cobra/bcc_bcc.csv"))
	if err != nil {
		t.Fatal(err)
	}
	slideOf := func(split string) string {
		for line := range strings.Lines(string(labels)) {
			if name, found := strings.CutSuffix(strings.TrimSpace(line), ","+split); found {
				return strings.Split(name, ",")[0]
			}
		}
		t.Fatalf("no slide in %s", split)
		return ""
	}
	a, b := slideOf("train"), slideOf("test")
	var crossed bytes.Buffer
	for line := range strings.Lines(string(patients)) {
		if cells := strings.Split(line, ","); cells[0] == a || cells[0] == b {
			cells[6] = "crossing"
			line = strings.Join(cells, ",")
		}
		crossed.WriteString(line)
	}
	for _, c := range []struct {
		what  string
		spoil func() error
		code  int
		says  []string
	}{
		{"a patient in two splits", func() error { return os.WriteFile(table, crossed.Bytes(), 0o644) }, 2, []string{"patient crossing", a, b}},
		{"a slide that is missing", func() error {
			return os.Rename(in("cobra/images/"+a+".tif"), in("elsewhere.tif"))
		}, 3, []string{"images/" + a + ".tif", "no such file"}},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		o := run(t, append(train, "--out", in("never"))...)
		if err := os.WriteFile(table, patients, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, s := range c.says {
			if o.code != c.code || !strings.Contains(o.err, s) {
				t.Errorf("%s: exit %d, want %d, saying %q:\n%s", c.what, o.code, c.code, s, o.err)
			}
		}
		if _, err := os.Stat(in("never/model")); err == nil {
			t.Errorf("%s: a model was written", c.what)
		}
	}
}
