package gradtest

import (
	"fmt"
	"math"
	"slices"

	"bcc/onnx"
)

var ops = map[string]interface {
	run(n *onnx.Node, in []*Tensor) ([]*Tensor, error)
}{
	"Relu":    each(func(x float64) float64 { return max(x, 0) }),
	"Sigmoid": each(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }),
	"Tanh":    each(math.Tanh), "Exp": each(math.Exp), "Log": each(math.Log), "Sqrt": each(math.Sqrt), "Abs": each(math.Abs),
	"Neg":        each(func(x float64) float64 { return -x }),
	"Reciprocal": each(func(x float64) float64 { return 1 / x }),
	"HardSwish":  each(func(x float64) float64 { return x * min(max(x/6+0.5, 0), 1) }),
	"Sign":       each(sign),
	"HardSigmoid": op(func(n *onnx.Node, in []*Tensor) (*Tensor, error) {
		a, b := floatOf(n, "alpha", 0.2), floatOf(n, "beta", 0.5)
		return each(func(x float64) float64 { return min(max(a*x+b, 0), 1) })(n, in)
	}),
	"Clip": op(func(n *onnx.Node, in []*Tensor) (*Tensor, error) {
		lo, hi := in[1].Data[0], in[2].Data[0]
		return each(func(x float64) float64 { return min(max(x, lo), hi) })(n, in)
	}),
	"Add": both(func(a, b float64) float64 { return a + b }),
	"Sub": both(func(a, b float64) float64 { return a - b }),
	"Mul": both(func(a, b float64) float64 { return a * b }),
	"Div": both(func(a, b float64) float64 { return a / b }),
	"Pow": both(math.Pow),
	"Min": both(func(a, b float64) float64 { return min(a, b) }),
	"Max": both(func(a, b float64) float64 { return max(a, b) }),

	"Greater": both(func(a, b float64) float64 { return truth(a > b) }),
	"Less":    both(func(a, b float64) float64 { return truth(a < b) }),
	"Equal":   both(func(a, b float64) float64 { return truth(a == b) }),
	"Where":   op(where),

	"Conv": op(conv), "ConvTranspose": op(convTranspose), "BatchNormalization": op(batchNorm), "LayerNormalization": many(layerNorm),
	"MaxPool": many(maxPool), "ScatterElements": op(scatter),
	"AveragePool": pool(0, func(acc, x float64) float64 { return acc + x },
		func(acc float64, n int) float64 { return acc / float64(n) }),
	"GlobalAveragePool": reduce(mean, 2, 3), "GlobalMaxPool": reduce(slices.Max[[]float64], 2, 3),
	"ReduceMean": reduce(mean), "ReduceSum": reduce(sum),
	"ReduceMax": reduce(slices.Max[[]float64]), "ReduceMin": reduce(slices.Min[[]float64]),

	"Gemm": op(gemm), "MatMul": op(matMul),
	"Softmax":    softmax(func(x, shift, total float64) float64 { return math.Exp(x-shift) / total }),
	"LogSoftmax": softmax(func(x, shift, total float64) float64 { return x - shift - math.Log(total) }),

	"Reshape": op(reshape), "Flatten": op(flatten), "Transpose": op(transpose), "Concat": op(concat), "Slice": op(slice),
	"Pad": op(pad), "Expand": op(expand), "Identity": each(func(x float64) float64 { return x }),
}

func each(f func(float64) float64) op {
	return func(_ *onnx.Node, in []*Tensor) (*Tensor, error) {
		out := New(in[0].Shape...)
		for i, x := range in[0].Data {
			out.Data[i] = f(x)
		}
		return out, nil
	}
}

func sign(x float64) float64 { return truth(x > 0) - truth(x < 0) }

// truth is 1 for true: comparisons give numbers here.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func where(n *onnx.Node, in []*Tensor) (*Tensor, error) {
	shape, err := both(func(a, b float64) float64 { return 0 })(n, in[1:])
	if err == nil {
		shape, err = both(func(a, b float64) float64 { return 0 })(n, []*Tensor{shape, in[0]})
	}
	if err != nil {
		return nil, err
	}
	rank := len(shape.Shape)
	c, a, b := lead(in[0], rank), lead(in[1], rank), lead(in[2], rank)
	walk(shape.Shape, func(i int, at []int) {
		if c.wrapped(at) != 0 {
			shape.Data[i] = a.wrapped(at)
		} else {
			shape.Data[i] = b.wrapped(at)
		}
	})
	return shape, nil
}

// both applies f with broadcasting.
func both(f func(a, b float64) float64) op {
	return func(_ *onnx.Node, in []*Tensor) (*Tensor, error) {
		rank := max(len(in[0].Shape), len(in[1].Shape))
		a, b := lead(in[0], rank), lead(in[1], rank)
		shape := make([]int, rank)
		for i := range shape {
			shape[i] = max(a.Shape[i], b.Shape[i])
		}
		out := New(shape...)
		walk(shape, func(i int, at []int) { out.Data[i] = f(a.wrapped(at), b.wrapped(at)) })
		return out, nil
	}
}

// lead returns t with extents of 1 in front, up to rank.
func lead(t *Tensor, rank int) *Tensor {
	return &Tensor{append(slices.Repeat([]int{1}, rank-len(t.Shape)), t.Shape...), t.Data}
}

