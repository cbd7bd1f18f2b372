package quantize

import (
	"cmp"
	"slices"

	"bcc/fault"
	"bcc/onnx"
)

// What the engine's integer kernels cover. Each kind asks for its inputs and outputs
// in another way.
const (
	product = "product" // weights are constant: Conv, Gemm, MatMul
	sum     = "sum"     // of two activations, each with its range: Add, Mul
	mean    = "mean"    // of one activation, with a range of its own for what comes out
	move    = "move"    // values are moved, not changed: the range stays
	clip    = "clip"    // part of the operator before it
	bridge  = "bridge"  // runs in floats, with bytes on both sides, so that what follows has them
	float   = ""        // no kernel
)

var kinds = map[string]string{
	"Conv": product, "Gemm": product, "MatMul": product,
	"Add": sum, "Mul": sum,
	"GlobalAveragePool": mean, "AveragePool": mean, "Sigmoid": mean,
	"MaxPool": move, "Flatten": move, "Reshape": move, "Transpose": move, "Squeeze": move, "Unsqueeze": move,
	"Relu": clip, "Clip": clip,
	"HardSwish": bridge,
}

// plan says which values of a network become bytes.
type plan struct {
	input     string
	constants map[string]*onnx.Tensor
	readers   map[string][]*onnx.Node
	outputs   map[string]bool

	order  []string          // values that become bytes, as they come
	source map[string]string // the value whose range each takes, mostly itself
	weight map[*onnx.Node]weight
	layers int
	inside map[*onnx.Node]bool // that run in bytes
	floor  map[string]bool     // values whose range begins at zero, for a Relu that comes later
	gone   map[*onnx.Node]bool // those Relus
}

// weight says where the output channels of a product's weights lie.
type weight struct {
	tensor *onnx.Tensor
	axis   int
	bias   *onnx.Tensor // nil: none
}

