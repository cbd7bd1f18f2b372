package model_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"bcc/fault"
	"bcc/model"
	"bcc/onnx"
)

// network returns a classifier file: a picture of the given shape to a row of width.
func network(width int64, shape ...onnx.Dim) []byte {
	m := onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 18}}, Graph: &onnx.Graph{
		Nodes:   []*onnx.Node{{Op: "Whatever", Inputs: []string{"image"}, Outputs: []string{"row"}}},
		Inputs:  []*onnx.ValueInfo{{Name: "image", Type: onnx.Float32, Shape: shape}},
		Outputs: []*onnx.ValueInfo{{Name: "row", Type: onnx.Float32, Shape: []onnx.Dim{{Param: "n"}, {Value: width}}}},
	}}
	return m.Marshal()
}

func dims(v ...int64) []onnx.Dim {
	out := make([]onnx.Dim, len(v))
	for i, x := range v {
		out[i] = onnx.Dim{Value: x}
	}
	return out
}

func hash(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// foreign is a model configuration as WSInfer has them, with a name and a checksum.
const foreign = `{
  "spec_version": "1.0", "architecture": "resnet34", "num_classes": 2, "class_names": ["notumor", "tumor"],
  "patch_size_pixels": 350, "spacing_um_px": 0.25,
  "transform": [
    {"name": "Resize", "arguments": {"size": 224}}, {"name": "ToTensor"},
    {"name": "Normalize", "arguments": {"mean": [0.7238, 0.5716, 0.6779], "std": [0.112, 0.1459, 0.1089]}}],
  "output": {"type": "logits"}, "name": "breast", "files": {"model.onnx": "%s"}}`

func bundle(card string, files ...[]byte) fstest.MapFS {
	m := fstest.MapFS{"card.json": {Data: []byte(card)}}
	for i, name := range []string{"model.onnx", "head.onnx"} {
		if i < len(files) {
			m[name] = &fstest.MapFile{Data: files[i]}
		}
	}
	return m
}

func TestItOpensAModelFromElsewhere(t *testing.T) {
	t.Parallel()
	net := network(2, dims(1, 3, 224, 224)...)
	b, err := model.Open(bundle(fmt.Sprintf(foreign, hash(net)), net))
	if err != nil {
		t.Fatal(err)
	}
	c := b.Card
	if c.InputPx() != 224 || math.Abs(c.InputMPP()-0.25*350/224) > 1e-12 {
		t.Errorf("input of %d px at %v, want 224 at 0.390625", c.InputPx(), c.InputMPP())
	}
	if mean, std := c.Normalization(); mean != [3]float32{0.7238, 0.5716, 0.6779} || std != [3]float32{0.112, 0.1459, 0.1089} {
		t.Errorf("normalisation %v %v", mean, std)
	}
	if c.Positive() != 1 || c.Kind != model.PatchClassifier || c.Threshold() != model.DefaultThreshold || c.IntendedUse != "not for diagnostic use" {
		t.Errorf("defaults: positive %d, kind %s, threshold %v, use %q", c.Positive(), c.Kind, c.Threshold(), c.IntendedUse)
	}
	if string(b.ONNX) != string(net) || len(b.Digest) != 64 {
		t.Error("the network's bytes or the digest are missing")
	}
}

func TestItsDigestChangesWithEveryByte(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	one := network(2, dims(1, 3, 224, 224)...)
	two := network(2, dims(2, 3, 224, 224)...)
	for name, fsys := range map[string]fs.FS{
		"one": bundle(fmt.Sprintf(foreign, hash(one)), one), "two": bundle(fmt.Sprintf(foreign, hash(two)), two),
		"card": bundle(fmt.Sprintf(foreign, hash(one))+" ", one),
	} {
		b, err := model.Open(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[b.Digest]; ok {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[b.Digest] = name
	}
}

func TestItSaysWhatIsWrongWithABundle(t *testing.T) {
	t.Parallel()
	good := network(2, dims(1, 3, 224, 224)...)
	card := func(net []byte) string { return fmt.Sprintf(foreign, hash(net)) }
	wrong := func(width int64, shape ...int64) fs.FS {
		n := network(width, dims(shape...)...)
		return bundle(card(n), n)
	}
	text := []byte("<html>404</html>")
	for name, c := range map[string]struct {
		fsys fs.FS
		kind fault.Kind
		says string
	}{
		"no card":            {fstest.MapFS{}, fault.NotFound, "card.json"},
		"no network":         {bundle(card(good)), fault.NotFound, "model.onnx"},
		"another network":    {bundle(card(good), network(3)), fault.Corrupt, "SHA-256"},
		"no checksum":        {bundle(strings.Replace(card(good), "files", "fils", 1), good), fault.Invalid, "no SHA-256 of model.onnx"},
		"not a network":      {bundle(card(text), text), fault.Corrupt, "not an ONNX file"},
		"a folder as card":   {fstest.MapFS{"card.json/x": {}}, fault.Corrupt, "not a regular file"},
		"a huge card":        {bundle(strings.Repeat(" ", 1<<20) + card(good)), fault.Corrupt, "at most"},
		"no JSON":            {bundle("BCC"), fault.Corrupt, "not a JSON object"},
		"null":               {bundle("null"), fault.Corrupt, "not a JSON object"},
		"another size":       {wrong(2, 1, 3, 256, 256), fault.Invalid, "a side of 256 px"},
		"four channels":      {wrong(2, 1, 4, 224, 224), fault.Invalid, "4 channels"},
		"channels last":      {wrong(2, 1, 224, 224, 3), fault.Invalid, "channels"},
		"no batch":           {wrong(2, 3, 224, 224), fault.Invalid, "3 dimensions"},
		"five classes":       {wrong(5, 1, 3, 224, 224), fault.Invalid, "5 numbers a patch"},
		"a file not beside":  {bundle(strings.Replace(card(good), `"files": {`, `"files": {"../etc/passwd": "", `, 1), good), fault.Invalid, "not the name of a file"},
		"a strange checksum": {bundle(fmt.Sprintf(foreign, "abc"), good), fault.Invalid, "no SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := model.Open(c.fsys)
			if fault.Of(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v (%v), want %v and %q", err, fault.Of(err), c.kind, c.says)
			}
		})
	}
}

func TestItStopsReadingAtItsLimits(t *testing.T) {
	t.Parallel()
	net := network(2, dims(1, 3, 224, 224)...)
	folder := bundle(fmt.Sprintf(foreign, hash(net)), net)
	for name, l := range map[string]model.Limits{
		"card": {CardBytes: 100, FileBytes: 1 << 20, Files: 16}, "file": {CardBytes: 1 << 20, FileBytes: int64(len(net)) - 1, Files: 16},
		"files": {CardBytes: 1 << 20, FileBytes: 1 << 20},
	} {
		if _, err := model.OpenWithin(folder, l); err == nil || !strings.Contains(err.Error(), "at most") {
			t.Errorf("%s: %v, want a limit", name, err)
		}
	}
	if _, err := model.OpenWithin(folder, model.Limits{CardBytes: 1 << 20, FileBytes: int64(len(net)), Files: 1}); err != nil {
		t.Errorf("exactly at the limits: %v", err)
	}
}

func TestItTellsTheChecksumToPaste(t *testing.T) {
	t.Parallel()
	net := network(2, dims(1, 3, 224, 224)...)
	_, err := model.Open(bundle(fmt.Sprintf(foreign, ""), net))
	if hint := fault.HintOf(err); !strings.Contains(hint, `"model.onnx": "`+hash(net)+`"`) {
		t.Errorf("hint %q does not give the checksum", hint)
	}
}

func TestItNamesEveryFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := model.ParseCard([]byte(`{"num_classes": 3, "class_names": ["a", "a"], "patch_size_pixels": 0, "spacing_um_px": -1,
		"transform": [{"name": "Normalize", "arguments": {"mean": [0, 0], "std": [0, 1, 1]}}, {"name": "CenterCrop"}, {"name": "Resize"}],
		"format_version": 9, "kind": "oracle", "input": {"layout": "CHWN"}, "output": {"type": "odds"},
		"operating_point": {"threshold": 1.5, "sensitivity": {"value": 0.9, "low": 0.95, "high": 1}},
		"lesion_threshold": -0.1, "abstain": [0.6, 0.2], "metrics": [{"value": 0.9, "low": 0.8}]}`))
	if fault.Of(err) == fault.Internal {
		t.Fatalf("%v has no kind", err)
	}
	for _, field := range []string{
		"format_version", "name", "kind", "input.layout", "output.type", "class_names", "positive_class", "patch_size_pixels", "spacing_um_px",
		"transform[0].arguments.mean", "transform[0].arguments.std", "transform[1]", "transform[2]", "transform[2].arguments.size",
		"operating_point.threshold", "operating_point.sensitivity", "lesion_threshold", "abstain", "metrics[0]",
	} {
		if !strings.Contains(err.Error(), "card: "+field+": ") {
			t.Errorf("%s is not named in:\n%v", field, err)
		}
	}
}

func TestItRefusesNumbersThatAreNone(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"NaN", `"NaN"`, "1e999", "-1e999", "Infinity", `"0.5"`, "[0.5]", "{}", "true"} {
		_, err := model.ParseCard([]byte(`{"name": "x", "num_classes": 1, "class_names": ["BCC"], "patch_size_pixels": 224, "spacing_um_px": ` + v + `}`))
		if k := fault.Of(err); err == nil || k != fault.Invalid && k != fault.Corrupt {
			t.Errorf("spacing %s: %v", v, err)
		}
	}
	nan := model.Card{Name: "x", NumClasses: 1, ClassNames: []string{"BCC"}, PatchSizePixels: 224, SpacingUMPx: math.NaN()}
	if _, err := model.New(nan, network(1)); err == nil {
		t.Error("a card made in memory may hold NaN")
	}
}

