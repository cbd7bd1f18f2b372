package model_test

import (
	"strings"
	"testing"

	"bcc/fault"
	"bcc/model"
	"bcc/onnx"
)

// headNetwork returns a head over embeddings of the given width.
func headNetwork(width, classes int64) []byte {
	m := onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 18}}, Graph: &onnx.Graph{
		Nodes:  []*onnx.Node{{Op: "Whatever", Inputs: []string{model.HeadInput}, Outputs: []string{model.HeadOutput, model.HeadAttention}}},
		Inputs: []*onnx.ValueInfo{{Name: model.HeadInput, Type: onnx.Float32, Shape: []onnx.Dim{{Param: "patches"}, {Value: width}}}},
		Outputs: []*onnx.ValueInfo{
			{Name: model.HeadOutput, Type: onnx.Float32, Shape: dims(1, classes)},
			{Name: model.HeadAttention, Type: onnx.Float32, Shape: []onnx.Dim{{Param: "patches"}, {Value: 1}}},
		},
	}}
	return m.Marshal()
}

// encoder returns a network of several outputs, all of the same width.
func encoder(width int64, outputs ...string) []byte {
	g := &onnx.Graph{Inputs: []*onnx.ValueInfo{{Name: "image", Type: onnx.Float32, Shape: dims(1, 3, 224, 224)}}}
	for _, name := range outputs {
		g.Nodes = append(g.Nodes, &onnx.Node{Op: "Whatever", Inputs: []string{"image"}, Outputs: []string{name}})
		g.Outputs = append(g.Outputs, &onnx.ValueInfo{Name: name, Type: onnx.Float32, Shape: []onnx.Dim{{Param: "n"}, {Value: width}}})
	}
	return (&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 18}}, Graph: g}).Marshal()
}

func card(kind model.Kind, change func(*model.Card)) model.Card {
	c := model.Card{Name: "c", Kind: kind, NumClasses: 2, ClassNames: []string{"normal", "BCC"}, PatchSizePixels: 224, SpacingUMPx: 0.5}
	if change != nil {
		change(&c)
	}
	return c
}

func TestItFindsTheEmbedding(t *testing.T) {
	t.Parallel()
	named := func(name string) func(*model.Card) { return func(c *model.Card) { c.Embedding = name } }
	bare := func(c *model.Card) { c.NumClasses, c.ClassNames = 0, nil }
	for _, c := range []struct {
		what string
		kind model.Kind
		net  []byte
		card func(*model.Card)
		want string // empty: refused
	}{
		{"the classifier's second output", model.PatchClassifier, encoder(2, "output", "embedding"), nil, "embedding"},
		{"the one that the card names", model.PatchClassifier, encoder(2, "output", "features", "embedding"), named("features"), "features"},
		{"none of a plain classifier", model.PatchClassifier, encoder(2, "output"), nil, ""},
		{"the encoder's only output", model.Encoder, encoder(7, "y"), bare, "y"},
		{"the encoder's output.name", model.Encoder, encoder(7, "x", "y"), func(c *model.Card) { bare(c); c.Output.Name = "y" }, "y"},
	} {
		b, err := model.New(card(c.kind, c.card), c.net)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		name, width, err := b.Embedding()
		if name != c.want || (err == nil) != (c.want != "") || err == nil && width != map[model.Kind]int{model.PatchClassifier: 2, model.Encoder: 7}[c.kind] {
			t.Errorf("%s: %q of %d numbers, %v; want %q", c.what, name, width, err, c.want)
		}
		if c.want == "" && (fault.Of(err) != fault.Unsupported || fault.HintOf(err) == "") {
			t.Errorf("%s: %v (hint %q), want unsupported with a hint", c.what, err, fault.HintOf(err))
		}
	}
}

func TestItsEncoderDigestStaysWhileEmbeddingsDo(t *testing.T) {
	t.Parallel()
	net := encoder(2, "output", "embedding", "other")
	digest := func(kind model.Kind, change func(*model.Card), files map[string][]byte) string {
		t.Helper()
		files[model.ModelFile] = net
		b, err := model.Make(card(kind, change), files)
		if err != nil {
			t.Fatal(err)
		}
		d, err := b.EncoderDigest()
		if err != nil {
			t.Fatal(err)
		}
		rows, err := b.RowsDigest()
		if err != nil || (rows == d) != (kind != model.PatchClassifier) {
			t.Errorf("a %s has the rows' digest %.8s, the encoder's %.8s: %v", kind, rows, d, err)
		}
		return d
	}
	none := map[string][]byte{}
	plain := digest(model.PatchClassifier, nil, none)
	for what, same := range map[string]string{
		"another operating point": digest(model.PatchClassifier, func(c *model.Card) { c.OperatingPoint = &model.OperatingPoint{Threshold: 0.3} }, none),
		"a head on it":            digest(model.SlideHead, nil, map[string][]byte{model.HeadFile: headNetwork(2, 2)}),
	} {
		if same != plain {
			t.Errorf("%s changes the encoder's digest", what)
		}
	}
	for what, other := range map[string]string{
		"another output": digest(model.PatchClassifier, func(c *model.Card) { c.Embedding = "other" }, none),
		"another scale":  digest(model.PatchClassifier, func(c *model.Card) { c.SpacingUMPx = 0.25 }, none),
		"normalisation": digest(model.PatchClassifier, func(c *model.Card) {
			c.Transform = []model.Transform{{Name: "Normalize", Arguments: &model.TransformArgs{Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 2}}}}
		}, none),
	} {
		if other == plain {
			t.Errorf("%s leaves the encoder's digest", what)
		}
	}
}

func TestItRefusesAHeadThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		head []byte
		kind fault.Kind
		says string
	}{
		"no ONNX":       {[]byte("head"), fault.Corrupt, "head.onnx"},
		"another width": {headNetwork(9, 2), fault.Invalid, "9 columns, want 7"},
		"three classes": {headNetwork(7, 3), fault.Invalid, "3 columns, want 2"},
		"no attention":  {network(2, onnx.Dim{Param: "n"}, onnx.Dim{Value: 7}), fault.Invalid, "not \"embeddings\""},
	} {
		_, err := model.Make(card(model.SlideHead, nil), map[string][]byte{model.ModelFile: encoder(7, "embedding"), model.HeadFile: c.head})
		if fault.Of(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v (%v), want %v and %q", what, err, fault.Of(err), c.kind, c.says)
		}
	}
	for _, classes := range []int64{1, 2} {
		b, err := model.Make(card(model.SlideHead, nil), map[string][]byte{model.ModelFile: encoder(7, "embedding"), model.HeadFile: headNetwork(7, classes)})
		if err != nil || len(b.Head) == 0 {
			t.Errorf("a head of %d classes is refused: %v", classes, err)
		}
	}
}
