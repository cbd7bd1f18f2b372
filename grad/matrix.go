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
		"Gemm":       {infer: inferGemm},
		"MatMul":     {infer: inferMatMul},
		"Softmax":    {infer: inferSoftmax},
		"LogSoftmax": {infer: inferSoftmax},
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
