package gradtest

import (
	"math"
	"math/rand/v2"

	"bcc/grad"
)

// Case is a small network over parameters, to try the way back of one operator. Its
// parameters and inputs get numbers that keep away from kinks.
type Case struct {
	Name  string
	Build func(g *grad.Graph) grad.Value // to a value of any shape; Program weighs its elements
	Torch string                         // the same as an expression in PyTorch over the same names
}

// Program returns the program of a case in so many stages, and numbers to run it on.
func (c Case) Program(stages int) (p *grad.Program, inputs map[string]*Tensor, params []float64, err error) {
	g := grad.New(c.Name)
	loss := weigh(g, c.Build(g))
	params = Widen(g.Init(5).Params)
	p, err = g.Program(loss, stages)
	if err != nil {
		return nil, nil, nil, err
	}
	inputs = map[string]*Tensor{}
	rng := rand.New(rand.NewPCG(3, 4))
	for _, in := range p.Inputs {
		v := New(in.Shape...)
		for i := range v.Data {
			v.Data[i] = float64(float32(rng.NormFloat64())) // an engine gets the very number
			if in.Keep > 0 {
				v.Data[i] = math.Round(rng.Float64()) / float64(in.Keep)
			}
		}
		inputs[in.Name] = v
	}
	return p, inputs, params, nil
}

// Len returns how many elements a case's value has.
func (c Case) Len() int { return max(c.Build(grad.New(c.Name)).Shape().Len(), 1) }

// Weights returns by what the n elements of a case's value are multiplied before
// they are summed to the loss: all different, so that no gradient is like its
// neighbour.
func Weights(n int) []float32 {
	c := make([]float32, n)
	for i := range c {
		c[i] = float32(math.Sin(float64(i)+1)) + 0.3
	}
	return c
}

func weigh(g *grad.Graph, y grad.Value) grad.Value {
	n := max(y.Shape().Len(), 1)
	return y.Reshape(1, n).MatMul(g.Const(Weights(n), n, 1)).Reshape(1)
}

// Spread fills with numbers from lo to hi, all different and in no order. Where they
// are few, none lies on a kink at 0, ½ or 1.
func Spread(lo, hi float64) grad.Init {
	return func(r *rand.Rand, dst []float32) {
		for i, k := range r.Perm(len(dst)) {
			dst[i] = float32(lo + float64((hi-lo)*(float64(k)+0.37)/float64(len(dst))))
		}
	}
}

var around, positive = Spread(-2, 2), Spread(0.3, 3)

// param is a parameter of numbers around 0.
func param(g *grad.Graph, name string, shape ...int) grad.Value {
	return g.Param(name, around, shape...)
}

// unary tries a function of one value.
func unary(name string, f func(grad.Value) grad.Value, init grad.Init, torch string) Case {
	return Case{name, func(g *grad.Graph) grad.Value { return f(g.Param("x", init, 3, 7)) }, torch}
}

// binary tries arithmetic of two values: both repeat, and then the second is one
// number. op is a function of PyTorch.
func binary(name string, f func(a, b grad.Value) grad.Value, init grad.Init, op string) Case {
	return Case{name, func(g *grad.Graph) grad.Value {
		a, b, c := g.Param("a", init, 2, 1, 3), g.Param("b", init, 4, 1), g.Param("c", positive, 1)
		return f(f(a, b).Abs(), c)
	}, "torch." + op + "(torch." + op + "(a, b).abs(), c)"}
}

