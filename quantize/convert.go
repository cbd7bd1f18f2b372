package quantize

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"bcc/onnx"
)

// convert writes the network with the planned values in bytes over these ranges.
func (p *plan) convert(m *onnx.Model, ranges map[string]span, bits int) (*onnx.Model, error) {
	c := &converter{plan: p, ranges: ranges, most: 1<<(bits-1) - 1, taken: map[string]bool{}, renamed: map[string]string{}, weights: map[string]quantized{}}
	graph := *m.Graph
	for _, v := range graph.Inputs {
		c.taken[v.Name] = true
	}
	for _, t := range graph.Initializers {
		c.taken[t.Name] = true
	}
	for _, n := range graph.Nodes {
		for _, out := range n.Outputs {
			c.taken[out] = true
		}
	}
	c.bytes(p.input)
	for _, n := range graph.Nodes {
		if err := c.node(n); err != nil {
			return nil, err
		}
	}
	read := map[string]bool{}
	for _, n := range c.nodes {
		for _, in := range n.Inputs {
			read[in] = true
		}
	}
	keep := slices.DeleteFunc(slices.Clone(graph.Initializers), func(t *onnx.Tensor) bool { return !read[t.Name] && !p.outputs[t.Name] })
	graph.Initializers = append(keep, c.constants...)
	// Old files list their constants among the inputs; those that are gone go there too.
	graph.Inputs = slices.DeleteFunc(slices.Clone(graph.Inputs), func(v *onnx.ValueInfo) bool {
		return p.constants[v.Name] != nil && !read[v.Name]
	})
	graph.Nodes = c.nodes
	graph.Values = nil // shapes between, of which some are gone
	out := *m
	out.Graph = &graph
	if err := out.Check(); err != nil {
		return nil, fmt.Errorf("the network in bytes: %w", err)
	}
	return &out, nil
}

type converter struct {
	*plan
	ranges    map[string]span
	most      int // largest weight
	taken     map[string]bool
	renamed   map[string]string // values → what their readers read instead
	weights   map[string]quantized
	nodes     []*onnx.Node
	constants []*onnx.Tensor
}

// quantized is a weight in bytes.
type quantized struct {
	name   string // of the value behind its DequantizeLinear
	scales []float32
}

func (c *converter) node(n *onnx.Node) error {
	if c.gone[n] {
		c.renamed[n.Outputs[0]] = c.renamed[n.Inputs[0]]
		return nil
	}
	changed := *n
	changed.Inputs = slices.Clone(n.Inputs)
	for i, in := range changed.Inputs {
		if r, ok := c.renamed[in]; ok {
			changed.Inputs[i] = r
		}
	}
	if w, ok := c.weight[n]; ok && c.inside[n] {
		if err := c.product(&changed, n.Inputs[0], w); err != nil {
			return fmt.Errorf("node %q (%s) of %q: %w", n.Name, n.Op, n.Outputs[0], err)
		}
	}
	c.nodes = append(c.nodes, &changed)
	for _, out := range n.Outputs {
		c.bytes(out)
	}
	return nil
}

// bytes sends a value through bytes, if that is planned; readers read what comes out.
func (c *converter) bytes(value string) {
	if !c.plan.bytes(value) {
		return
	}
	scale, zero := c.span(value).step()
	scaleName, zeroName := c.scalar(value, scale, zero)
	q, dq := c.fresh(value+"_u8"), c.fresh(value+"_back")
	c.add("QuantizeLinear", []string{value, scaleName, zeroName}, q)
	c.add("DequantizeLinear", []string{q, scaleName, zeroName}, dq)
	c.renamed[value] = dq
}

// span returns the range of a value in bytes.
func (c *converter) span(value string) span {
	source := c.source[value]
	s := c.ranges[source]
	if c.floor[source] {
		s.low = 0
	}
	return s
}

func (c *converter) scalar(value string, scale float32, zero uint8) (scaleName, zeroName string) {
	scaleName, zeroName = c.fresh(value+"_scale"), c.fresh(value+"_zero")
	c.constants = append(c.constants,
		onnx.NewFloats(scaleName, nil, []float32{scale}),
		&onnx.Tensor{Name: zeroName, Type: onnx.Uint8, Raw: []byte{zero}})
	return scaleName, zeroName
}

