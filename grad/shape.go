package grad

import (
	"errors"
	"fmt"
	"slices"

	"bcc/onnx"
)

// Operators that move elements and compute nothing.

func init() {
	register(map[string]rule{
		"Reshape":   {infer: inferReshape},
		"Flatten":   {infer: inferFlatten},
		"Transpose": {infer: inferTranspose},
		"Concat":    {infer: inferConcat},
		"Slice":     {infer: inferSlice},
		"Identity":  {infer: same},
	})
}

// Reshape gives the elements another shape; one extent may be Batch.
func (v Value) Reshape(shape ...int) Value {
	if v.g == nil {
		return Value{}
	}
	return v.one("Reshape", nil, v.g.ints(shape))
}

func inferReshape(c call) ([]Type, error) {
	known := func(s Shape) (n, open int) { // product of the known extents, count of the others
		n = 1
		for _, d := range s {
			if d == Batch {
				open++
			} else {
				n *= d
			}
		}
		return n, open
	}
	var out Shape
	for _, d := range c.in[1].ints {
		if d != Batch && d <= 0 {
			return nil, fmt.Errorf("extent %d", d)
		}
		out = append(out, int(d))
	}
	have, openIn := known(c.in[0].Shape)
	want, openOut := known(out)
	switch {
	case openOut > 1 || openIn > 1:
		return nil, errors.New("more than one open extent")
	case openIn == 0 && openOut == 1 && have%want == 0:
		out[slices.Index(out, Batch)] = have / want
	case openIn != openOut || have != want:
		return nil, fmt.Errorf("%v does not hold the elements", out)
	}
	return []Type{{c.in[0].Elem, out}}, nil
}

// Flatten makes a matrix: the dimensions before axis become rows, the others columns.
func (v Value) Flatten(axis int) Value {
	return v.one("Flatten", []*onnx.Attribute{intAttr("axis", axis)})
}

func inferFlatten(c call) ([]Type, error) {
	x, a := c.in[0].Shape, c.int("axis", 1)
	if a < 0 || a > len(x) {
		return nil, fmt.Errorf("axis %d", a)
	}
	rows, cols := x[:a], x[a:]
	if cols.Len() < 0 || rows.Len() < 0 && (len(rows) != 1) {
		return nil, errors.New("an open extent among others")
	}
	return []Type{{c.in[0].Elem, Shape{rows.Len(), cols.Len()}}}, nil
}

// Transpose orders the dimensions anew: the i-th becomes what perm[i] was.
func (v Value) Transpose(perm ...int) Value {
	return v.one("Transpose", []*onnx.Attribute{intsAttr("perm", perm...)})
}

func inferTranspose(c call) ([]Type, error) {
	x, perm := c.in[0].Shape, c.ints("perm")
	out := make(Shape, len(x))
	for i := range x {
		if len(perm) != len(x) || !slices.Contains(perm, i) {
			return nil, fmt.Errorf("%v is no order of %d dimensions", perm, len(x))
		}
		out[i] = x[perm[i]]
	}
	return []Type{{c.in[0].Elem, out}}, nil
}

// Concat sets values side by side along the axis, v first.
func (v Value) Concat(axis int, rest ...Value) Value {
	return v.one("Concat", []*onnx.Attribute{intAttr("axis", axis)}, rest...)
}

func inferConcat(c call) ([]Type, error) {
	out, a := slices.Clone(c.in[0].Shape), c.int("axis", 0)
	if a < 0 || a >= len(out) {
		return nil, fmt.Errorf("axis %d", a)
	}
	for _, v := range c.in[1:] {
		if len(v.Shape) != len(out) || v.Shape[a] == Batch || out[a] == Batch {
			return nil, fmt.Errorf("%v cannot stand beside %v", v.Shape, out)
		}
		for i, d := range v.Shape {
			if i != a && d != out[i] {
				return nil, fmt.Errorf("%v cannot stand beside %v", v.Shape, out)
			}
		}
		out[a] += v.Shape[a]
	}
	return []Type{{c.in[0].Elem, out}}, nil
}

// Slice keeps the elements from lo to before hi along the axis.
func (v Value) Slice(axis, lo, hi int) Value {
	if v.g == nil {
		return Value{}
	}
	return v.one("Slice", nil, v.g.ints([]int{lo}), v.g.ints([]int{hi}), v.g.ints([]int{axis}))
}

func inferSlice(c call) ([]Type, error) {
	out := slices.Clone(c.in[0].Shape)
	lo, hi, a := int(c.in[1].ints[0]), int(c.in[2].ints[0]), int(c.in[3].ints[0])
	if a < 0 || a >= len(out) || out[a] == Batch || lo < 0 || lo >= hi || hi > out[a] {
		return nil, fmt.Errorf("[%d:%d) of axis %d", lo, hi, a)
	}
	out[a] = hi - lo
	return []Type{{c.in[0].Elem, out}}, nil
}
