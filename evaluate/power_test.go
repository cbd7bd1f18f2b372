package evaluate_test

import (
	"path/filepath"
	"testing"

	"bcc/disk/powertest"
	"bcc/evaluate"
)

// An evaluation that Write wrote is there after any cut; each sync is needed for that.
func TestAnEvaluationOutlivesAnyCut(t *testing.T) {
	t.Parallel()
	d := powertest.Mount(t)
	all := drawn(40, 1)
	e, err := evaluate.Run(t.Context(), all, evaluate.Point{Threshold: 0.5}, nil, quick())
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]evaluate.Prediction, len(all))
	for i := range all {
		rows[i].Sample = all[i]
	}
	if err := e.Write(filepath.Join(d.Dir(), "new", "evaluation"), rows); err != nil {
		t.Fatal(err)
	}
	run := d.Record()
	want := run.Cut(run.Len(), powertest.Strict, powertest.Keep, "")
	lost := func(without string) string {
		s := run.Cut(run.Len(), powertest.Strict, powertest.Drop, without)
		for name, data := range want {
			if got, there := s[name]; !there || string(got) != string(data) {
				return name
			}
		}
		return ""
	}
	if name := lost(""); name != "" {
		t.Errorf("%s is lost", name)
	}
	for _, call := range run.Calls() {
		if lost(call) == "" {
			t.Errorf("without %q nothing is lost", call)
		}
	}
}