// wrapped returns the element at a position, extents of 1 repeated.
func (t *Tensor) wrapped(at []int) float64 {
	i := 0
	for k, d := range t.Shape {
		i = i*d + at[k]%d
	}
	return t.Data[i]
}

// walk calls f for every position of a shape, in order.
func walk(shape []int, f func(i int, at []int)) {
	at := make([]int, len(shape))
	for i := range product(shape) {
		rest := i
		for k := len(shape) - 1; k >= 0; k-- {
			at[k], rest = rest%shape[k], rest/shape[k]
		}
		f(i, at)
	}
}

func mean(v []float64) float64 { return sum(v) / float64(len(v)) }

func sum(v []float64) float64 {
	var s float64
	for _, x := range v {
		s += x
	}
	return s
}

// reduce gathers over fixed axes, or over those of the second input.
func reduce(f func([]float64) float64, axes ...int) op {
	return func(_ *onnx.Node, in []*Tensor) (*Tensor, error) {
		over := slices.Clone(axes)
		if len(in) > 1 {
			for _, a := range in[1].Data {
				over = append(over, int(a))
			}
		}
		shape := slices.Clone(in[0].Shape)
		for _, a := range over {
			shape[a] = 1
		}
		out := New(shape...)
		groups := make([][]float64, len(out.Data))
		walk(in[0].Shape, func(i int, at []int) {
			o := 0
			for k, d := range shape {
				o = o*d + at[k]%d
			}
			groups[o] = append(groups[o], in[0].Data[i])
		})
		for o, g := range groups {
			out.Data[o] = f(g)
		}
		return out, nil
	}
}

func gemm(n *onnx.Node, in []*Tensor) (*Tensor, error) {
	turned := func(t *Tensor, attr string) *Tensor {
		if intOf(n, attr, 0) == 1 {
			t, _ = transpose(&onnx.Node{Attributes: []*onnx.Attribute{{Name: "perm", Ints: []int64{1, 0}}}}, []*Tensor{t})
		}
		return t
	}
	out, err := matMul(n, []*Tensor{turned(in[0], "transA"), turned(in[1], "transB")})
	if err != nil || len(in) < 3 {
		return out, err
	}
	return both(func(a, b float64) float64 { return a + b })(n, []*Tensor{out, in[2]})
}

// matMul multiplies matrices, the dimensions in front broadcast.
func matMul(_ *onnx.Node, in []*Tensor) (*Tensor, error) {
	rank := max(len(in[0].Shape), len(in[1].Shape))
	a, b := lead(in[0], rank), lead(in[1], rank)
	inner := a.Shape[rank-1]
	if inner != b.Shape[rank-2] {
		return nil, fmt.Errorf("%v by %v", a.Shape, b.Shape)
	}
	shape := make([]int, rank)
	for i := range rank - 2 {
		shape[i] = max(a.Shape[i], b.Shape[i])
	}
	shape[rank-2], shape[rank-1] = a.Shape[rank-2], b.Shape[rank-1]
	out := New(shape...)
	walk(shape, func(i int, at []int) {
		row, col := slices.Clone(at), slices.Clone(at)
		for k := range inner {
			row[rank-1], col[rank-2] = k, k
			out.Data[i] += a.wrapped(row) * b.wrapped(col)
		}
	})
	return out, nil
}

// layerNorm gives the rows, their means, and the inverse of their deviations.
func layerNorm(n *onnx.Node, in []*Tensor) ([]*Tensor, error) {
	x, axis, eps := in[0], intOf(n, "axis", -1), floatOf(n, "epsilon", 1e-5)
	row := product(x.Shape[axis:])
	shape := append(slices.Clone(x.Shape[:axis]), slices.Repeat([]int{1}, len(x.Shape)-axis)...)
	y, means, inverses := New(x.Shape...), New(shape...), New(shape...)
	for r := range means.Data {
		v := x.Data[r*row:][:row]
		m, square := mean(v), 0.0
		for _, e := range v {
			square += (e - m) * (e - m)
		}
		inverse := 1 / math.Sqrt(square/float64(row)+eps)
		for i, e := range v {
			y.Data[r*row+i] = (e-m)*inverse*in[1].Data[i] + in[2].Data[i]
		}
		means.Data[r], inverses.Data[r] = m, inverse
	}
	return []*Tensor{y, means, inverses}, nil
}

func softmax(f func(x, shift, total float64) float64) op {
	return func(n *onnx.Node, in []*Tensor) (*Tensor, error) {
		x, axis := in[0], intOf(n, "axis", -1)
		if axis < 0 {
			axis += len(x.Shape)
		}
		step := product(x.Shape[axis+1:])
		out := New(x.Shape...)
		for i := range x.Data {
			first := i - i/step%x.Shape[axis]*step
			shift, total := math.Inf(-1), 0.0
			for k := range x.Shape[axis] {
				shift = max(shift, x.Data[first+k*step])
			}
			for k := range x.Shape[axis] {
				total += math.Exp(x.Data[first+k*step] - shift)
			}
			out.Data[i] = f(x.Data[i], shift, total)
		}
		return out, nil
	}
}
