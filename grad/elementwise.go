package grad

import (
	"fmt"

	"bcc/onnx"
)

// Element by element: activations, functions of one value, arithmetic of two.

func init() {
	family := map[string]rule{}
	for _, op := range []string{"Relu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Neg", "Abs", "Reciprocal", "Clip"} {
		family[op] = rule{infer: same}
	}
	for _, op := range []string{"Add", "Sub", "Mul", "Div", "Min", "Max", "Pow"} {
		family[op] = rule{infer: broadcast}
	}
	register(family)
}

// same is the type rule of operators that keep the shape of their first input.
func same(c call) ([]Type, error) { return []Type{c.in[0].Type}, nil }

// broadcast is the type rule of arithmetic: shapes meet from the right, an extent
// of 1 or one that is missing repeats.
func broadcast(c call) ([]Type, error) {
	a, b := c.in[0].Shape, c.in[1].Shape
	if len(a) < len(b) {
		a, b = b, a
	}
	out := make(Shape, len(a))
	copy(out, a)
	for i, d := range b {
		o := &out[len(a)-len(b)+i]
		switch {
		case d == *o || d == 1:
		case *o == 1:
			*o = d
		default:
			return nil, fmt.Errorf("%d does not meet %d", d, *o)
		}
	}
	return []Type{{c.in[0].Elem, out}}, nil
}

// Relu is max(x, 0).
func (v Value) Relu() Value { return v.one("Relu", nil) }

// HardSwish is x·clip(x/6 + 1/2, 0, 1) (Howard et al. 2019).
func (v Value) HardSwish() Value { return v.one("HardSwish", nil) }

// HardSigmoid is clip(x/6 + 1/2, 0, 1), as MobileNetV3 uses it.
func (v Value) HardSigmoid() Value {
	return v.one("HardSigmoid", []*onnx.Attribute{floatAttr("alpha", 1./6), floatAttr("beta", 0.5)})
}

// SiLU is x·sigmoid(x).
func (v Value) SiLU() Value { return v.Mul(v.Sigmoid()) }

// Sigmoid is 1/(1+e⁻ˣ).
func (v Value) Sigmoid() Value { return v.one("Sigmoid", nil) }

// Tanh is the hyperbolic tangent.
func (v Value) Tanh() Value { return v.one("Tanh", nil) }

// Exp is eˣ.
func (v Value) Exp() Value { return v.one("Exp", nil) }

// Log is the natural logarithm.
func (v Value) Log() Value { return v.one("Log", nil) }

// Sqrt is the square root.
func (v Value) Sqrt() Value { return v.one("Sqrt", nil) }

// Neg is -x.
func (v Value) Neg() Value { return v.one("Neg", nil) }

// Abs is |x|.
func (v Value) Abs() Value { return v.one("Abs", nil) }

// Reciprocal is 1/x.
func (v Value) Reciprocal() Value { return v.one("Reciprocal", nil) }

// Clip keeps every element within [lo, hi].
func (v Value) Clip(lo, hi float32) Value {
	if v.g == nil {
		return Value{}
	}
	return v.one("Clip", nil, v.g.Scalar(lo), v.g.Scalar(hi))
}

// Add is v + w; shapes broadcast, here and below.
func (v Value) Add(w Value) Value { return v.one("Add", nil, w) }

// Sub is v - w.
func (v Value) Sub(w Value) Value { return v.one("Sub", nil, w) }

// Mul is v·w.
func (v Value) Mul(w Value) Value { return v.one("Mul", nil, w) }

// Div is v/w.
func (v Value) Div(w Value) Value { return v.one("Div", nil, w) }

// Pow is v to the power w.
func (v Value) Pow(w Value) Value { return v.one("Pow", nil, w) }

// Min is the smaller of both.
func (v Value) Min(w Value) Value { return v.one("Min", nil, w) }

// Max is the larger of both.
func (v Value) Max(w Value) Value { return v.one("Max", nil, w) }
