package grad

import (
	"fmt"
	"math"

	"bcc/onnx"
)

// Element by element: activations, functions of one value, arithmetic of two.

func init() {
	family := map[string]rule{}
	for op, slope := range map[string]func(b back, dy Value) Value{
		"Relu":        func(b back, dy Value) Value { return dy.Mul(b.out[0].step()) },
		"HardSwish":   backHardSwish,
		"HardSigmoid": backHardSigmoid,
		"Sigmoid":     func(b back, dy Value) Value { return dy.Mul(b.out[0].Sub(b.out[0].Mul(b.out[0]))) },
		"Tanh":        func(b back, dy Value) Value { return dy.Sub(dy.Mul(b.out[0].Mul(b.out[0]))) },
		"Exp":         func(b back, dy Value) Value { return dy.Mul(b.out[0]) },
		"Log":         func(b back, dy Value) Value { return dy.Div(b.in[0]) },
		"Sqrt":        func(b back, dy Value) Value { return dy.Div(b.out[0]).Mul(b.g.Scalar(0.5)) },
		"Neg":         func(_ back, dy Value) Value { return dy.Neg() },
		"Abs":         func(b back, dy Value) Value { return dy.Mul(b.in[0].Sign()) },
		"Reciprocal":  func(b back, dy Value) Value { return dy.Mul(b.out[0].Mul(b.out[0])).Neg() },
		"Clip":        func(b back, dy Value) Value { return b.in[0].Equal(b.out[0]).Where(dy, b.g.Scalar(0)) },
	} {
		family[op] = rule{same, func(b back) []Value { return []Value{slope(b, b.grad[0])} }}
	}
	for op, slopes := range map[string]func(b back, dy Value) (byA, byB Value){
		"Add": func(_ back, dy Value) (Value, Value) { return dy, dy },
		"Sub": func(_ back, dy Value) (Value, Value) { return dy, dy.Neg() },
		"Mul": func(b back, dy Value) (Value, Value) { return dy.Mul(b.in[1]), dy.Mul(b.in[0]) },
		"Div": func(b back, dy Value) (Value, Value) {
			d := dy.Div(b.in[1])
			return d, d.Mul(b.out[0]).Neg()
		},
		"Min": func(b back, dy Value) (Value, Value) { return choose(b.in[1].Less(b.in[0]), dy) },
		"Max": func(b back, dy Value) (Value, Value) { return choose(b.in[1].Greater(b.in[0]), dy) },
		"Pow": backPow,
	} {
		family[op] = rule{broadcast, func(b back) []Value {
			byA, byB := slopes(b, b.grad[0])
			return []Value{b.like(byA, 0), b.like(byB, 1)}
		}}
	}
	register(family)
}

// step is 1 above 0 and 0 below, as the steepest of hard sigmoids: half the time of
// a comparison and a choice in the engine, which has no fast ones (measured on
// 6.4 million elements: 3.4 against 6.1 ms with the product that follows).
func (v Value) step() Value {
	return v.one("HardSigmoid", []*onnx.Attribute{floatAttr("alpha", math.MaxFloat32), floatAttr("beta", 0)})
}

// like sums d down to the shape of an input whose gradient is wanted.
func (b back) like(d Value, in int) Value {
	if !b.need[in] {
		return Value{}
	}
	return unbroadcast(d, b.in[in].Shape())
}

// choose gives dy to the second input where the comparison holds, else to the
// first, which so gets it where both are equal.
func choose(second, dy Value) (byA, byB Value) {
	zero := dy.g.Scalar(0)
	return second.Where(zero, dy), second.Where(dy, zero)
}

// backHardSwish: with h = clip(x/6 + 1/2, 0, 1) the slope of x·h is h, and x/6 more
// where h is not clipped.
func backHardSwish(b back, dy Value) Value {
	x := b.in[0]
	sixth := x.Mul(b.g.Scalar(1. / 6))
	within := x.Abs().Less(b.g.Scalar(3)).Where(sixth, b.g.Scalar(0))
	return dy.Mul(x.HardSigmoid().Add(within))
}

func backHardSigmoid(b back, dy Value) Value {
	half := b.g.Scalar(0.5)
	within := b.out[0].Sub(half).Abs().Less(half)
	return within.Where(dy.Mul(b.g.Scalar(b.call.find("alpha").Float)), b.g.Scalar(0))
}

// backPow: the slope by the exponent is vʷ·log v, taken as 0 where v is not above
// 0, as nothing is known of its neighbours there.
func backPow(b back, dy Value) (byA, byB Value) {
	v, w, zero := b.in[0], b.in[1], b.g.Scalar(0)
	byA = dy.Mul(w.Mul(v.Pow(w.Sub(b.g.Scalar(1)))))
	if b.need[1] { // a logarithm is dear
		positive := v.Greater(zero)
		byB = dy.Mul(b.out[0]).Mul(positive.Where(v, b.g.Scalar(1)).Log())
	}
	return byA, byB
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

// Min is the smaller of both; where both are equal the gradient goes to v.
func (v Value) Min(w Value) Value { return v.one("Min", nil, w) }

// Max is the larger of both; where both are equal the gradient goes to v.
func (v Value) Max(w Value) Value { return v.one("Max", nil, w) }
