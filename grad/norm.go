package grad

import (
	"fmt"
	"slices"

	"bcc/onnx"
)

// Layer norm.

func init() {
	register(map[string]rule{"LayerNormalization": {inferLayerNorm, backLayerNorm}})
}

// LayerNorm makes each row of v have mean 0 and variance 1, then scales and shifts
// it element by element (Ba et al. 2016). A row is the last dimensions of v, as
// many as scale and shift have.
func (v Value) LayerNorm(scale, shift Value, epsilon float32) Value {
	axis := len(v.Shape()) - len(scale.Shape())
	return v.one("LayerNormalization", []*onnx.Attribute{intAttr("axis", axis), floatAttr("epsilon", epsilon)}, scale, shift)
}

// inferLayerNorm gives what the operator gives: the rows, their means, and the
// inverse of their deviations, which the way back reads.
func inferLayerNorm(c call) ([]Type, error) {
	x, axis := c.in[0].Shape, c.int("axis", -1)
	if axis < 0 || axis >= len(x) || !slices.Equal(c.in[1].Shape, x[axis:]) || !slices.Equal(c.in[2].Shape, x[axis:]) {
		return nil, fmt.Errorf("want a scale and a shift like the last dimensions of %v", x)
	}
	row := slices.Clone(x)
	for i := axis; i < len(row); i++ {
		row[i] = 1
	}
	return []Type{c.in[0].Type, {onnx.Float32, row}, {onnx.Float32, row}}, nil
}

// backLayerNorm: with n = (x - mean)·inverse and d = dy·scale, the gradient by x
// is inverse·(d - mean(d) - n·mean(d·n)), the means over a row.
func backLayerNorm(b back) []Value {
	var axes []int
	for a := b.call.int("axis", -1); a < len(b.in[0].Shape()); a++ {
		axes = append(axes, a)
	}
	inverse, dy := b.out[2], b.grad[0]
	n := b.in[0].Sub(b.out[1]).Mul(inverse)
	d := dy.Mul(b.in[1])
	dx := d.Sub(d.ReduceMean(axes...)).Sub(n.Mul(d.Mul(n).ReduceMean(axes...))).Mul(inverse)
	return []Value{dx, b.like(dy.Mul(n), 1), b.like(dy, 2)}
}
