package onnx_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"

	"bcc/fault"
	"bcc/onnx"
)

// linear returns a small model that uses every word once: y = x·w + b, then a
// Constant whose tensor is an attribute.
func linear() *onnx.Model {
	return &onnx.Model{
		IRVersion: 8, Opsets: []onnx.Opset{{Version: 18}, {Domain: "com.example", Version: 1}},
		Producer: "bcc", ProducerVersion: "1", Domain: "d", Version: 3, Doc: "text",
		Metadata: []onnx.Entry{{Key: "k", Value: "v"}},
		Graph: &onnx.Graph{
			Name: "g", Doc: "graph",
			Nodes: []*onnx.Node{
				{Name: "n0", Op: "Gemm", Inputs: []string{"x", "w", ""}, Outputs: []string{"h"}, Attributes: []*onnx.Attribute{
					{Name: "alpha", Type: onnx.AttrFloat, Float: 0}, {Name: "transB", Type: onnx.AttrInt, Int: -1},
					{Name: "s", Type: onnx.AttrString, Str: []byte("t")}, {Name: "i", Type: onnx.AttrInts, Ints: []int64{1, -2}},
					{Name: "f", Type: onnx.AttrFloats, Floats: []float32{0.5}}, {Name: "ss", Type: onnx.AttrStrings, Strings: [][]byte{[]byte("a"), {}}},
					{Name: "t", Type: onnx.AttrTensor, Tensor: onnx.NewFloats("", nil, []float32{2})},
					{Name: "g", Type: onnx.AttrGraph, Graph: &onnx.Graph{Name: "inner", Outputs: []*onnx.ValueInfo{{Name: "x"}}}},
				}},
				{Op: "Own", Domain: "com.example", Doc: "why", Inputs: []string{"h", "i"}, Outputs: []string{"y", ""}},
			},
			Initializers: []*onnx.Tensor{onnx.NewFloats("w", []int64{2, 1}, []float32{1, -1}), onnx.NewInt64s("i", []int64{-1, 1})},
			Inputs:       []*onnx.ValueInfo{{Name: "x", Type: onnx.Float32, Shape: []onnx.Dim{{Param: "batch"}, {Value: 2}}}},
			Outputs:      []*onnx.ValueInfo{{Name: "y", Type: onnx.Float32, Scalar: true}},
			Values:       []*onnx.ValueInfo{{Name: "h", Type: onnx.Float32, Shape: []onnx.Dim{{}, {Value: 1}}}},
		},
	}
}

var plain = cmpopts.IgnoreUnexported(onnx.Model{}, onnx.Graph{}, onnx.Node{}, onnx.Attribute{}, onnx.Tensor{}, onnx.ValueInfo{})

func TestItReadsWhatItWrote(t *testing.T) {
	t.Parallel()
	data := linear().Marshal()
	got, err := onnx.Unmarshal(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(linear(), got, plain); d != "" {
		t.Errorf("the model changed on its way (-want +got):\n%s", d)
	}
	if !bytes.Equal(got.Marshal(), data) {
		t.Error("written again, the bytes differ")
	}
	if err := got.Check(); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestItKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	strange := protowire.AppendString(protowire.AppendTag(nil, 25, protowire.BytesType), "a function")
	data := append(linear().Marshal(), strange...)
	m, err := onnx.Unmarshal(data)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Marshal(), data) {
		t.Error("an unknown field was lost")
	}
}

