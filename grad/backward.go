package grad

import (
	"slices"

	"bcc/onnx"
)

// back is an operator on the way back: what went in, what came out, and the
// gradient of the loss by what came out.
type back struct {
	g    *Graph
	call call    // types and attributes, as infer saw them
	in   []Value // inputs; the zero Value where one was left out
	out  []Value // outputs
	grad []Value // gradient by each output; the zero Value where none flows
	need []bool  // whether the gradient by an input is wanted: a rule may skip the others
}

// reverse adds the nodes that compute the gradient of the scalar loss by every
// value that depends on a parameter, last operator first, and returns the
// gradient of each value, by its number; the zero Value where none flows.
// Reverse mode: Linnainmaa 1970.
func (g *Graph) reverse(loss Value) []Value {
	if g.err == nil && (loss.g != g || loss.Shape().Len() != 1) {
		g.fail("gradient of a value of shape %v: want one element", loss.Shape())
	}
	if g.err != nil {
		return nil
	}
	need := g.trainable()
	grads := make([]Value, len(g.values))
	grads[loss.id-1] = g.Const([]float32{1}, loss.Shape()...)
	for n := len(g.nodes) - 1; n >= 0 && g.err == nil; n-- {
		b := g.back(n, grads, need)
		if !slices.ContainsFunc(b.grad, func(v Value) bool { return v != (Value{}) }) || !slices.Contains(b.need, true) {
			continue
		}
		op := g.nodes[n].op
		if rules[op].backward == nil {
			g.fail("%s has no gradient", op)
			return nil
		}
		for i, d := range rules[op].backward(b) {
			if d == (Value{}) || !b.need[i] || g.err != nil {
				continue
			}
			if !slices.Equal(d.Shape(), b.in[i].Shape()) {
				g.fail("%s: the gradient by input %d has shape %v, want %v", op, i, d.Shape(), b.in[i].Shape())
				return nil
			}
			sum := &grads[b.in[i].id-1]
			if *sum == (Value{}) {
				*sum = d
			} else {
				*sum = sum.Add(d)
			}
		}
	}
	return grads
}

// trainable says of each value whether a parameter goes into it.
func (g *Graph) trainable() []bool {
	need := make([]bool, len(g.values))
	for i, v := range g.values {
		need[i] = v.block == &g.params
	}
	for _, n := range g.nodes {
		for _, i := range n.in {
			if i >= 0 && need[i] {
				for _, o := range n.out {
					need[o] = !g.values[o].detached
				}
			}
		}
	}
	return need
}

func (g *Graph) back(n int, grads []Value, need []bool) back {
	node := g.nodes[n]
	b := back{g: g, call: call{attrs: node.attrs}}
	for _, i := range node.in {
		if i < 0 {
			b.in, b.need, b.call.in = append(b.in, Value{}), append(b.need, false), append(b.call.in, value{})
			continue
		}
		b.in, b.need = append(b.in, Value{g, i + 1}), append(b.need, need[i] && g.values[i].Elem == onnx.Float32)
		b.call.in = append(b.call.in, g.values[i])
	}
	for _, o := range node.out {
		b.out, b.grad = append(b.out, Value{g, o + 1}), append(b.grad, grads[o])
	}
	return b
}

// unbroadcast sums d over what broadcasting repeated, down to shape.
func unbroadcast(d Value, shape Shape) Value {
	have := d.Shape()
	if slices.Equal(have, shape) {
		return d
	}
	lead := len(have) - len(shape)
	var axes []int
	for i := range have {
		if i < lead || shape[i-lead] == 1 && have[i] != 1 {
			axes = append(axes, i)
		}
	}
	if len(axes) > 0 {
		d = d.ReduceSum(axes...)
	}
	return d.Reshape(shape...)
}
