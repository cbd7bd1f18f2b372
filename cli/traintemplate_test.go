package cli

import (
	"math"
	"strings"
	"testing"

	"bcc/dataset"
	"bcc/fault"
	"bcc/grad/net"
	"bcc/model"
)

func TestATemplateSaysOnlyWhatTrainingCannotKnow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`{"name": "n", "intended_use": "not for diagnostic use", "spacing_um_px": 0.5, "training": {"data": "d"}, "lesion_threshold": 0.5}` + "\n\n", ""},
		{`{"intended_use": "diagnosis"}`, `intended_use "diagnosis": a model from here is not for diagnostic use`},
		{`{"name": "a"} {"name": "b"}`, "something follows the JSON object"},
		{`{"name": "a"}]`, "something follows the JSON object"},
		{`{"nmae": "a"}`, `unknown field "nmae"`},
		{`{"kind": "slide-head"}`, `unknown field "kind"`},
		{`{"operating_point": {"threshold": 0.1}}`, `unknown field "operating_point"`},
		{`{"metrics": []}`, `unknown field "metrics"`},
		{`{"abstain": [0.4, 0.6]}`, `unknown field "abstain"`},
		{`{"training": {"seed": 7}}`, `unknown field "seed"`},
		{`{"name": 5}`, "cannot unmarshal number"},
	} {
		_, err := parseTemplate([]byte(c.text))
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.Of(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (%v, hint %q), want %q", c.text, err, fault.Of(err), fault.HintOf(err), c.want)
		}
	}
}

func TestClassesKeepTheirOrderUnderBetterNames(t *testing.T) {
	t.Parallel()
	classes := []string{"bcc", "normal"}
	for _, c := range []struct {
		names []string
		want  string // positive class, or what is wrong
		ok    bool
	}{
		{nil, "bcc", true},
		{[]string{"BCC", "Other"}, "BCC", true},
		{[]string{"Basalioma", "Normal"}, "Basalioma", true},
		{[]string{"BCC"}, "1 names for 2 classes", false},
		{[]string{"BCC", "Normal", "SCC"}, "3 names for 2 classes", false},
		{[]string{"normal", "bcc"}, `"normal" stands for the class "bcc"`, false},
		{[]string{"Other", "BCC"}, `"BCC" stands for the class "normal"`, false},
	} {
		card := model.Card{ClassNames: c.names}
		err := nameClasses(&card, classes)
		if c.ok && (err != nil || card.PositiveClass != c.want || card.NumClasses != 2) {
			t.Errorf("%q: %v, positive %q", c.names, err, card.PositiveClass)
		}
		if !c.ok && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), "--positive")) {
			t.Errorf("%q: %v, want %q with a hint", c.names, err, c.want)
		}
	}
}

// What a trained model could not be opened with is found before it is trained.
func TestACardIsCheckedBeforeTraining(t *testing.T) {
	t.Parallel()
	n, err := net.Describe("resnet10-slim", net.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		template model.Card
		mpp      float64
		want     string
	}{
		{model.Card{SpacingUMPx: 0.5}, 0, ""},
		{model.Card{SpacingUMPx: 1e9}, 0.5, ""},
		{model.Card{}, 0, "the scale of the patches is not known"},
		{model.Card{SpacingUMPx: 1e9}, 0, "spacing_um_px: 1e+09 is outside"},
		{model.Card{SpacingUMPx: -1}, 0, "spacing_um_px: -1 is outside"},
		{model.Card{Name: "two\nlines"}, 0.5, "card: name"},
	} {
		f := trainFlags{arch: "resnet10-slim", out: "run", data: "tiles", mpp: c.mpp}
		card, err := f.patchCard(c.template, []string{"bcc", "normal"}, 32, n)
		if c.want == "" && (err != nil || card.SpacingUMPx != 0.5 || card.IntendedUse != noDiagnosis) {
			t.Errorf("%+v: %v, card %+v", c.template, err, card)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || fault.Of(err) != fault.Invalid) {
			t.Errorf("%+v: %v, want %q", c.template, err, c.want)
		}
	}
	cmd := newTrain(Streams{})
	for _, mpp := range []float64{math.NaN(), -1, 1e9, math.Inf(1)} {
		f := trainFlags{task: taskPatch, data: "d", out: "o", mpp: mpp}
		if err := f.check(cmd); err == nil || !strings.Contains(err.Error(), "--mpp") {
			t.Errorf("--mpp %v: %v", mpp, err)
		}
	}
}

func TestACheckpointKnowsTheOrderOfTheClasses(t *testing.T) {
	t.Parallel()
	f := trainFlags{task: taskPatch}
	text := func(classes, names []string, mpp float64) string {
		var lines []string
		for _, fact := range f.facts(trainData{Classes: classes}, model.Card{ClassNames: names, SpacingUMPx: mpp}) {
			lines = append(lines, fact.Name+"="+fact.Value)
		}
		return strings.Join(lines, "\n")
	}
	a, b, names := []string{"bcc", "normal"}, []string{"normal", "bcc"}, []string{"X", "Y"}
	first := text(a, names, 0.5)
	for _, other := range []string{text(b, names, 0.5), text(a, []string{"Y", "X"}, 0.5), text(a, names, 0.25)} {
		if other == first {
			t.Errorf("the same facts for another run: %s", other)
		}
	}
}

func TestSplitsAreCheckedBeforeSlidesAreEmbedded(t *testing.T) {
	t.Parallel()
	set := func(splits ...string) *dataset.SlideSet {
		s := &dataset.SlideSet{Classes: []string{"bcc", "normal"}}
		for i, split := range splits {
			s.Slides = append(s.Slides, dataset.Slide{Class: i % 2, Split: split})
		}
		return s
	}
	for _, c := range []struct {
		set  *dataset.SlideSet
		want string
	}{
		{set("train", "train", "val", "val"), ""},
		{set("train", "train"), "split val has 0 samples of 0 classes"},
		{set("train", "train", "val", "train", "val"), "split val has 2 samples of 1 classes"},
		{set("train", "val", "val", "val"), "split train has 1 samples of 1 classes"},
	} {
		err := checkSlides("set", c.set)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "") {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func TestALossIsPrintedWithTheDigitsThatCount(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0.69314: "0.6931", 12: "12.0000", 639455601664: "6.395e+11", math.Inf(1): "+Inf"} {
		if got := loss(v); got != want {
			t.Errorf("%v prints as %s, want %s", v, got, want)
		}
	}
}
