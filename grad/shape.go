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
		"Reshape":   {inferReshape, backReshape},
		"Flatten":   {inferFlatten, backReshape},
		"Transpose": {inferTranspose, backTranspose},
		"Concat":    {inferConcat, backConcat},
		"Slice":     {inferSlice, backSlice},
		"Pad":       {inferPad, backPad},
		"Expand":    {inferExpand, backExpand},
		"Identity":  {same, func(b back) []Value { return b.grad }},
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

// backReshape serves Flatten too: the elements lie in the same order.
func backReshape(b back) []Value { return []Value{b.grad[0].Reshape(b.in[0].Shape()...)} }

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

func backTranspose(b back) []Value {
	perm := b.call.ints("perm")
	inverse := make([]int, len(perm))
	for i, p := range perm {
		inverse[p] = i
	}
	return []Value{b.grad[0].Transpose(inverse...)}
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

func backConcat(b back) []Value {
	a, lo := b.call.int("axis", 0), 0
	out := make([]Value, len(b.in))
	for i, v := range b.in {
		hi := lo + v.Shape()[a]
		out[i], lo = b.grad[0].Slice(a, lo, hi), hi
	}
	return out
}

// Slice keeps the elements from lo to before hi along the axis.
func (v Value) Slice(axis, lo, hi int) Value {
	if v.g == nil {
		return Value{}
	}
	return v.one("Slice", nil, v.g.ints([]int{lo}), v.g.ints([]int{hi}), v.g.ints([]int{axis}))
}

// inferSlice knows several axes and steps too, which only ways back use; a step of
// -1 turns the whole axis round.
func inferSlice(c call) ([]Type, error) {
	out := slices.Clone(c.in[0].Shape)
	for i, axis := range c.in[3].ints {
		lo, hi, a, step := int(c.in[1].ints[i]), int(c.in[2].ints[i]), int(axis), 1
		if len(c.in) > 4 {
			step = int(c.in[4].ints[i])
		}
		if a >= 0 && a < len(out) && step == -1 && lo == -1 && hi == -1-out[a] {
			continue
		}
		if a < 0 || a >= len(out) || out[a] == Batch || lo < 0 || lo >= hi || hi > out[a] || step < 1 {
			return nil, fmt.Errorf("[%d:%d) of axis %d, step %d", lo, hi, a, step)
		}
		out[a] = (hi-lo-1)/step + 1
	}
	return []Type{{c.in[0].Elem, out}}, nil
}

func backSlice(b back) []Value {
	lo, hi, a := int(b.call.in[1].ints[0]), int(b.call.in[2].ints[0]), int(b.call.in[3].ints[0])
	return []Value{b.grad[0].Pad(a, lo, b.in[0].Shape()[a]-hi)}
}

// Pad puts so many zeros before and after the elements along the axis; fewer than
// none take elements away.
func (v Value) Pad(axis, before, after int) Value {
	if v.g == nil {
		return Value{}
	}
	pads := make([]int, 2*len(v.Shape()))
	if axis < 0 || axis >= len(pads)/2 {
		return v.g.fail("Pad of %v: axis %d", v.Shape(), axis)
	}
	pads[axis], pads[axis+len(pads)/2] = before, after
	return v.one("Pad", nil, v.g.ints(pads))
}

func inferPad(c call) ([]Type, error) {
	out, pads := slices.Clone(c.in[0].Shape), c.in[1].ints
	for i, p := range pads {
		a := i % len(out)
		if p == 0 {
			continue
		}
		if out[a] == Batch || out[a]+int(p) <= 0 {
			return nil, fmt.Errorf("%d zeros along axis %d", p, a)
		}
		out[a] += int(p)
	}
	return []Type{{c.in[0].Elem, out}}, nil
}

// backPad takes away what was put there, and the other way round.
func backPad(b back) []Value {
	var pads []int
	for _, p := range b.call.in[1].ints {
		pads = append(pads, -int(p))
	}
	return []Value{b.grad[0].one("Pad", nil, b.g.ints(pads))}
}

// Expand repeats the elements along extents of 1 until they fill the shape.
func (v Value) Expand(shape ...int) Value {
	if v.g == nil {
		return Value{}
	}
	if slices.Equal(v.Shape(), shape) {
		return v
	}
	return v.one("Expand", nil, v.g.ints(shape))
}

func inferExpand(c call) ([]Type, error) {
	var to Shape
	for _, d := range c.in[1].ints {
		if d <= 0 {
			return nil, fmt.Errorf("extent %d", d)
		}
		to = append(to, int(d))
	}
	out, err := broadcast(call{in: []value{c.in[0], {Type: Type{Shape: to}}}})
	if err == nil && !slices.Equal(out[0].Shape, to) {
		return nil, fmt.Errorf("%v does not fill %v", c.in[0].Shape, to)
	}
	return out, err
}

func backExpand(b back) []Value { return []Value{unbroadcast(b.grad[0], b.in[0].Shape())} }
