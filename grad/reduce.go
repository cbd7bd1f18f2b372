package grad

import (
	"errors"
	"fmt"
	"slices"

	"bcc/onnx"
)

// Reductions over axes.

func init() {
	register(map[string]rule{
		"ReduceMean": {inferReduce, backReduceMean},
		"ReduceSum":  {inferReduce, backReduceSum},
		"ReduceMax":  {inferReduce, backReduceExtreme},
		"ReduceMin":  {inferReduce, backReduceExtreme},
	})
}

// ReduceMean is the mean over the axes, which stay with an extent of 1.
func (v Value) ReduceMean(axes ...int) Value { return v.reduce("ReduceMean", axes) }

// ReduceSum is the sum over the axes, which stay with an extent of 1.
func (v Value) ReduceSum(axes ...int) Value { return v.reduce("ReduceSum", axes) }

// ReduceMax is the largest over the axes, which stay with an extent of 1.
func (v Value) ReduceMax(axes ...int) Value { return v.reduce("ReduceMax", axes) }

// ReduceMin is the smallest over the axes, which stay with an extent of 1.
func (v Value) ReduceMin(axes ...int) Value { return v.reduce("ReduceMin", axes) }

func (v Value) reduce(op string, axes []int) Value {
	if v.g == nil {
		return Value{}
	}
	return v.one(op, []*onnx.Attribute{intAttr("keepdims", 1)}, v.g.ints(axes))
}

func inferReduce(c call) ([]Type, error) {
	out := slices.Clone(c.in[0].Shape)
	if len(c.in[1].ints) == 0 {
		return nil, errors.New("no axis")
	}
	for _, a := range c.in[1].ints {
		if a < 0 || int(a) >= len(out) {
			return nil, fmt.Errorf("axis %d", a)
		}
		out[a] = 1
	}
	return []Type{{c.in[0].Elem, out}}, nil
}

// spread repeats d, which has extents of 1 where the input was reduced, over the
// input's shape.
func spread(b back, d Value) []Value { return []Value{d.Expand(b.in[0].Shape()...)} }

func backReduceSum(b back) []Value { return spread(b, b.grad[0]) }

func backReduceMean(b back) []Value {
	n := b.in[0].Shape().Len() / b.out[0].Shape().Len()
	return spread(b, b.grad[0].Mul(b.g.Scalar(1/float32(n))))
}

// backReduceExtreme gives the gradient to the element that was picked; elements
// that tie share it.
func backReduceExtreme(b back) []Value {
	var axes []int
	for _, a := range b.call.in[1].ints {
		axes = append(axes, int(a))
	}
	picked := b.in[0].Equal(b.out[0]).Where(b.g.Scalar(1), b.g.Scalar(0))
	return []Value{picked.Mul(b.grad[0].Div(picked.ReduceSum(axes...)))}
}
