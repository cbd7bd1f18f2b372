package grad

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"bcc/onnx"
)

// Param is one tensor among the parameters or the state: its elements are
// Shape.Len() floats from Offset on in the flat slice.
type Param struct {
	Name   string
	Shape  Shape
	Offset int

	init Init
}

// Weights are the numbers of a network: what training changes by gradient, and
// what it only tracks (running means and variances), each as one flat slice.
type Weights struct{ Params, State []float32 }

// block is an ordered list of tensors over one flat slice.
type block struct {
	list []Param
	len  int
}

// Param adds a tensor to the flat slice of parameters.
func (g *Graph) Param(name string, init Init, shape ...int) Value {
	return g.inBlock(&g.params, name, init, shape)
}

// State adds a tensor to the flat slice of state, which has no gradient.
func (g *Graph) State(name string, init Init, shape ...int) Value {
	return g.inBlock(&g.state, name, init, shape)
}

func (g *Graph) inBlock(b *block, name string, init Init, shape Shape) Value {
	for _, d := range shape {
		if d <= 0 {
			return g.fail("parameter %s: shape %v", name, shape)
		}
	}
	for _, v := range g.values {
		if v.name == name {
			return g.fail("parameter %s comes twice", name)
		}
	}
	v := g.add(value{Type: Type{onnx.Float32, shape}, name: name, made: -1, block: b, param: len(b.list)})
	if v.id > 0 {
		b.list = append(b.list, Param{name, shape, b.len, init})
		b.len += shape.Len()
	}
	return v
}

// Params returns the parameters in the order of their flat slice.
func (g *Graph) Params() []Param { return g.params.list }

// States returns the state in the order of its flat slice.
func (g *Graph) States() []Param { return g.state.list }

// Init fills a tensor before training.
type Init func(r *rand.Rand, dst []float32)

// He draws uniformly with the variance 2/fanIn, which keeps the scale of what
// flows through layers with ReLU (He et al. 2015). Uniform, not normal: the draw
// needs no logarithm, so every machine gives the same bits.
func He(fanIn int) Init { return uniform(math.Sqrt(6 / float64(fanIn))) }

// Glorot draws uniformly with the variance 2/(fanIn+fanOut), for layers without
// ReLU (Glorot and Bengio 2010).
func Glorot(fanIn, fanOut int) Init { return uniform(math.Sqrt(6 / float64(fanIn+fanOut))) }

func uniform(bound float64) Init {
	return func(r *rand.Rand, dst []float32) {
		for i := range dst {
			u := float64(2*r.Float64()) - 1 // float64(): no fused multiply-add
			dst[i] = float32(bound * u)
		}
	}
}

// Fill sets every element to v.
func Fill(v float32) Init {
	return func(_ *rand.Rand, dst []float32) {
		for i := range dst {
			dst[i] = v
		}
	}
}

// Init returns first weights. The same seed gives the same weights, and a tensor's
// depend on its name alone, so that a layer added elsewhere does not change them.
func (g *Graph) Init(seed uint64) Weights {
	fill := func(b *block) []float32 {
		flat := make([]float32, b.len)
		for _, p := range b.list {
			h := fnv.New64a()
			h.Write([]byte(p.Name))
			p.init(rand.New(rand.NewPCG(seed, h.Sum64())), flat[p.Offset:p.Offset+p.Shape.Len()])
		}
		return flat
	}
	return Weights{fill(&g.params), fill(&g.state)}
}

// Const returns a constant of float32 elements.
func (g *Graph) Const(values []float32, shape ...int) Value {
	if n := Shape(shape).Len(); n != len(values) {
		return g.fail("constant: %d values for %v", len(values), shape)
	}
	return g.add(value{Type: Type{onnx.Float32, shape}, made: -1, floats: values})
}

// Scalar returns a constant that meets every shape.
func (g *Graph) Scalar(v float32) Value { return g.Const([]float32{v}) }

// ints returns a constant list of integers, as axes and shapes are given.
func (g *Graph) ints(values []int) Value {
	wide := make([]int64, len(values))
	for i, v := range values {
		wide[i] = int64(v)
	}
	return g.add(value{Type: Type{onnx.Int64, Shape{len(values)}}, made: -1, ints: wide})
}
