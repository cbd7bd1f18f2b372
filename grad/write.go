package grad

import (
	"fmt"
	"slices"

	"bcc/fault"
	"bcc/onnx"
)

// irVersion is the version of the file format that came with operator set 18.
const irVersion = 8

// Model writes the graph as it was built, the weights as constants in it.
func (g *Graph) Model(w Weights) (*onnx.Model, error) { return g.write(w, nil) }

// Deploy writes the graph for inference: as Model, with every batch norm folded
// into the convolution before it where nothing else reads that convolution.
func (g *Graph) Deploy(w Weights) (*onnx.Model, error) {
	if g.err != nil {
		return nil, g.err
	}
	return g.write(w, g.foldable())
}

// write writes the graph. folds maps a convolution's node to its batch norm's.
func (g *Graph) write(w Weights, folds map[int]int) (*onnx.Model, error) {
	if g.err != nil {
		return nil, g.err
	}
	if len(w.Params) != g.params.len || len(w.State) != g.state.len {
		return nil, fault.New(fault.Invalid, "write graph %s: %d parameters and %d of state, want %d and %d",
			g.name, len(w.Params), len(w.State), g.params.len, g.state.len)
	}
	wr := &writer{g: g, w: w, out: &onnx.Graph{Name: g.name}, written: map[int]bool{}, alias: map[int]string{}, read: g.read(nil)}
	for _, o := range g.outputs {
		wr.alias[o.v] = o.name
	}
	for _, i := range g.inputs {
		if g.values[i].keep == 0 {
			wr.out.Inputs = append(wr.out.Inputs, info(g.values[i].name, g.values[i].Type))
		}
	}
	gone := map[int]bool{}
	for i, n := range g.nodes {
		if gone[i] {
			continue
		}
		if bn, ok := folds[i]; ok {
			wr.folded(n, g.nodes[bn])
			gone[bn] = true
			continue
		}
		if g.silent(n) {
			wr.skip(n)
			continue
		}
		wr.node(n)
	}
	for _, o := range g.outputs {
		wr.out.Outputs = append(wr.out.Outputs, info(o.name, g.values[o.v].Type))
	}
	m := &onnx.Model{
		IRVersion: irVersion, Opsets: []onnx.Opset{{Version: Opset}}, Producer: "bcc", Graph: wr.out,
	}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("write graph %s: %w", g.name, err)
	}
	return m, nil
}

// writer turns nodes and the constants they read into those of the file.
type writer struct {
	g       *Graph
	w       Weights
	out     *onnx.Graph
	written map[int]bool // constants that are in the file already
	alias   map[int]string

	read []bool // values that a node or an output reads

	training bool // parameters come as inputs, batch norms work on their batch
}

func (wr *writer) node(n node) {
	in := make([]string, len(n.in))
	for k, i := range n.in {
		in[k] = wr.use(i)
	}
	var out []string
	for k, i := range n.out {
		if wr.read[i] || k == 0 { // the engine computes further outputs only where they have a name
			out = append(out, slices.Repeat([]string{""}, k-len(out))...)
			out = append(out, wr.name(i))
		}
	}
	wr.raw(n, in, out...)
}

// read says of each value whether an output is it or a node reads it: all nodes,
// or those that are alive where that is given.
func (g *Graph) read(alive []bool) []bool {
	read := make([]bool, len(g.values))
	for k, n := range g.nodes {
		for _, i := range n.in {
			read[max(i, 0)] = read[max(i, 0)] || i >= 0 && (alive == nil || alive[k])
		}
	}
	for _, o := range g.outputs {
		read[o.v] = true
	}
	return read
}

// skip writes nothing: who reads what the node makes reads its first input.
func (wr *writer) skip(n node) {
	if _, named := wr.alias[n.out[0]]; named {
		wr.raw(node{op: "Identity"}, []string{wr.use(n.in[0])}, wr.name(n.out[0]))
		return
	}
	wr.alias[n.out[0]] = wr.use(n.in[0])
}

// raw writes a node under the given names.
func (wr *writer) raw(n node, in []string, out ...string) {
	wr.out.Nodes = append(wr.out.Nodes, &onnx.Node{Op: n.op, Inputs: in, Outputs: out, Attributes: n.attrs})
}

// name returns what a value is called in the file.
func (wr *writer) name(i int) string {
	if i < 0 {
		return ""
	}
	if a, ok := wr.alias[i]; ok {
		return a
	}
	if n := wr.g.values[i].name; n != "" {
		return n
	}
	return fmt.Sprintf("constant_%d", i)
}

// use is name for a value that is read: a constant goes into the file with it.
func (wr *writer) use(i int) string {
	name := wr.name(i)
	if i < 0 || wr.written[i] {
		return name
	}
	v := wr.g.values[i]
	switch {
	case v.block != nil && wr.training: // an input
	case v.block != nil:
		wr.constant(name, v.Shape, wr.weights(i))
	case v.floats != nil:
		wr.constant(name, v.Shape, v.floats)
	case v.ints != nil:
		wr.out.Initializers = append(wr.out.Initializers, onnx.NewInt64s(name, v.ints))
	}
	wr.written[i] = true
	return name
}

func (wr *writer) constant(name string, s Shape, values []float32) {
	dims := make([]int64, len(s))
	for i, d := range s {
		dims[i] = int64(d)
	}
	wr.out.Initializers = append(wr.out.Initializers, onnx.NewFloats(name, dims, values))
}

// weights returns the elements of a parameter or state.
func (wr *writer) weights(i int) []float32 {
	v := wr.g.values[i]
	flat := wr.w.Params
	if v.block == &wr.g.state {
		flat = wr.w.State
	}
	off := v.block.list[v.param].Offset
	return flat[off : off+v.Shape.Len()]
}

func info(name string, t Type) *onnx.ValueInfo {
	v := &onnx.ValueInfo{Name: name, Type: t.Elem, Scalar: len(t.Shape) == 0}
	for _, d := range t.Shape {
		if d == Batch {
			v.Shape = append(v.Shape, onnx.Dim{Param: batchName})
		} else {
			v.Shape = append(v.Shape, onnx.Dim{Value: int64(d)})
		}
	}
	return v
}
