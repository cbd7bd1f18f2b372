// Package gradtest runs ONNX graphs slowly and plainly in float64: the answer that
// graphs, and the engine that runs them, are tested against. No part of the program
// uses it.
package gradtest

import (
	"fmt"

	"bcc/onnx"
)

// Tensor is a value: its elements row by row.
type Tensor struct {
	Shape []int
	Data  []float64
}

// New returns a tensor of zeros.
func New(shape ...int) *Tensor { return &Tensor{shape, make([]float64, product(shape))} }

func product(s []int) int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// op computes the one output of a node; inputs left out are nil.
type op func(n *onnx.Node, in []*Tensor) (*Tensor, error)

// many is op for operators with several outputs; it may give more than a node names.
type many func(n *onnx.Node, in []*Tensor) ([]*Tensor, error)

func (f op) run(n *onnx.Node, in []*Tensor) ([]*Tensor, error) {
	out, err := f(n, in)
	return []*Tensor{out}, err
}

func (f many) run(n *onnx.Node, in []*Tensor) ([]*Tensor, error) { return f(n, in) }

// Run returns every output of the model for the inputs, by name.
func Run(m *onnx.Model, inputs map[string]*Tensor) (map[string]*Tensor, error) {
	values := map[string]*Tensor{}
	for _, c := range m.Graph.Initializers {
		t, err := constant(c)
		if err != nil {
			return nil, err
		}
		values[c.Name] = t
	}
	for name, t := range inputs {
		values[name] = t
	}
	for _, n := range m.Graph.Nodes {
		f, ok := ops[n.Op]
		if !ok {
			return nil, fmt.Errorf("run %s: no such operator", n.Op)
		}
		in := make([]*Tensor, len(n.Inputs))
		for i, name := range n.Inputs {
			if in[i], ok = values[name]; !ok && name != "" {
				return nil, fmt.Errorf("run %s: no value %q", n.Op, name)
			}
		}
		out, err := f.run(n, in)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", n.Op, err)
		}
		for i, name := range n.Outputs {
			if name != "" {
				values[name] = out[i]
			}
		}
	}
	out := map[string]*Tensor{}
	for _, v := range m.Graph.Outputs {
		out[v.Name] = values[v.Name]
	}
	return out, nil
}

func constant(c *onnx.Tensor) (*Tensor, error) {
	t := &Tensor{}
	for _, d := range c.Dims {
		t.Shape = append(t.Shape, int(d))
	}
	if c.Type == onnx.Int64 {
		v, err := c.Int64s()
		for _, x := range v {
			t.Data = append(t.Data, float64(x))
		}
		return t, err
	}
	v, err := c.Floats()
	for _, x := range v {
		t.Data = append(t.Data, float64(x))
	}
	return t, err
}

func intOf(n *onnx.Node, name string, def int) int {
	if a := n.Attr(name); a != nil {
		return int(a.Int)
	}
	return def
}

func intsOf(n *onnx.Node, name string, def ...int) []int {
	a := n.Attr(name)
	if a == nil {
		return def
	}
	v := make([]int, len(a.Ints))
	for i, x := range a.Ints {
		v[i] = int(x)
	}
	return v
}

func floatOf(n *onnx.Node, name string, def float64) float64 {
	if a := n.Attr(name); a != nil {
		return float64(a.Float)
	}
	return def
}