// product replaces the constants of a node that is fed from value in bytes.
func (c *converter) product(n *onnx.Node, value string, w weight) error {
	scale, _ := c.span(value).step()
	var bias []float32
	if w.bias != nil {
		var err error
		if bias, err = w.bias.Floats(); err != nil {
			return err
		}
	}
	q, err := c.bytesOf(w, scale, bias)
	if err != nil {
		return err
	}
	n.Inputs[1] = q.name
	if bias != nil {
		n.Inputs[2] = c.biasOf(n.Outputs[0], bias, scale, q.scales)
	}
	return nil
}

// bytesOf writes a weight in signed bytes with one scale a channel. Two nodes may
// read one weight.
func (c *converter) bytesOf(w weight, input float32, bias []float32) (quantized, error) {
	name := w.tensor.Name
	key := fmt.Sprint(name, " ", w.axis)
	if bias == nil {
		if q, ok := c.weights[key]; ok {
			return q, nil
		}
	}
	values, err := w.tensor.Floats()
	if err != nil {
		return quantized{}, err
	}
	channels := int(w.tensor.Dims[w.axis])
	inner := 1
	for _, d := range w.tensor.Dims[w.axis+1:] {
		inner *= int(d)
	}
	most := make([]float32, channels)
	for i, v := range values {
		k := i / inner % channels
		if v-v != 0 {
			return quantized{}, fmt.Errorf("weight %q is not finite", name)
		}
		most[k] = max(most[k], v, -v)
	}
	q := quantized{name: c.fresh(name + "_back"), scales: make([]float32, channels)}
	for k := range q.scales {
		q.scales[k] = most[k] / float32(c.most)
		if bias != nil { // coarser where the bias would not fit 31 bits of input·weight steps
			q.scales[k] = max(q.scales[k], float32(math.Abs(float64(bias[k]))/float64(input)/(1<<30)))
		}
		if q.scales[k] < 1e-30 {
			q.scales[k] = 1
		}
	}
	raw := make([]byte, len(values))
	for i, v := range values {
		s := math.RoundToEven(float64(v) / float64(q.scales[i/inner%channels]))
		raw[i] = byte(int8(max(-float64(c.most), min(float64(c.most), s))))
	}
	weights, scales, zeroes := c.fresh(name+"_s8"), c.fresh(name+"_scale"), c.fresh(name+"_zero")
	c.constants = append(c.constants,
		&onnx.Tensor{Name: weights, Type: onnx.Int8, Dims: w.tensor.Dims, Raw: raw},
		onnx.NewFloats(scales, []int64{int64(channels)}, q.scales),
		&onnx.Tensor{Name: zeroes, Type: onnx.Int8, Dims: []int64{int64(channels)}, Raw: make([]byte, channels)})
	c.add("DequantizeLinear", []string{weights, scales, zeroes}, q.name, axis(w.axis))
	if bias == nil {
		c.weights[key] = q
	}
	return q, nil
}

// biasOf writes a bias in the steps that the products are summed in.
func (c *converter) biasOf(node string, bias []float32, input float32, scales []float32) string {
	raw := make([]byte, 0, 4*len(bias))
	steps := make([]float32, len(bias))
	for k, b := range bias {
		steps[k] = float32(input * scales[k])
		s := math.RoundToEven(float64(b) / float64(steps[k]))
		raw = binary.LittleEndian.AppendUint32(raw, uint32(int32(max(math.MinInt32, min(math.MaxInt32, s)))))
	}
	dims := []int64{int64(len(bias))}
	q, scale, zero, back := c.fresh(node+"_bias_s32"), c.fresh(node+"_bias_scale"), c.fresh(node+"_bias_zero"), c.fresh(node+"_bias_back")
	c.constants = append(c.constants,
		&onnx.Tensor{Name: q, Type: onnx.Int32, Dims: dims, Raw: raw},
		onnx.NewFloats(scale, dims, steps),
		&onnx.Tensor{Name: zero, Type: onnx.Int32, Dims: dims, Raw: make([]byte, 4*len(bias))})
	c.add("DequantizeLinear", []string{q, scale, zero}, back, axis(0))
	return back
}

func (c *converter) add(op string, in []string, out string, attrs ...*onnx.Attribute) {
	c.nodes = append(c.nodes, &onnx.Node{Op: op, Inputs: in, Outputs: []string{out}, Attributes: attrs})
}

// axis says along which dimension there is a scale for each place.
func axis(a int) *onnx.Attribute {
	return &onnx.Attribute{Name: "axis", Type: onnx.AttrInt, Int: int64(a)}
}

// fresh returns a name that nothing in the network has.
func (c *converter) fresh(name string) string {
	for c.taken[name] {
		name += "_"
	}
	c.taken[name] = true
	return name
}
