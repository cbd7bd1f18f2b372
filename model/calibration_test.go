package model_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/model"
)

func TestItDividesLogitsByTheTemperature(t *testing.T) {
	t.Parallel()
	logistic := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for _, c := range []struct {
		typ         string
		temperature float64
		row         []float32
		want        float64
	}{
		{model.Logits, 2, []float32{1, 3}, logistic(1)},
		{model.Logits, 0.5, []float32{1, 3}, logistic(4)},
		{model.Logits, 2, []float32{2}, logistic(1)},
		{model.LogitSigmoid, 4, []float32{9, -2}, logistic(-0.5)},
		{model.Probabilities, 2, []float32{0.2, 0.8}, logistic(math.Log(4) / 2)}, // as if it were the sigmoid of a logit
		{model.Probabilities, 2, []float32{0, 1}, 1},
		{model.Probabilities, 2, []float32{1, 0}, 0},
		{model.Probabilities, 2, []float32{0.5, 0.5}, 0.5},
	} {
		card := model.Card{ClassNames: []string{"normal", "BCC"}, Output: model.Output{Type: c.typ}, Calibration: &model.Calibration{Temperature: c.temperature}}
		if got := float64(card.Probability(c.row)); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s of %v at temperature %v = %v, want %v", c.typ, c.row, c.temperature, got, c.want)
		}
	}
}

func TestItReadsWhatAnEvaluationWrites(t *testing.T) {
	t.Parallel()
	const card = `{"name": "x", "num_classes": 1, "class_names": ["BCC"], "patch_size_pixels": 224, "spacing_um_px": 0.5,
		"calibration": {"temperature": %v, "fitted_on": "val", "slides": 30, "patients": 20}, "abstain": [0.3, 0.5],
		"operating_point": {"threshold": 0.41, "wanted_sensitivity": 0.95, "chosen_on": "val", "slides": 30, "patients": 20,
			"sensitivity": {"value": 0.96, "low": 0.9, "high": 1}, "specificity": {"value": 0.8, "low": 0.6, "high": 0.9}}}`
	c, err := model.ParseCard(fmt.Appendf(nil, card, 1.3))
	if err != nil {
		t.Fatal(err)
	}
	if c.Temperature() != 1.3 || c.Calibration.Patients != 20 || *c.OperatingPoint.WantedSensitivity != 0.95 || c.OperatingPoint.Slides != 30 {
		t.Errorf("read as %+v, %+v", c.Calibration, c.OperatingPoint)
	}
	if without := (&model.Card{}).Temperature(); without != 1 {
		t.Errorf("temperature %v without a calibration, want 1", without)
	}
	for _, wrong := range []string{"0", "-1", "1e9"} {
		_, err := model.ParseCard(fmt.Appendf(nil, card, wrong))
		if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "calibration.temperature") {
			t.Errorf("temperature %s: %v", wrong, err)
		}
	}
}
