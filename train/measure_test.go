package train

import (
	"math"
	"testing"

	"bcc/fault"
)

func TestItMeasuresLogits(t *testing.T) {
	t.Parallel()
	classes := []int{0, 1, 2, 0}
	logits := []float64{3, 0, 0, 0, 0, 0, 0, -1, 1, 90, 100, 0}
	m, err := Measure(logits, 3, func(i int) int { return classes[i] })
	if err != nil {
		t.Fatal(err)
	}
	e := math.Exp
	want := (math.Log(e(3)+2) - 3 + math.Log(3) + math.Log(1+e(-1)+e(1)) - 1 + math.Log(e(90-100)+1+e(-100)) + 10) / 4
	if math.Abs(m.Loss-want) > 1e-6 {
		t.Errorf("loss %v, want %v", m.Loss, want)
	}
	if m.AUROC != 0.5 { // of four pairs the first sample wins both, the last none
		t.Errorf("AUROC %v, want 0.5", m.AUROC)
	}
	if m, err := Measure(logits[:3], 3, func(int) int { return 0 }); err != nil || !math.IsNaN(m.AUROC) {
		t.Errorf("of one class: %v %v", m, err)
	}
	if _, err := Measure(nil, 2, nil); fault.Of(err) != fault.Internal {
		t.Errorf("of nothing: %v", err)
	}
}