// newPlan reads the network from its input on.
func newPlan(m *onnx.Model) (*plan, error) {
	unsupported := func(format string, args ...any) (*plan, error) {
		return nil, fault.New(fault.Unsupported, format, args...)
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	if v := m.Opset(); v < 13 { // per-channel DequantizeLinear
		_, err := unsupported("it is written in operator set %d", v)
		return nil, fault.Hint(err, "export it in operator set 13 or newer")
	}
	p := &plan{
		constants: map[string]*onnx.Tensor{}, readers: map[string][]*onnx.Node{}, outputs: map[string]bool{},
		source: map[string]string{}, weight: map[*onnx.Node]weight{}, inside: map[*onnx.Node]bool{},
		floor: map[string]bool{}, gone: map[*onnx.Node]bool{},
	}
	for _, t := range m.Graph.Initializers {
		p.constants[t.Name] = t
	}
	free := slices.DeleteFunc(slices.Clone(m.Graph.Inputs), func(v *onnx.ValueInfo) bool { return p.constants[v.Name] != nil })
	if len(free) != 1 {
		return unsupported("it has %d inputs, want one picture", len(free))
	}
	p.input = free[0].Name
	for _, v := range m.Graph.Outputs {
		p.outputs[v.Name] = true
	}
	for _, n := range m.Graph.Nodes {
		if n.Op == "QuantizeLinear" || n.Op == "DequantizeLinear" {
			return unsupported("it is quantized already")
		}
		for _, a := range n.Attributes {
			if a.Graph != nil {
				return unsupported("its node %q (%s) holds a network of its own", n.Name, n.Op)
			}
		}
		for _, in := range n.Inputs {
			p.readers[in] = append(p.readers[in], n)
		}
	}
	for _, n := range m.Graph.Nodes {
		p.node(n)
	}
	if p.layers == 0 {
		return unsupported("it has no convolution and no matrix product with constant weights")
	}
	return p, nil
}

// node decides about one node; those before it are decided.
func (p *plan) node(n *onnx.Node) {
	if p.gone[n] {
		p.source[n.Outputs[0]] = p.source[n.Inputs[0]]
		return
	}
	switch p.kind(n) {
	case product:
		p.layers++
		p.inside[n] = true
		p.mark(n.Inputs[0])
		// A convolution in bytes gives bytes. A matrix product can give floats, and
		// does where nobody after it counts in bytes.
		if n.Op == "Conv" || slices.ContainsFunc(p.readers[p.end(n)], func(r *onnx.Node) bool { return p.kind(r) != float }) {
			p.give(n)
		}
	case sum:
		if !p.bytes(n.Inputs[0]) && !p.bytes(n.Inputs[1]) {
			return
		}
		p.inside[n] = true
		p.mark(n.Inputs[0])
		p.mark(n.Inputs[1])
		p.give(n)
	case mean:
		if p.bytes(n.Inputs[0]) {
			p.inside[n] = true
			p.give(n)
		}
	case bridge:
		if p.bytes(n.Inputs[0]) && !p.outputs[n.Outputs[0]] {
			p.mark(n.Outputs[0])
		}
	case move:
		if p.bytes(n.Inputs[0]) && !p.outputs[n.Outputs[0]] {
			p.inside[n] = true
			p.order = append(p.order, n.Outputs[0])
			p.source[n.Outputs[0]] = p.source[n.Inputs[0]]
		}
	}
}

// kind returns what a node is, float where its inputs are not of the kind.
func (p *plan) kind(n *onnx.Node) string {
	kind := kinds[n.Op]
	if n.Domain != "" && n.Domain != "ai.onnx" || len(n.Outputs) != 1 || len(n.Inputs) == 0 || p.constants[n.Inputs[0]] != nil {
		return float
	}
	switch kind {
	case product:
		w, ok := p.readWeight(n)
		if !ok {
			return float
		}
		p.weight[n] = w
	case sum:
		if len(n.Inputs) != 2 || p.constants[n.Inputs[1]] != nil {
			return float
		}
	case move, clip:
		for _, in := range n.Inputs[1:] { // a new shape, or bounds
			if in != "" && p.constants[in] == nil {
				return float
			}
		}
	}
	return kind
}

// readWeight finds the constants of a product.
func (p *plan) readWeight(n *onnx.Node) (weight, bool) {
	if len(n.Inputs) < 2 {
		return weight{}, false
	}
	w := weight{tensor: p.constants[n.Inputs[1]]}
	if w.tensor == nil || w.tensor.Type != onnx.Float32 {
		return weight{}, false
	}
	if len(n.Inputs) > 2 && n.Inputs[2] != "" {
		if w.bias = p.constants[n.Inputs[2]]; w.bias == nil || w.bias.Type != onnx.Float32 {
			return weight{}, false
		}
	}
	dims := w.tensor.Dims
	if slices.ContainsFunc(dims, func(d int64) bool { return d < 1 }) { // else the others could be anything
		return weight{}, false
	}
	switch n.Op {
	case "Conv":
		if len(dims) < 3 {
			return weight{}, false
		}
	case "Gemm":
		if len(dims) != 2 || number(n, "alpha", 1) != 1 || number(n, "beta", 1) != 1 || integer(n, "transA") != 0 {
			return weight{}, false
		}
		w.axis = 1
		if integer(n, "transB") != 0 {
			w.axis = 0
		}
	case "MatMul":
		if len(dims) != 2 {
			return weight{}, false
		}
		w.axis = 1
	}
	if w.bias != nil && (len(w.bias.Dims) != 1 || w.bias.Dims[0] != dims[w.axis]) {
		return weight{}, false
	}
	return w, true
}

func number(n *onnx.Node, name string, otherwise float32) float32 {
	if a := n.Attr(name); a != nil {
		return a.Float
	}
	return otherwise
}

func integer(n *onnx.Node, name string) int64 {
	if a := n.Attr(name); a != nil {
		return a.Int
	}
	return 0
}

// end returns the value at which a node's part ends: behind a Relu that reads nothing
// else's, for bytes that begin at zero clip as it does and the engine drops it.
func (p *plan) end(n *onnx.Node) string {
	out := n.Outputs[0]
	if r := p.readers[out]; len(r) == 1 && !p.outputs[out] && p.kind(r[0]) == clip {
		return r[0].Outputs[0]
	}
	return out
}

// give makes bytes of what a node gives. What leaves the network stays as it is.
func (p *plan) give(n *onnx.Node) {
	end := p.end(n)
	if end != n.Outputs[0] {
		p.inside[p.readers[n.Outputs[0]][0]] = true
	} else if r := p.reluBehind(end); r != nil {
		p.floor[end], p.gone[r], p.inside[r] = true, true, true
	}
	if !p.outputs[end] {
		p.mark(end)
	}
}

// reluBehind returns the Relu that comes after value with nothing between but what
// moves values, as where pooling comes first because it leaves less to clip. Bytes
// that begin at zero have clipped already.
func (p *plan) reluBehind(value string) *onnx.Node {
	for {
		r := p.readers[value]
		if len(r) != 1 || p.outputs[value] {
			return nil
		}
		switch next := r[0]; {
		case next.Op == "Relu" && p.kind(next) == clip && !p.outputs[next.Outputs[0]]:
			return next
		case p.kind(next) == move:
			value = next.Outputs[0]
		default:
			return nil
		}
	}
}

func (p *plan) mark(value string) {
	if !p.bytes(value) {
		p.order = append(p.order, value)
		p.source[value] = value
	}
}

func (p *plan) bytes(value string) bool { return p.source[value] != "" }

// observed returns the values whose ranges are needed.
func (p *plan) observed() []string {
	return slices.DeleteFunc(slices.Clone(p.order), func(v string) bool { return p.source[v] != v })
}

// left counts the operators that stay in float32.
func (p *plan) left(g *onnx.Graph) map[string]int {
	counts := map[string]int{}
	for _, n := range g.Nodes {
		if !p.inside[n] {
			counts[cmp.Or(n.Op, "?")]++
		}
	}
	return counts
}
