package quantize

import (
	"testing"

	"bcc/onnx"
)

// FuzzConvert gives broken networks to the planner: whatever Check lets pass is refused
// or comes out as something that Check lets pass.
func FuzzConvert(f *testing.F) {
	node := func(op string, out string, in ...string) *onnx.Node {
		return &onnx.Node{Op: op, Inputs: in, Outputs: []string{out}}
	}
	weight := onnx.NewFloats("w", []int64{2, 2, 1, 1}, []float32{1, -2, 0, 1e-38})
	for _, nodes := range [][]*onnx.Node{
		{node("Conv", "a", "x", "w", "b"), node("Relu", "y", "a")},
		{node("Conv", "a", "x", "w"), node("MaxPool", "m", "a"), node("Relu", "r", "m"), node("Conv", "y", "r", "w")},
		{node("Gemm", "a", "x", "m", "b"), node("HardSwish", "h", "a"), node("MatMul", "c", "h", "m"), node("Add", "y", "c", "a")},
		{node("Conv", "a", "x", "w"), node("GlobalAveragePool", "g", "a"), node("Mul", "y", "a", "g")},
	} {
		m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 18}}, Graph: &onnx.Graph{
			Name: "g", Nodes: nodes,
			Inputs:  []*onnx.ValueInfo{{Name: "x", Type: onnx.Float32}},
			Outputs: []*onnx.ValueInfo{{Name: "y", Type: onnx.Float32}},
			Initializers: []*onnx.Tensor{
				weight, onnx.NewFloats("b", []int64{2}, []float32{1e20, -1}), onnx.NewFloats("m", []int64{2, 2}, []float32{1, 2, 3, 4}),
			},
		}}
		f.Add(m.Marshal())
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := onnx.Unmarshal(file)
		if err != nil || len(m.Graph.Nodes) > 100 {
			return
		}
		p, err := newPlan(m)
		if err != nil {
			return
		}
		ranges := map[string]span{}
		for i, v := range p.observed() {
			ranges[v] = span{-float32(i), float32(i % 3)}
		}
		q, err := p.convert(m, ranges, 7)
		if err != nil {
			return // weights that are not finite, or names that do not meet
		}
		if err := q.Check(); err != nil {
			t.Error(err)
		}
		if _, err := onnx.Unmarshal(q.Marshal()); err != nil {
			t.Error(err)
		}
	})
}
