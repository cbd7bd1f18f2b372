package grad

import (
	"errors"
	"slices"

	"bcc/onnx"
)

// The way back through a convolution. Which operators compute a gradient fastest
// depends on the shapes; the forms and the limits between them were measured in the
// engine on the layers of ResNets and MobileNets (docs/results.md).

// layer is a convolution of x (N, C, H, W) with w (M, C/groups, k, k).
type layer struct {
	x, w, dy                      Value
	n, c, h, wide, m, oh, ow      int
	k, stride, pad, groups, apart int // apart: dilation
}

func backConv(b back) []Value {
	l := layer{x: b.in[0], w: b.in[1], dy: b.grad[0]}
	xs, ys := l.x.Shape(), l.dy.Shape()
	l.n, l.c, l.h, l.wide, l.m, l.oh, l.ow = xs[0], xs[1], xs[2], xs[3], ys[1], ys[2], ys[3]
	l.k, l.stride, l.pad = b.call.ints("kernel_shape")[0], b.call.ints("strides")[0], b.call.ints("pads")[0]
	l.groups, l.apart = b.call.int("group", 1), b.call.ints("dilations")[0]
	d := make([]Value, len(b.in))
	if b.need[0] {
		d[0] = l.byInput()
	}
	if b.need[1] {
		d[1] = l.byWeights()
	}
	if len(d) > 2 && b.need[2] {
		d[2] = l.dy.ReduceSum(0, 2, 3).Reshape(l.m)
	}
	return d
}

// reach is how far the first and last tap are apart.
func (l layer) reach() int { return l.apart * (l.k - 1) }

// rest is how many pixels at the lower and right end, margin included, no window
// reaches.
func (l layer) rest() (h, w int) {
	room := 2*l.pad - l.reach() - 1
	return l.h + room - (l.oh-1)*l.stride, l.wide + room - (l.ow-1)*l.stride
}

// byInput is a convolution of dy with the weights turned round. Where a stride
// would put zeros between the elements of dy, or weights so large that turning them
// costs more than it saves, it is the transposed convolution.
func (l layer) byInput() Value {
	heavy := l.m*l.c/l.groups*l.k*l.k > 4*l.n*l.oh*l.ow*max(l.m, l.c)
	if l.stride > 1 || l.pad > l.reach() || heavy {
		return l.dy.convTranspose(l)
	}
	w := l.w
	if l.k > 1 {
		w = w.halfTurn()
	}
	in, out := l.c/l.groups, l.m/l.groups
	switch {
	case l.groups == 1:
		w = w.Transpose(1, 0, 2, 3)
	case in > 1 || out > 1:
		w = w.Reshape(l.groups, out, in, l.k*l.k).Transpose(0, 2, 1, 3).Reshape(l.c, out, l.k, l.k)
	}
	return l.dy.Conv(w, Value{}, ConvConfig{Pad: l.reach() - l.pad, Groups: l.groups, Dilation: l.apart})
}

// byWeights picks the form.
func (l layer) byWeights() Value {
	light := l.c*l.m < 10*l.n*l.oh*l.ow
	keeps := l.stride == 1 && l.apart == 1 && 2*l.pad == l.k-1
	shifts := l.k > 1 && keeps && min(l.h, l.wide) > l.pad
	switch {
	case shifts && l.groups == l.c && l.groups == l.m:
		return l.shiftedDepthwise()
	case l.groups > 1 || l.c < 16 && l.k > 3:
		return l.correlated()
	case shifts && light:
		return l.shifted()
	default:
		return l.columns()
	}
}

// correlated slides dy over x as if it were the weights: samples are the channels
// of that convolution, its stride is our dilation and the other way round. It takes
// no memory, and is right for every layer; the others are faster.
func (l layer) correlated() Value {
	x := l.x
	h, w := l.rest()
	x = x.pads(l.pad, l.pad, l.pad-h, l.pad-w) // to the pixels that windows reach
	in := l.c / l.groups
	if l.groups == 1 {
		x = x.Transpose(1, 0, 2, 3)
	} else {
		s := x.Shape()
		x = x.Reshape(l.n, l.groups, in, s[2]*s[3]).Transpose(2, 1, 0, 3).Reshape(in, l.groups*l.n, s[2], s[3])
	}
	kernel := l.dy.Transpose(1, 0, 2, 3)
	dw := x.one("Conv", []*onnx.Attribute{
		intsAttr("kernel_shape", l.oh, l.ow), intsAttr("strides", l.apart, l.apart), intsAttr("pads", 0, 0, 0, 0),
		intsAttr("dilations", l.stride, l.stride), intAttr("group", l.groups),
	}, kernel)
	return dw.Transpose(1, 0, 2, 3)
}

// shifted serves windows of k×k at stride 1 that keep the extent: the product of k
// copies of dy, each a row further down, with k copies of x, each a column further
// to the right, holds every pair of taps once.
func (l layer) shifted() Value {
	x, dy, rows := l.x, l.dy, l.rows(4) // rows: the axis of channels
	if rows == 0 {
		x, dy = x.Transpose(1, 0, 2, 3), dy.Transpose(1, 0, 2, 3)
	}
	x, dy = l.shifts(x, dy, rows)
	return l.product(rows, dy, x).Reshape(l.k, l.m, l.k, l.c).Transpose(1, 3, 0, 2)
}