func TestItReadsElementsAsOtherWritersStoreThem(t *testing.T) {
	t.Parallel()
	floats := []byte{0x08, 2, 0x10, 1, 0x22, 8, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0} // dims 2, float, packed float_data
	ints := []byte{0x08, 2, 0x10, 7, 0x38, 5, 0x38, 6}                           // dims 2, int64, int64_data not packed
	var g []byte
	for _, tensor := range [][]byte{floats, ints} {
		g = protowire.AppendBytes(protowire.AppendTag(g, 5, protowire.BytesType), tensor)
	}
	file := protowire.AppendBytes(protowire.AppendTag(nil, 7, protowire.BytesType), g)
	file = append(file, 0x42, 2, 0x10, 18) // operator set 18
	m, err := onnx.Unmarshal(file)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := m.Graph.Initializers[0].Floats(); err != nil || !slices.Equal(f, []float32{1, -2}) {
		t.Errorf("floats = %v, %v, want 1 -2", f, err)
	}
	if i, err := m.Graph.Initializers[1].Int64s(); err != nil || !slices.Equal(i, []int64{5, 6}) {
		t.Errorf("ints = %v, %v, want 5 6", i, err)
	}
	if _, err := m.Graph.Initializers[1].Floats(); err == nil {
		t.Error("int64 elements were read as floats")
	}
}

func TestItRefusesWhatIsNotONNX(t *testing.T) {
	t.Parallel()
	whole := linear().Marshal()
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("PK\x03\x04 this is a zip"), "html": []byte("<!doctype html><p>404"),
		"zeros": make([]byte, 100), "half": whole[:len(whole)/2], "no graph": {0x08, 8, 0x42, 2, 0x10, 18},
		"ones": bytes.Repeat([]byte{0xff}, 64),
	} {
		if _, err := onnx.Unmarshal(data); fault.Of(err) != fault.Corrupt {
			t.Errorf("%s: %v, want a corrupt file", name, err)
		}
	}
}

func TestItStopsAtItsLimits(t *testing.T) {
	t.Parallel()
	deep := &onnx.Graph{Name: "bottom"}
	for range 20 {
		deep = &onnx.Graph{Nodes: []*onnx.Node{{Op: "If", Attributes: []*onnx.Attribute{{Name: "then_branch", Type: onnx.AttrGraph, Graph: deep}}}}}
	}
	many := &onnx.Graph{Nodes: slices.Repeat([]*onnx.Node{{}}, 1001)} // 2 bytes each in the file
	for name, g := range map[string]*onnx.Graph{"deep": deep, "many": many} {
		m := onnx.Model{Opsets: []onnx.Opset{{Version: 18}}, Graph: g}
		if _, err := onnx.UnmarshalWithin(m.Marshal(), onnx.Limits{Depth: 8, Items: 1001}); err == nil || !strings.Contains(err.Error(), "limit") {
			t.Errorf("%s: %v, want a limit", name, err)
		}
	}
}

func TestItNamesEveryFlawOfAGraph(t *testing.T) {
	t.Parallel()
	m := linear()
	m.Graph.Nodes[0].Inputs[0] = "nowhere"
	m.Graph.Nodes[1].Outputs[0] = "h"
	m.Graph.Initializers[0].Dims = []int64{3, 1}
	err := m.Check()
	if fault.Of(err) != fault.Corrupt {
		t.Fatalf("%v, want corrupt", err)
	}
	for _, want := range []string{`input "nowhere" is not defined`, `"h" is defined twice`, `constant "w": 8 bytes, want 12`, `output "y" is made by no node`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestItRefusesWeightsInOtherFilesAndNewerOperators(t *testing.T) {
	t.Parallel()
	m := linear()
	m.Graph.Initializers[0].External = true
	if err := m.Check(); fault.Of(err) != fault.Unsupported || fault.HintOf(err) == "" {
		t.Errorf("weights outside: %v, want unsupported with a hint", err)
	}
	m = linear()
	m.Opsets[0].Version = 99
	if err := m.Check(); fault.Of(err) != fault.Unsupported {
		t.Errorf("operator set 99: %v, want unsupported", err)
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(linear().Marshal())
	files, _ := filepath.Glob("../models/*/model.onnx")
	for _, name := range files {
		if data, err := os.ReadFile(name); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := onnx.Unmarshal(data)
		if err != nil {
			if fault.Of(err) != fault.Corrupt {
				t.Errorf("kind %v, want corrupt", fault.Of(err))
			}
			return
		}
		_ = m.Check()
		again, err := onnx.Unmarshal(m.Marshal())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if !bytes.Equal(again.Marshal(), m.Marshal()) {
			t.Error("the second writing differs from the first")
		}
	})
}
