//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestItGoesFromCOBRAsTablesToAModel types what docs/cobra.md says, on a synthetic
// set of the same form. The encoder's weights are random: what is looked at is that
// everything fits together, not how good it is.
func TestItGoesFromCOBRAsTablesToAModel(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, "synth", "--variant", "cobra", "--out", in("cobra"), "--count", "60", "--seed", "60", "--size", "1400x1100")
	must(t, "bench", "bundle", "resnet10-slim", "--out", in("encoder"))
	train := []string{"train", "--device", "cpu", "--dataset", "cobra", "--model", in("encoder"), "--patches", "128", "--epochs", "3", in("cobra")}

	// Stopped while it embeds, it goes on where it was; three processes that share
	// the work come to the same model.
	bags := func() int {
		made, _ := filepath.Glob(in("run/bags/images/*.bag"))
		return len(made)
	}
	cmd := exec.CommandContext(t.Context(), binary, append(train, "--out", in("run"))...)
	go func() {
		for bags() < 5 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		_ = cmd.Process.Signal(os.Interrupt) // bags are written by a process that was started
	}()
	o := finish(t, cmd)
	early := bags()
	if o.code != 130 || !strings.Contains(o.err, "to go on where it stopped") {
		t.Fatalf("stopped in the middle of embedding, with %d bags: exit %d\n%s", early, o.code, o.err)
	}
	o = must(t, append(train, "--out", in("run"))...)
	t.Logf("%d bags were there; the rest, training and evaluation %.0f s\n%s%s", early, o.took.Seconds(), o.err, o.out)
	if want := fmt.Sprintf("embedding %d of 60 slides", 60-early); early < 5 || !strings.Contains(o.err, want) {
		t.Errorf("%d bags were there before, want %q", early, want)
	}
	for _, want := range []string{"chosen on cobra, split val (slides)", "run/evaluation/evaluation.html"} {
		if !strings.Contains(o.out, want) {
			t.Errorf("no %q:\n%s", want, o.out)
		}
	}
	must(t, "detect", "--device", "cpu", "--model", in("run/model"), "--out", in("results"), in("cobra/images/synth-00000.tif"))
	for _, name := range []string{"run/model/head.onnx", "run/model/card.json", "run/history.csv", "run/evaluation/roc.svg", "results/synth-00000.tif/result.json"} {
		if info, err := os.Stat(in(name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if launcher, err := exec.LookPath("mpirun.openmpi"); err != nil {
		t.Log("without processes that share the work: mpirun.openmpi is not here")
	} else {
		line := []string{"-np", "3", "--oversubscribe", "--bind-to", "none", "--allow-run-as-root", binary}
		o := finish(t, exec.CommandContext(t.Context(), launcher, append(append(line, train...), "--out", in("ranks"))...))
		if o.code != 0 || !strings.Contains(o.err, "20 here, the rest in 2 other processes") {
			t.Errorf("three processes: exit %d\n%s", o.code, o.err)
		}
		for _, name := range []string{"model/head.onnx", "evaluation/predictions.csv", "bags/images/synth-00001.tif.bag"} {
			one, err := os.ReadFile(in("run/" + name))
			three, err2 := os.ReadFile(in("ranks/" + name))
			if err != nil || err2 != nil || !bytes.Equal(one, three) {
				t.Errorf("%s is not the same from three processes (%v, %v)", name, err, err2)
			}
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
