package gradtest

import (
	"slices"

	"bcc/onnx"
)

func reshape(_ *onnx.Node, in []*Tensor) (*Tensor, error) {
	shape, open := make([]int, len(in[1].Data)), -1
	known := 1
	for i, d := range in[1].Data {
		shape[i] = int(d)
		if d < 0 {
			open = i
		} else {
			known *= int(d)
		}
	}
	if open >= 0 {
		shape[open] = len(in[0].Data) / known
	}
	return &Tensor{shape, in[0].Data}, nil
}

func flatten(n *onnx.Node, in []*Tensor) (*Tensor, error) {
	a := intOf(n, "axis", 1)
	return &Tensor{[]int{product(in[0].Shape[:a]), product(in[0].Shape[a:])}, in[0].Data}, nil
}

func transpose(n *onnx.Node, in []*Tensor) (*Tensor, error) {
	perm := intsOf(n, "perm")
	shape := make([]int, len(perm))
	for i, p := range perm {
		shape[i] = in[0].Shape[p]
	}
	out := New(shape...)
	from := make([]int, len(perm))
	walk(shape, func(i int, at []int) {
		for k, p := range perm {
			from[p] = at[k]
		}
		out.Data[i] = in[0].wrapped(from)
	})
	return out, nil
}

func concat(n *onnx.Node, in []*Tensor) (*Tensor, error) {
	axis := intOf(n, "axis", 0)
	shape := slices.Clone(in[0].Shape)
	for _, t := range in[1:] {
		shape[axis] += t.Shape[axis]
	}
	out := New(shape...)
	walk(shape, func(i int, at []int) {
		from, t := slices.Clone(at), 0
		for from[axis] >= in[t].Shape[axis] {
			from[axis] -= in[t].Shape[axis]
			t++
		}
		out.Data[i] = in[t].wrapped(from)
	})
	return out, nil
}

func slice(_ *onnx.Node, in []*Tensor) (*Tensor, error) {
	shape := slices.Clone(in[0].Shape)
	first, step := make([]int, len(shape)), slices.Repeat([]int{1}, len(shape))
	for i, axis := range in[3].Data {
		a, d := int(axis), in[0].Shape[int(axis)]
		lo, hi := int(in[1].Data[i]), int(in[2].Data[i])
		if len(in) > 4 {
			step[a] = int(in[4].Data[i])
		}
		if step[a] < 0 { // both count from the end
			lo, hi = lo+d, hi+d
			shape[a] = (lo-hi-1)/-step[a] + 1
		} else {
			shape[a] = (hi-lo-1)/step[a] + 1
		}
		first[a] = lo
	}
	out := New(shape...)
	from := make([]int, len(shape))
	walk(shape, func(i int, at []int) {
		for a := range at {
			from[a] = first[a] + at[a]*step[a]
		}
		out.Data[i] = in[0].wrapped(from)
	})
	return out, nil
}

// pad puts zeros around, or cuts.
func pad(_ *onnx.Node, in []*Tensor) (*Tensor, error) {
	rank := len(in[0].Shape)
	shape := slices.Clone(in[0].Shape)
	for i, p := range in[1].Data {
		shape[i%rank] += int(p)
	}
	out := New(shape...)
	walk(shape, func(i int, at []int) {
		from := slices.Clone(at)
		for a := range from {
			from[a] -= int(in[1].Data[a])
			if from[a] < 0 || from[a] >= in[0].Shape[a] {
				return
			}
		}
		out.Data[i] = in[0].wrapped(from)
	})
	return out, nil
}

func expand(n *onnx.Node, in []*Tensor) (*Tensor, error) {
	shape := make([]int, len(in[1].Data))
	for i, d := range in[1].Data {
		shape[i] = int(d)
	}
	return both(func(a, b float64) float64 { return a })(n, []*Tensor{in[0], New(shape...)})
}