func TestItMakesABundleInMemory(t *testing.T) {
	t.Parallel()
	net := network(1, onnx.Dim{Param: "n"}, onnx.Dim{Value: 3}, onnx.Dim{}, onnx.Dim{})
	b, err := model.New(model.Card{Name: "made", NumClasses: 2, ClassNames: []string{"bcc", "other"}, PatchSizePixels: 64, SpacingUMPx: 1}, net)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.File(model.ModelFile); err != nil || string(got) != string(net) {
		t.Errorf("the network cannot be read again: %v", err)
	}
	if _, err := b.File("head.onnx"); fault.Of(err) != fault.NotFound {
		t.Errorf("head.onnx: %v, want not found", err)
	}
}

func TestItVerifiesAFileAgainWhenItIsRead(t *testing.T) {
	t.Parallel()
	net, head := network(512, dims(1, 3, 224, 224)...), headNetwork(512, 1)
	card := fmt.Sprintf(`{"name": "s", "kind": "slide-head", "num_classes": 1, "class_names": ["BCC"], "patch_size_pixels": 224, "spacing_um_px": 0.5,
		"files": {"model.onnx": %q, "head.onnx": %q}}`, hash(net), hash(head))
	folder := bundle(card, net, head)
	b, err := model.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	folder["head.onnx"].Data = []byte("HEAD")
	if _, err := b.File(model.HeadFile); fault.Of(err) != fault.Corrupt {
		t.Errorf("%v, want a checksum that does not fit", err)
	}
	delete(folder, "head.onnx")
	if _, err := model.Open(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want a missing head", err)
	}
}