// Cases tries every operator that has a way back.
func Cases() []Case {
	return append([]Case{
		unary("relu", grad.Value.Relu, around, "x.relu()"),
		unary("hard swish", grad.Value.HardSwish, Spread(-4.1, 4), "F.hardswish(x)"),
		unary("hard sigmoid", grad.Value.HardSigmoid, Spread(-4.1, 4), "F.hardsigmoid(x)"),
		unary("sigmoid", grad.Value.Sigmoid, around, "x.sigmoid()"),
		unary("silu", grad.Value.SiLU, around, "F.silu(x)"),
		unary("tanh", grad.Value.Tanh, around, "x.tanh()"),
		unary("exp", grad.Value.Exp, around, "x.exp()"),
		unary("log", grad.Value.Log, positive, "x.log()"),
		unary("sqrt", grad.Value.Sqrt, positive, "x.sqrt()"),
		unary("neg", grad.Value.Neg, around, "-x"),
		unary("abs", grad.Value.Abs, around, "x.abs()"),
		unary("reciprocal", grad.Value.Reciprocal, positive, "1/x"),
		unary("clip", func(x grad.Value) grad.Value { return x.Clip(-0.5, 1) }, around, "x.clamp(-0.5, 1)"),
		binary("add", grad.Value.Add, around, "add"),
		binary("sub", grad.Value.Sub, around, "sub"),
		binary("mul", grad.Value.Mul, around, "mul"),
		binary("div", grad.Value.Div, positive, "div"),
		binary("pow", grad.Value.Pow, positive, "pow"),
		binary("min", grad.Value.Min, Spread(-2, 3), "minimum"),
		binary("max", grad.Value.Max, Spread(-2, 3), "maximum"),
		{"where", func(g *grad.Graph) grad.Value {
			a, b := param(g, "a", 2, 3), g.Param("b", Spread(-2, 3), 4, 1, 3)
			return a.Greater(b).Where(a.Mul(b), b)
		}, "torch.where(a > b, a*b, b)"},
		{"a value used three times", func(g *grad.Graph) grad.Value {
			a := param(g, "a", 5)
			return a.Mul(a).Add(a.Sigmoid())
		}, "a*a + a.sigmoid()"},
		{"constants and inputs", func(g *grad.Graph) grad.Value {
			return param(g, "a", 2, 2).Mul(g.Const([]float32{1, 2}, 2)).Pow(g.Scalar(2)).Sub(g.Input("x", 2, 2).Exp())
		}, "(a*torch.tensor([1., 2.]))**2 - x.exp()"},

		{"linear", func(g *grad.Graph) grad.Value {
			return param(g, "x", 3, 4).Linear(param(g, "w", 2, 4), param(g, "b", 2))
		}, "F.linear(x, w, b)"},
		{"linear without a bias", func(g *grad.Graph) grad.Value {
			return param(g, "x", 3, 4).Linear(param(g, "w", 2, 4), grad.Value{})
		}, "F.linear(x, w)"},
		{"product of matrices", func(g *grad.Graph) grad.Value {
			return param(g, "a", 2, 3).MatMul(param(g, "b", 3, 4))
		}, "a @ b"},
		{"product of many with one", func(g *grad.Graph) grad.Value {
			return param(g, "a", 2, 5, 2, 3).MatMul(param(g, "b", 3, 4))
		}, "a @ b"},
		{"product of one with many", func(g *grad.Graph) grad.Value {
			return param(g, "a", 2, 3).MatMul(param(g, "b", 5, 3, 4))
		}, "a @ b"},
		{"product of many that repeat", func(g *grad.Graph) grad.Value {
			return param(g, "a", 2, 1, 2, 3).MatMul(param(g, "b", 4, 3, 2))
		}, "a @ b"},
		{"softmax", func(g *grad.Graph) grad.Value { return param(g, "x", 2, 3, 4).Softmax(1) }, "x.softmax(1)"},
		{"log softmax", func(g *grad.Graph) grad.Value { return param(g, "x", 3, 4).LogSoftmax(1) }, "x.log_softmax(1)"},
		{"layer norm", func(g *grad.Graph) grad.Value {
			return param(g, "x", 2, 5, 4).LayerNorm(param(g, "scale", 4), param(g, "shift", 4), 1e-3)
		}, "F.layer_norm(x, scale.shape, scale, shift, 1e-3)"},
		{"layer norm over two dimensions", func(g *grad.Graph) grad.Value {
			return param(g, "x", 3, 2, 4).LayerNorm(param(g, "scale", 2, 4), param(g, "shift", 2, 4), 1e-3)
		}, "F.layer_norm(x, scale.shape, scale, shift, 1e-3)"},
		{"cross-entropy", func(g *grad.Graph) grad.Value {
			return param(g, "x", 3, 4).CrossEntropy(g.Input("target", 3, 4), g.Input("weight", 3))
		}, "-((x.log_softmax(1)*target).sum(1)*weight).sum()"},
		{"dropout", func(g *grad.Graph) grad.Value {
			return param(g, "x", 4, 6).Dropout("noise", 0.5).Exp()
		}, "(x*noise).exp()"},

		{"mean", func(g *grad.Graph) grad.Value { return param(g, "x", 2, 3, 4).ReduceMean(0, 2) }, "x.mean((0, 2))"},
		{"sum", func(g *grad.Graph) grad.Value { return param(g, "x", 2, 3, 4).ReduceSum(1) }, "x.sum(1)"},
		{"largest", func(g *grad.Graph) grad.Value { return param(g, "x", 2, 3, 4).ReduceMax(2) }, "x.amax(2)"},
		{"smallest", func(g *grad.Graph) grad.Value { return param(g, "x", 2, 3, 4).ReduceMin(0, 1) }, "x.amin((0, 1))"},

		{"reshape", func(g *grad.Graph) grad.Value { return param(g, "x", 2, 6).Reshape(3, 4).Flatten(1) }, "x"},
		{"transpose", func(g *grad.Graph) grad.Value { return param(g, "x", 2, 3, 4).Transpose(1, 2, 0) }, "x.permute(1, 2, 0)"},
		{"concat", func(g *grad.Graph) grad.Value {
			a := param(g, "a", 2, 1)
			return a.Concat(1, param(g, "b", 2, 3), a)
		}, "torch.cat([a, b, a], 1)"},
		{"slice", func(g *grad.Graph) grad.Value { return param(g, "x", 3, 5, 2).Slice(1, 1, 4) }, "x[:, 1:4]"},
		{"pad", func(g *grad.Graph) grad.Value { return param(g, "x", 3, 2).Pad(0, 1, 2).Pad(1, 0, 1) }, "F.pad(x, (0, 1, 1, 2))"},
		{"expand", func(g *grad.Graph) grad.Value { return param(g, "x", 3, 1).Expand(2, 3, 4) }, "x.expand(2, 3, 4)"},
	}, pictures()...)
}