// shiftedDepthwise is shifted for one channel a group: small products, one a channel
// and sample.
func (l layer) shiftedDepthwise() Value {
	row := func(v Value) Value { return v.Reshape(l.n*l.c, 1, l.h, l.wide) }
	x, dy := l.shifts(row(l.x), row(l.dy), 1)
	flat := func(v Value) Value { return v.Reshape(l.n*l.c, l.k, l.h*l.wide) }
	dw := flat(dy).MatMul(flat(x).Transpose(0, 2, 1))
	return dw.Reshape(l.n, l.c, l.k, l.k).ReduceSum(0).Reshape(l.c, 1, l.k, l.k)
}

// shifts puts k copies of x and of dy one behind the other along an axis, each
// shifted by one pixel more.
func (l layer) shifts(x, dy Value, axis int) (Value, Value) {
	var xs, ys []Value
	for i := range l.k {
		xs = append(xs, x.pads(0, l.pad-i, 0, i-l.pad))
		ys = append(ys, dy.pads(i-l.pad, 0, l.pad-i, 0))
	}
	return xs[0].Concat(axis, xs[1:]...), ys[0].Concat(axis, ys[1:]...)
}

// columns multiplies dy with the pixels under each tap.
func (l layer) columns() Value {
	x, dy, rows := l.x, l.dy, l.rows(1)
	if rows == 0 {
		x, dy = x.Transpose(1, 0, 2, 3), dy.Transpose(1, 0, 2, 3)
	}
	x = x.pads(l.pad, l.pad, l.pad, l.pad)
	// Columns a stride apart are picked once for all taps that begin so many strides
	// further on: picking single elements is the slow part.
	phases := make([]Value, l.stride)
	for p := range phases {
		phases[p] = x.every(1, l.stride, 0, p, l.h+2*l.pad, (l.wide+2*l.pad-p+l.stride-1)/l.stride)
	}
	var taps []Value
	for i := range l.k {
		for j := range l.k {
			left := j * l.apart
			taps = append(taps, phases[left%l.stride].every(l.stride, 1, i*l.apart, left/l.stride, l.oh, l.ow))
		}
	}
	cols := taps[0]
	if len(taps) > 1 {
		cols = cols.Concat(rows, taps[1:]...)
	}
	dw := l.product(rows, dy, cols)
	if l.k == 1 {
		return dw.Reshape(l.m, l.c, 1, 1)
	}
	return dw.Reshape(l.m, l.k*l.k, l.c).Transpose(0, 2, 1).Reshape(l.m, l.c, l.k, l.k)
}

// rows chooses between one product over all pixels of the batch, which has to put
// channels first (axis 0), and one product a sample (axis 1), whose results, factor
// as many floats as weights, have to be added.
func (l layer) rows(factor int) int {
	if k := l.k * l.k; factor*l.c*l.m*k < (l.c*k+l.m)*l.oh*l.ow {
		return 1
	}
	return 0
}

// product returns a·bᵀ, where rows is the axis of the rows and all behind it are
// columns; what is before rows is summed.
func (l layer) product(rows int, a, b Value) Value {
	if rows == 0 {
		return a.Flatten(1).MatMul(b.Flatten(1).Transpose(1, 0))
	}
	flat := func(v Value) Value {
		s := v.Shape()
		return v.Reshape(s[0], s[1], s[2]*s[3])
	}
	return flat(a).MatMul(flat(b).Transpose(0, 2, 1)).ReduceSum(0)
}

// convTranspose spreads each element of dy over the pixels of its window.
func (v Value) convTranspose(l layer) Value {
	h, w := l.rest()
	return v.one("ConvTranspose", append(window(l.k, l.stride, l.pad), intAttr("group", l.groups),
		intsAttr("dilations", l.apart, l.apart), intsAttr("output_padding", h, w)), l.w)
}

func inferConvTranspose(c call) ([]Type, error) {
	x, w := c.in[0].Shape, c.in[1].Shape
	k, s, p := c.ints("kernel_shape"), c.ints("strides"), c.ints("pads")
	d, more := c.ints("dilations"), c.ints("output_padding")
	if len(x) != 4 || len(w) != 4 || !slices.Equal(k, w[2:]) || x[1] != w[0] {
		return nil, errors.New("want a picture (N, M, H, W) and weights (M, C, K, K)")
	}
	out := Shape{x[0], w[1] * c.int("group", 1), 0, 0}
	for i := range 2 {
		out[2+i] = (x[2+i]-1)*s[i] + d[i]*(k[i]-1) + 1 - p[i] - p[i+2] + more[i]
	}
	return []Type{{onnx.Float32, out}}, nil
}

// pads puts so many zeros around v (N, C, H, W); fewer than none cut it.
func (v Value) pads(top, left, bottom, right int) Value {
	if v.g == nil || top == 0 && left == 0 && bottom == 0 && right == 0 {
		return v
	}
	return v.one("Pad", nil, v.g.ints([]int{0, 0, top, left, 0, 0, bottom, right}))
}

// every keeps h×w elements of v (N, C, H, W), down and right apart, from (top, left) on.
func (v Value) every(down, right, top, left, h, w int) Value {
	if v.g == nil || slices.Equal(v.Shape()[2:], Shape{h, w}) {
		return v
	}
	g, bottom, end := v.g, top+(h-1)*down+1, left+(w-1)*right+1
	return v.one("Slice", nil, g.ints([]int{top, left}), g.ints([]int{bottom, end}), g.ints([]int{2, 3}), g.ints([]int{down, right}))
}

// halfTurn turns v (M, C, K, K) by half a turn.
func (v Value) halfTurn() Value {
	if v.g == nil {
		return v
	}
	g, k := v.g, v.Shape()[3]
	return v.one("Slice", nil, g.ints([]int{-1, -1}), g.ints([]int{-1 - k, -1 - k}), g.ints([]int{2, 3}), g.ints([]int{-1, -1}))
}
