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
	lo, hi, axis := int(in[1].Data[0]), int(in[2].Data[0]), int(in[3].Data[0])
	shape := slices.Clone(in[0].Shape)
	shape[axis] = hi - lo
	out := New(shape...)
	walk(shape, func(i int, at []int) {
		from := slices.Clone(at)
		from[axis] += lo
		out.Data[i] = in[0].wrapped(from)
	})
	return out, nil
}

// pad puts zeros around.
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
