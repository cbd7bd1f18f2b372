package model_test

import (
	"encoding/json"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/model"
)

func TestItAmendsACardAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	const card = `{"name": "x", "strange": {"b": 1, "a": [2, 3]}, "num_classes": 1, "class_names": ["BCC"],
		"patch_size_pixels": 224, "spacing_um_px": 0.5, "abstain": [0.4, 0.6]}`
	out, err := model.Amend([]byte(card), []model.Change{
		{Field: "operating_point", Value: model.OperatingPoint{Threshold: 0.25}},
		{Field: "name", Value: "y"}, {Field: "abstain"}, {Field: "licence"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := model.ParseCard(out)
	if err != nil || c.Name != "y" || c.Threshold() != 0.25 || c.Abstain != nil || c.PatchSizePixels != 224 {
		t.Errorf("%+v, %v", c, err)
	}
	// The unknown field stays in its place, to the byte but for spaces.
	var all struct{ Strange json.RawMessage }
	if err := json.Unmarshal(out, &all); err != nil || !strings.HasPrefix(string(out), "{\n  \"name\": \"y\",\n  \"strange\": {\n    \"b\": 1,") {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := model.Amend([]byte(card), []model.Change{{Field: "abstain", Value: []float64{0.6, 0.4}}}); fault.Of(err) != fault.Invalid {
		t.Errorf("a band upside down: %v", err)
	}
	for _, bad := range []string{``, `[1]`, `{"a"`, `null`, `3`} {
		if _, err := model.Amend([]byte(bad), nil); fault.Of(err) != fault.Corrupt && fault.Of(err) != fault.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
