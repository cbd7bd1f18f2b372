// Package grad builds networks as ONNX graphs: operators are methods on typed
// values, shapes are inferred as the graph grows, and parameters lie in one flat
// slice in the order in which they were asked for.
//
// In: calls that describe a network, and its weights. Out: an onnx.Model. It runs
// nothing; the engine does.
//
//	g := grad.New("example")
//	x := g.Input("input", grad.Batch, 3, 224, 224)
//	w := g.Param("conv.weight", grad.He(3*3*3), 16, 3, 3, 3)
//	y := x.Conv(w, grad.Value{}, grad.ConvConfig{Stride: 2, Pad: 1}).Relu().GlobalAvgPool()
//	g.Output("features", y.Flatten(1))
//	m, err := g.Model(g.Init(1))
//
// A mistake in the description (shapes that do not meet, a value of another
// graph) is kept, makes every later call do nothing, and comes out of Model: a
// network is described in straight lines, without an error check a line.
//
// Each operator is one row of a table (rules), in one file a family: what it
// takes, what shape it gives, and which operators compute its gradient. Nodes are
// kept in the order in which they can run, so the way back is the same list from
// its end (Program, reverse).
package grad

import (
	"fmt"
	"maps"
	"slices"

	"bcc/fault"
	"bcc/onnx"
)

// Opset is the version of the standard operators that graphs are written in. 18
// is the first where axes are inputs of every reduction; the engine's fast paths
// are the same in later ones.
const Opset = 18

// Batch stands in a shape for the one extent that is not known before the graph
// runs.
const Batch = -1

// batchName is how a model file calls Batch.
const batchName = "batch"

// Shape is the extents of a value, Batch among them at most once in most graphs.
type Shape []int

// Len returns the number of elements, -1 where Batch is among the extents.
func (s Shape) Len() int {
	n := 1
	for _, d := range s {
		if d == Batch {
			return -1
		}
		n *= d
	}
	return n
}

// Type is what is known of a value: the type of its elements and its shape.
type Type struct {
	Elem  onnx.DataType
	Shape Shape
}

// Graph is a network under construction. It serves one goroutine.
type Graph struct {
	name    string
	values  []value
	nodes   []node
	inputs  []int
	outputs []output
	params  block
	state   block
	err     error
}

// value is what a Value points at.
type value struct {
	Type
	name string
	made int // node that makes it, -1 for inputs, parameters and constants

	// of a constant, one of
	floats []float32
	ints   []int64
	// of an input that is noise: see Port
	keep float32
	// nothing flows back through it: a rule accounts for what would
	detached bool
	// of a parameter: the block it lies in, and its number there
	block *block
	param int
}

type node struct {
	op      string
	in, out []int // values; -1 is an optional input left out
	attrs   []*onnx.Attribute
}

type output struct {
	name string
	v    int
}

// New returns an empty graph.
func New(name string) *Graph { return &Graph{name: name} }

// Name returns the graph's name.
func (g *Graph) Name() string { return g.name }

// Err returns the first mistake in the description.
func (g *Graph) Err() error { return g.err }

func (g *Graph) fail(format string, args ...any) Value {
	if g.err == nil {
		g.err = fault.New(fault.Invalid, "build graph %s: %w", g.name, fmt.Errorf(format, args...))
	}
	return Value{}
}

func (g *Graph) add(v value) Value {
	if g.err != nil {
		return Value{}
	}
	g.values = append(g.values, v)
	return Value{g, len(g.values)}
}

// Input adds an input of float32 elements.
func (g *Graph) Input(name string, shape ...int) Value {
	for _, d := range shape {
		if d != Batch && d <= 0 {
			return g.fail("input %s: shape %v", name, shape)
		}
	}
	if slices.ContainsFunc(g.inputs, func(i int) bool { return g.values[i].name == name }) {
		return g.fail("input %s comes twice", name)
	}
	v := g.add(value{Type: Type{onnx.Float32, shape}, name: name, made: -1})
	if v.id > 0 {
		g.inputs = append(g.inputs, v.id-1)
	}
	return v
}

// Output names a value as an output of the graph.
func (g *Graph) Output(name string, v Value) {
	if g.err != nil {
		return
	}
	if v.g != g {
		g.fail("output %s: the value is not of this graph", name)
		return
	}
	if g.values[v.id-1].made < 0 || slices.ContainsFunc(g.outputs, func(o output) bool { return o.v == v.id-1 }) {
		g.fail("output %s: no operator makes it, or it is an output already", name)
		return
	}
	g.outputs = append(g.outputs, output{name, v.id - 1})
}

// Value is a handle on a tensor of one graph. The zero Value is none: it stands
// for an optional input left out.
type Value struct {
	g  *Graph
	id int // 1-based
}

// Type returns the value's type; the zero Type after a mistake.
func (v Value) Type() Type {
	if v.g == nil || v.g.err != nil {
		return Type{}
	}
	return v.g.values[v.id-1].Type
}

// Shape returns the value's shape; nil after a mistake.
func (v Value) Shape() Shape { return v.Type().Shape }

// rule is what the builder knows about an operator.
type rule struct {
	// infer returns the types of the outputs.
	infer func(c call) ([]Type, error)
	// backward adds the operators of the gradient by each input and returns them;
	// the zero Value where none flows. Nil: the operator has no gradient.
	backward func(b back) []Value
}

// call is an operator with what goes into it. Optional inputs left out are the
// zero value.
type call struct {
	in    []value
	attrs []*onnx.Attribute
}

// rules is the table, filled by one init a family: backward rules add operators
// themselves, so the table cannot be a variable that refers to them.
var rules = map[string]rule{}

func register(family map[string]rule) { maps.Copy(rules, family) }

// maxOutputs is more than any operator has: what apply returns after a mistake.
const maxOutputs = 4

// apply adds an operator and returns its outputs, as many as its rule gives.
func (g *Graph) apply(op string, attrs []*onnx.Attribute, in ...Value) []Value {
	if g.err != nil {
		return make([]Value, maxOutputs)
	}
	n := node{op: op, attrs: attrs}
	c := call{attrs: attrs}
	var shapes []Shape
	for _, v := range in {
		if v == (Value{}) {
			n.in, c.in = append(n.in, -1), append(c.in, value{})
			continue
		}
		if v.g != g {
			g.fail("%s: a value is not of this graph", op)
			return make([]Value, maxOutputs)
		}
		n.in, c.in = append(n.in, v.id-1), append(c.in, g.values[v.id-1])
		shapes = append(shapes, g.values[v.id-1].Shape)
	}
	types, err := rules[op].infer(c)
	if err != nil {
		g.fail("%s of %v: %w", op, shapes, err)
		return make([]Value, maxOutputs)
	}
	var out []Value
	for _, t := range types {
		v := g.add(value{Type: t})
		n.out, out = append(n.out, v.id-1), append(out, v)
	}
	g.put(n)
	return out
}

// put sets a node behind all others and names what it makes.
func (g *Graph) put(n node) {
	for i, o := range n.out {
		v := &g.values[o]
		v.name, v.made = fmt.Sprintf("%s_%d", n.op, len(g.nodes)), len(g.nodes)
		if i > 0 {
			v.name = fmt.Sprintf("%s_%d", v.name, i)
		}
	}
	g.nodes = append(g.nodes, n)
}

// one is apply for an operator with one output.
func (v Value) one(op string, attrs []*onnx.Attribute, rest ...Value) Value {
	if v.g == nil {
		return Value{} // after a mistake; the graph knows it
	}
	return v.g.apply(op, attrs, slices.Insert(rest, 0, v)...)[0]
}
