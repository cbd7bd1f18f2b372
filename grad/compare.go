package grad

import (
	"errors"

	"bcc/onnx"
)

// Comparisons, and the choice that they make.

func init() {
	register(map[string]rule{
		"Greater": {infer: compare}, "Less": {infer: compare}, "Equal": {infer: compare}, // no gradient: a step
		"Where": {inferWhere, backWhere},
		"Sign":  {infer: same}, // neither
	})
}

func compare(c call) ([]Type, error) {
	out, err := broadcast(c)
	if err == nil {
		out[0].Elem = onnx.Bool
	}
	return out, err
}

// Greater says of each element whether it is larger than w's.
func (v Value) Greater(w Value) Value { return v.one("Greater", nil, w) }

// Less says of each element whether it is smaller than w's.
func (v Value) Less(w Value) Value { return v.one("Less", nil, w) }

// Equal says of each element whether it is w's.
func (v Value) Equal(w Value) Value { return v.one("Equal", nil, w) }

// Sign is 1 above 0, -1 below, 0 at 0.
func (v Value) Sign() Value { return v.one("Sign", nil) }

// Where is a where v, which comes from a comparison, holds, and b elsewhere.
func (v Value) Where(a, b Value) Value { return v.one("Where", nil, a, b) }

func inferWhere(c call) ([]Type, error) {
	if c.in[0].Elem != onnx.Bool || c.in[1].Elem != c.in[2].Elem {
		return nil, errors.New("want a comparison and two values of one type")
	}
	both, err := broadcast(call{in: c.in[1:]})
	if err != nil {
		return nil, err
	}
	return broadcast(call{in: []value{{Type: both[0]}, c.in[0]}})
}

func backWhere(b back) []Value {
	zero, dy := b.g.Scalar(0), b.grad[0]
	return []Value{
		{},
		unbroadcast(b.in[0].Where(dy, zero), b.in[1].Shape()),
		unbroadcast(b.in[0].Where(zero, dy), b.in[2].Shape()),
	}
}
