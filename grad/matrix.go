package grad

import (
	"errors"
	"fmt"
	"slices"

	"bcc/onnx"
)

// Products of matrices, and the soft maximum that mostly follows them.

func init() {
	register(map[string]rule{
		"Gemm":       {inferGemm, backGemm},
		"MatMul":     {inferMatMul, backMatMul},
		"Softmax":    {inferSoftmax, backSoftmax},
		"LogSoftmax": {inferSoftmax, backLogSoftmax},
	})
}

// Linear is v·wᵀ + bias: v (N, In), w (Out, In), bias (Out) or the zero Value.
func (v Value) Linear(w, bias Value) Value {
	attrs := []*onnx.Attribute{intAttr("transB", 1)}
	if bias == (Value{}) {
		return v.one("Gemm", attrs, w)
	}
	return v.one("Gemm", attrs, w, bias)
}

func inferGemm(c call) ([]Type, error) {
	a, b := c.in[0].Shape, c.in[1].Shape
	if len(a) != 2 || len(b) != 2 {
		return nil, errors.New("want two matrices")
	}
	if c.int("transA", 0) == 1 {
		a = Shape{a[1], a[0]}
	}
	if c.int("transB", 0) == 1 {
		b = Shape{b[1], b[0]}
	}
	if a[1] != b[0] || a[1] == Batch {
		return nil, fmt.Errorf("%d columns meet %d rows", a[1], b[0])
	}
	if len(c.in) > 2 && (len(c.in[2].Shape) != 1 || c.in[2].Shape[0] != b[1]) {
		return nil, fmt.Errorf("a bias of %v for %d columns", c.in[2].Shape, b[1])
	}
	return []Type{{onnx.Float32, Shape{a[0], b[1]}}}, nil
}

// gemm is the product of two matrices, each transposed first where asked.
func (v Value) gemm(w Value, transA, transB int) Value {
	return v.one("Gemm", []*onnx.Attribute{intAttr("transA", transA), intAttr("transB", transB)}, w)
}

func backGemm(b back) []Value {
	out := backProduct(b.in[0], b.in[1], b.grad[0], b.call.int("transA", 0), b.call.int("transB", 0))
	if len(b.in) > 2 {
		out = append(out, unbroadcast(b.grad[0], b.in[2].Shape()))
	}
	return out
}

// backProduct gives the gradients by two matrices, for that of their product y = op(a)·op(b).
func backProduct(a, b, dy Value, transA, transB int) []Value {
	da, db := dy.gemm(b, 0, 1-transB), a.gemm(dy, 1-transA, 0)
	if transA == 1 {
		da = b.gemm(dy, transB, 1)
	}
	if transB == 1 {
		db = dy.gemm(a, 1, transA)
	}
	return []Value{da, db}
}

// MatMul is the product of the last two dimensions; those before them broadcast.
func (v Value) MatMul(w Value) Value { return v.one("MatMul", nil, w) }

func inferMatMul(c call) ([]Type, error) {
	a, b := c.in[0].Shape, c.in[1].Shape
	if len(a) < 2 || len(b) < 2 {
		return nil, errors.New("want matrices")
	}
	i, j := len(a)-2, len(b)-2
	if a[i+1] != b[j] {
		return nil, fmt.Errorf("%d columns meet %d rows", a[i+1], b[j])
	}
	lead := call{in: []value{{Type: Type{onnx.Float32, a[:i]}}, {Type: Type{onnx.Float32, b[:j]}}}}
	out, err := broadcast(lead)
	if err != nil {
		return nil, err
	}
	return []Type{{onnx.Float32, append(slices.Clone(out[0].Shape), a[i], b[j+1])}}, nil
}

func backMatMul(b back) []Value {
	x, w, dy := b.in[0], b.in[1], b.grad[0]
	if len(w.Shape()) == 2 { // one large product instead of many small ones and their sum
		rows := func(v Value) Value {
			s := v.Shape()
			return v.Reshape(s.Len()/s[len(s)-1], s[len(s)-1])
		}
		d := backProduct(rows(x), w, rows(dy), 0, 0)
		return []Value{d[0].Reshape(x.Shape()...), d[1]}
	}
	return []Value{
		b.like(dy.MatMul(w.transposed()), 0),
		b.like(x.transposed().MatMul(dy), 1),
	}
}

// transposed swaps the last two dimensions.
func (v Value) transposed() Value {
	perm := make([]int, len(v.Shape()))
	for i := range perm {
		perm[i] = i
	}
	if n := len(perm); n > 1 {
		perm[n-2], perm[n-1] = n-1, n-2
	}
	return v.Transpose(perm...)
}

// Softmax is eˣ over its sum along the axis.
func (v Value) Softmax(axis int) Value {
	return v.one("Softmax", []*onnx.Attribute{intAttr("axis", axis)})
}

// LogSoftmax is the logarithm of Softmax, without its loss of precision.
func (v Value) LogSoftmax(axis int) Value {
	return v.one("LogSoftmax", []*onnx.Attribute{intAttr("axis", axis)})
}

func inferSoftmax(c call) ([]Type, error) {
	if a := c.int("axis", -1); a < 0 || a >= len(c.in[0].Shape) {
		return nil, fmt.Errorf("axis %d", a)
	}
	return same(c)
}

func backSoftmax(b back) []Value {
	y, dy := b.out[0], b.grad[0]
	part := dy.Mul(y)
	return []Value{part.Sub(y.Mul(part.ReduceSum(b.call.int("axis", -1))))}
}

func backLogSoftmax(b back) []Value {
	dy := b.grad[0]
	return []Value{dy.Sub(b.out[0].Exp().Mul(dy.ReduceSum(b.call.int("axis", -1))))}
}
