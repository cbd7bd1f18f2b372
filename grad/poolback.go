package grad

import (
	"errors"
	"slices"

	"bcc/onnx"
)

// The way back through pools.

// backMaxPool gives each gradient to the pixel that was the largest of its window,
// the first of those that tie.
func backMaxPool(b back) []Value {
	x, at, dy := b.in[0], b.out[1], b.grad[0]
	n, m := x.Shape().Len(), dy.Shape().Len()
	zeros := x.Sub(x).Reshape(n)
	return []Value{zeros.scatter(at.Reshape(m), dy.Reshape(m)).Reshape(x.Shape()...)}
}

// scatter adds each of more (M) to the element of v (N) that at (M) says.
func (v Value) scatter(at, more Value) Value {
	add := &onnx.Attribute{Name: "reduction", Type: onnx.AttrString, Str: []byte("add")}
	return v.one("ScatterElements", []*onnx.Attribute{add}, at, more)
}

func inferScatter(c call) ([]Type, error) {
	if c.in[1].Elem != onnx.Int64 || len(c.in[0].Shape) != 1 || !slices.Equal(c.in[1].Shape, c.in[2].Shape) {
		return nil, errors.New("want a row, places in it and as many numbers")
	}
	return same(c)
}

// backAveragePool spreads each gradient evenly over the pixels of its window.
func backAveragePool(b back) []Value {
	x, dy := b.in[0].Shape(), b.grad[0]
	n, c, h, w := x[0], x[1], x[2], x[3]
	oh, ow := dy.Shape()[2], dy.Shape()[3]
	k, stride, pad := b.call.ints("kernel_shape")[0], b.call.ints("strides")[0], b.call.ints("pads")[0]
	if k == stride && h == k*oh && w == k*ow { // windows side by side
		even := b.g.Const(slices.Repeat([]float32{1 / float32(k*k)}, k*k), k, 1, k)
		return []Value{dy.Reshape(n*c, oh, 1, ow, 1).Mul(even).Reshape(x...)}
	}
	share := make([]float32, oh*ow) // of each pixel of a window: its margin does not count
	inside := func(i, extent int) int { return min(i*stride-pad+k, extent) - max(i*stride-pad, 0) }
	for i := range share {
		share[i] = 1 / float32(inside(i/ow, h)*inside(i%ow, w))
	}
	l := layer{h: h, wide: w, oh: oh, ow: ow, k: k, stride: stride, pad: pad, groups: c, apart: 1}
	l.w = b.g.filled(1, c*k*k).Reshape(c, 1, k, k)
	return []Value{dy.Mul(b.g.Const(share, oh, ow)).convTranspose(l)}
}

func backGlobalAveragePool(b back) []Value {
	s := b.in[0].Shape()
	return spread(b, b.grad[0].Mul(b.g.Scalar(1/float32(s[2]*s[3]))))
}

// backGlobalMaxPool gives the gradient to the largest pixel; pixels that tie share it.
func backGlobalMaxPool(b back) []Value {
	picked := b.in[0].Equal(b.out[0]).Where(b.g.Scalar(1), b.g.Scalar(0))
	return []Value{picked.Mul(b.grad[0].Div(picked.ReduceSum(2, 3)))}
}