func TestItTurnsARowIntoAProbability(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ  string
		row  []float32
		want float64
	}{
		{model.Probabilities, []float32{0.2, 0.8}, 0.8},
		{model.Probabilities, []float32{0.3}, 0.3},
		{model.Probabilities, []float32{0, 1.0001}, 1},
		{model.Probabilities, []float32{0, 1.5}, math.NaN()},
		{model.Probabilities, []float32{0, float32(math.NaN())}, math.NaN()},
		{model.Logits, []float32{1, 3}, 1 / (1 + math.Exp(-2))},
		{model.Logits, []float32{1000, -1000}, 0},
		{model.Logits, []float32{-1000, 1000}, 1},
		{model.Logits, []float32{2}, 1 / (1 + math.Exp(-2))},
		{model.LogitSigmoid, []float32{9, -1}, 1 / (1 + math.E)},
		{model.LogitSigmoid, []float32{0}, 0.5},
		{model.Logits, nil, math.NaN()},
	} {
		card := model.Card{ClassNames: []string{"normal", "BCC"}, Output: model.Output{Type: c.typ}}
		got := float64(card.Probability(c.row))
		if math.Abs(got-c.want) > 1e-6 || math.IsNaN(got) != math.IsNaN(c.want) {
			t.Errorf("%s of %v = %v, want %v", c.typ, c.row, got, c.want)
		}
	}
}

func FuzzCard(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(foreign, hash(nil))))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := model.ParseCard(data)
		if err != nil {
			if k := fault.Of(err); k == fault.Internal {
				t.Errorf("an error without a kind: %v", err)
			}
			return
		}
		if px, mpp := c.InputPx(), c.InputMPP(); px < 1 || !(mpp > 0) || math.IsInf(mpp, 0) {
			t.Errorf("a good card with an input of %d px at %v", px, mpp)
		}
		if _, std := c.Normalization(); std[0] == 0 || std[1] == 0 || std[2] == 0 {
			t.Error("a good card that divides by zero")
		}
		if v := c.Threshold(); !(v >= 0 && v <= 1) {
			t.Errorf("a good card with a threshold of %v", v)
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatalf("a good card cannot be written: %v", err)
		}
		if _, err := model.ParseCard(again); err != nil {
			t.Errorf("a good card, written, is refused: %v", err)
		}
	})
}

func TestItTellsAProblemOnce(t *testing.T) {
	t.Parallel()
	net := network(3, dims(1, 3, 512, 512)...)
	_, err := model.Open(bundle(fmt.Sprintf(foreign, hash(net)), net))
	if err == nil {
		t.Fatal("no error")
	}
	text := err.Error()
	if strings.Count(text, "a side of 512 px") != 1 || !strings.Contains(text, "3 numbers a patch") || fault.Of(err) != fault.Invalid {
		t.Errorf("%v, want each problem once", err)
	}
}
