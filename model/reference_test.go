package model_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"bcc/fault"
	"bcc/model"
	"bcc/onnx"
)

func TestAReferenceIsReadBackAndChangesNoDigest(t *testing.T) {
	t.Parallel()
	net := network(2, onnx.Dim{Param: "n"}, onnx.Dim{Value: 3}, onnx.Dim{}, onnx.Dim{})
	fsys := bundle(fmt.Sprintf(foreign, hash(net)), net)
	b, err := model.Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := b.Reference(); r != nil || err != nil {
		t.Errorf("%v, %v: want none", r, err)
	}
	var scores []float64
	var stains [][3]float64
	for i := range 20 {
		scores = append(scores, float64(i)/19)
		stains = append(stains, [3]float64{0.2, 0.4 + 0.1*float64(i%2), 0.3})
	}
	r, err := model.NewReference(b, "twenty", scores, stains)
	if err != nil {
		t.Fatal(err)
	}
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	fsys[model.ReferenceFile] = &fstest.MapFile{Data: data}
	with, err := model.Open(fsys)
	if err != nil || with.Digest != b.Digest {
		t.Fatalf("%v: the digest changed", err)
	}
	got, err := with.Reference()
	if err != nil {
		t.Fatal(err)
	}
	if got.Slides != 20 || got.Scores[0] != 2 || got.Scores[9] != 2 || got.Stain.Mean[1] < 0.449 || got.Stain.Mean[1] > 0.451 || got.Stain.Deviation[0] > 1e-9 || got.Stain.Deviation[1] < 0.05 {
		t.Errorf("%+v", got)
	}
}

func TestAReferenceThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	net := network(2, onnx.Dim{Param: "n"}, onnx.Dim{Value: 3}, onnx.Dim{}, onnx.Dim{})
	fsys := bundle(fmt.Sprintf(foreign, hash(net)), net)
	b, err := model.Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	const good = `{"format_version": 1, "model": "%s", "slides": 20, "scores": [20,0,0,0,0,0,0,0,0,0], "stain": {"mean_od": [0.1,0.2,0.3], "deviation_od": [0,0,0]}}`
	for text, want := range map[string]string{
		"not JSON":                           "invalid character",
		fmt.Sprintf(good, "f00d"):            "it is of the model f00d",
		change(good, b, `[20,`, `[19,`):      "19 slides in 10 bins",
		change(good, b, `[20,0,`, `[21,-1,`): "-1 slides in a bin",
		change(good, b, `0.1,`, `-1,`):       "density -1",
		change(good, b, `20`, `2`):           "2 slides: want 20 or more",
		change(good, b, `": 1,`, `": 7,`):    "format version 7",
	} {
		fsys[model.ReferenceFile] = &fstest.MapFile{Data: []byte(text)}
		if _, err := b.Reference(); err == nil || !strings.Contains(err.Error(), want) || fault.Of(err) != fault.Invalid && fault.Of(err) != fault.Corrupt {
			t.Errorf("%s:\n%v, want %q", text, err, want)
		}
	}
	fsys[model.ReferenceFile] = &fstest.MapFile{Data: fmt.Appendf(nil, good, b.Digest)}
	if _, err := b.Reference(); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

func change(text string, b *model.Bundle, old, now string) string {
	return strings.ReplaceAll(fmt.Sprintf(text, b.Digest), old, now)
}

func TestScoresFallIntoBins(t *testing.T) {
	t.Parallel()
	nan := 0.
	nan /= nan
	for score, want := range map[float64]int{0: 0, 0.0999: 0, 0.1001: 1, 0.95: 9, 1: 9, 7: 9, -1: 0} {
		if got := model.ScoreBin(score); got != want {
			t.Errorf("%v falls into %d, want %d", score, got, want)
		}
	}
	if got := model.ScoreBin(nan); got != 0 {
		t.Errorf("what is no number falls into %d", got)
	}
}
