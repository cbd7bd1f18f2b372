package gradtest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"bcc/grad"
	"bcc/onnx"
)

// RunProgram runs the stages of a program one after the other and returns all that
// went in and came out, by name. params are as the program's, in one flat slice.
func RunProgram(p *grad.Program, inputs map[string]*Tensor, params []float64) (map[string]*Tensor, error) {
	values := maps.Clone(inputs)
	if values == nil {
		values = map[string]*Tensor{}
	}
	for _, q := range p.Params {
		values[q.Name] = &Tensor{q.Shape, params[q.Offset : q.Offset+q.Shape.Len()]}
	}
	for s, st := range p.Stages {
		in := map[string]*Tensor{} // what the stage says it takes, and no more
		for _, v := range st.Model.Graph.Inputs {
			if in[v.Name] = values[v.Name]; in[v.Name] == nil {
				return nil, fmt.Errorf("stage %d takes %q, which nobody gave", s, v.Name)
			}
		}
		out, err := Run(st.Model, in)
		if err != nil {
			return nil, fmt.Errorf("stage %d: %w", s, err)
		}
		maps.Copy(values, out)
	}
	return values, nil
}

// step is the distance of central differences. Their error is about its square
// times the third derivative, and the loss's rounding over it: 1e-10 in all.
const step = 1e-5

// tolerance bounds the error of a gradient, relative where it is above 1: constants
// in a graph are float32.
const tolerance = 1e-6

// CheckGradient compares every gradient of a program with central differences. It
// fails, too, where a parameter does not move the loss: nothing would be tested.
func CheckGradient(t testing.TB, p *grad.Program, inputs map[string]*Tensor, params []float64) {
	t.Helper()
	run := func(p *grad.Program) map[string]*Tensor {
		out, err := RunProgram(p, inputs, params)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	got, forward := run(p), forward(p)
	for _, q := range p.Params {
		g := got[grad.GradientName(q.Name)]
		if g == nil || !slices.Equal(g.Shape, q.Shape) {
			t.Fatalf("no gradient of shape %v by %s: %+v", q.Shape, q.Name, g)
		}
		moved := false
		for i, v := range g.Data {
			x := &params[q.Offset+i]
			was := *x
			*x = was + step
			up := run(forward)[grad.LossName].Data[0]
			*x = was - step
			down := run(forward)[grad.LossName].Data[0]
			*x = was
			want := (up - down) / (2 * step)
			if !(math.Abs(v-want) <= tolerance*max(1, math.Abs(want))) {
				t.Errorf("%s[%d]: gradient %v, central difference %v", q.Name, i, v, want)
			}
			moved = moved || want != 0
		}
		if !moved {
			t.Errorf("no element of %s moves the loss: nothing was tested", q.Name)
		}
	}
}

// forward returns a program of one stage without all that its loss does not need: a
// third of the work.
func forward(p *grad.Program) *grad.Program {
	if len(p.Stages) != 1 {
		return p
	}
	model, graph := *p.Stages[0].Model, *p.Stages[0].Model.Graph
	needed := map[string]bool{grad.LossName: true}
	var nodes []*onnx.Node
	for _, n := range slices.Backward(graph.Nodes) {
		if slices.ContainsFunc(n.Outputs, func(name string) bool { return needed[name] }) {
			nodes = append(nodes, n)
			for _, name := range n.Inputs {
				needed[name] = true
			}
		}
	}
	slices.Reverse(nodes)
	graph.Nodes = nodes
	graph.Outputs = slices.DeleteFunc(slices.Clone(graph.Outputs), func(v *onnx.ValueInfo) bool { return v.Name != grad.LossName })
	model.Graph = &graph
	return &grad.Program{Stages: []grad.Stage{{Model: &model}}, Inputs: p.Inputs, Params: p.Params}
}

// Widen returns w as float64.
func Widen(w []float32) []float64 {
	out := make([]float64, len(w))
	for i, v := range w {
		out[i] = float64(v)
	}
	return out
}
