package train

import (
	"slices"
	"testing"

	"bcc/fault"
	"bcc/grad"
)

func TestItBeginsWithTheBestWeightsOfAnotherRun(t *testing.T) {
	t.Parallel()
	p := &grad.Program{
		Params: []grad.Param{{Name: "w", Shape: grad.Shape{3, 1}}},
		State:  []grad.Param{{Name: "mean", Shape: grad.Shape{1}}},
	}
	a := small(t.TempDir(), 3)
	a.facts = []Fact{parametersFact(p), {"data", "other"}}
	a.state.weights.Params[0] = 9 // a later epoch was not better
	if err := a.checkpoint(); err != nil {
		t.Fatal(err)
	}
	w, err := Pretrained(a.cfg.Checkpoint, p)
	if err != nil || !slices.Equal(w.Params, []float32{0, 1, 2}) || !slices.Equal(w.State, []float32{5}) {
		t.Fatalf("%v, %v: want the best weights", w, err)
	}

	renamed := &grad.Program{Params: []grad.Param{{Name: "v", Shape: grad.Shape{3, 1}}}, State: p.State}
	if _, err := Pretrained(a.cfg.Checkpoint, renamed); fault.Of(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("another network: %v, want invalid with a hint", err)
	}
	if _, err := Pretrained(t.TempDir(), p); fault.Of(err) != fault.NotFound {
		t.Errorf("no checkpoint: %v, want not found", err)
	}
}
