package grad_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/grad"
	"bcc/grad/gradtest"
)

// runProgram runs a program in float64 and returns all that came out.
func runProgram(t *testing.T, p *grad.Program, inputs map[string]*gradtest.Tensor, flat []float64) map[string]*gradtest.Tensor {
	t.Helper()
	out, err := gradtest.RunProgram(p, inputs, flat)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkGradient compares every gradient of a program with central differences, and
// the program in several stages with the one in one. build describes the network
// and returns its loss; inputs that have no value get random ones.
func checkGradient(t *testing.T, build func(g *grad.Graph) grad.Value, inputs map[string]*gradtest.Tensor) {
	t.Helper()
	program := func(stages int) (*grad.Program, []float64) {
		g := grad.New("check")
		loss := build(g)
		flat := gradtest.Widen(g.Init(5).Params)
		p, err := g.Program(loss, stages)
		if err != nil {
			t.Fatal(err)
		}
		return p, flat
	}
	p, flat := program(1)
	all := map[string]*gradtest.Tensor{}
	rng := rand.New(rand.NewPCG(3, 4))
	for _, in := range p.Inputs {
		if all[in.Name] = inputs[in.Name]; all[in.Name] == nil {
			v := gradtest.New(in.Shape...)
			for i := range v.Data {
				v.Data[i] = rng.NormFloat64()
				if in.Keep > 0 { // noise
					v.Data[i] = math.Round(rng.Float64()) / float64(in.Keep)
				}
			}
			all[in.Name] = v
		}
	}
	gradtest.CheckGradient(t, p, all, flat)

	got := runProgram(t, p, all, flat)
	for _, stages := range []int{2, 5} {
		q, flat := program(stages)
		cut := runProgram(t, q, all, flat)
		var gradients []int
		for _, s := range q.Stages {
			gradients = append(gradients, s.Gradients...)
		}
		slices.Sort(gradients)
		if len(q.Stages) > stages || len(gradients) != len(q.Params) || len(slices.Compact(gradients)) != len(q.Params) {
			t.Errorf("%d stages, asked for %d, give the gradients %v of %d parameters", len(q.Stages), stages, gradients, len(q.Params))
		}
		for name, v := range got {
			if c := cut[name]; c == nil || !slices.Equal(c.Data, v.Data) {
				t.Errorf("%s differs between one stage and %d", name, stages)
			}
		}
	}
}

// weigh makes a loss of a value: the sum of its elements, each times another
// number, so that no gradient is like its neighbour.
func weigh(g *grad.Graph, y grad.Value) grad.Value {
	n := max(y.Shape().Len(), 0)
	c := make([]float32, n)
	for i := range c {
		c[i] = float32(math.Sin(float64(i)+1)) + 0.3
	}
	flat := y.Reshape(1, n).MatMul(g.Const(c, n, 1))
	return flat.Reshape(1)
}

// spreadInit fills with numbers from lo to hi, all different and in no order, none
// nearer to 0, ½ or 1 than a step: kinks lie there.
func spreadInit(lo, hi float64) grad.Init {
	return func(r *rand.Rand, dst []float32) {
		for i, k := range r.Perm(len(dst)) {
			dst[i] = float32(lo + (hi-lo)*(float64(k)+0.37)/float64(len(dst)))
		}
	}
}

func TestEveryGradientIsThatOfCentralDifferences(t *testing.T) {
	t.Parallel()
	any, positive := spreadInit(-2, 2), spreadInit(0.3, 3)
	unary := func(f func(grad.Value) grad.Value, init grad.Init) func(g *grad.Graph) grad.Value {
		return func(g *grad.Graph) grad.Value { return f(g.Param("x", init, 3, 7)) }
	}
	// Both operands broadcast, and once the second is one number.
	binary := func(f func(a, b grad.Value) grad.Value, init grad.Init) func(g *grad.Graph) grad.Value {
		return func(g *grad.Graph) grad.Value {
			a, b, c := g.Param("a", init, 2, 1, 3), g.Param("b", init, 4, 1), g.Param("c", positive, 1)
			return f(f(a, b).Abs(), c)
		}
	}
	param := func(g *grad.Graph, name string, shape ...int) grad.Value { return g.Param(name, any, shape...) }
	for name, body := range map[string]func(g *grad.Graph) grad.Value{
		"relu": unary(grad.Value.Relu, any), "sigmoid": unary(grad.Value.Sigmoid, any), "tanh": unary(grad.Value.Tanh, any),
		"hard swish": unary(grad.Value.HardSwish, spreadInit(-4.1, 4)), "hard sigmoid": unary(grad.Value.HardSigmoid, spreadInit(-4.1, 4)),
		"silu": unary(grad.Value.SiLU, any), "exp": unary(grad.Value.Exp, any), "log": unary(grad.Value.Log, positive),
		"sqrt": unary(grad.Value.Sqrt, positive), "neg": unary(grad.Value.Neg, any), "abs": unary(grad.Value.Abs, any),
		"reciprocal": unary(grad.Value.Reciprocal, positive),
		"clip":       unary(func(x grad.Value) grad.Value { return x.Clip(-0.5, 1) }, any),

		"add": binary(grad.Value.Add, any), "sub": binary(grad.Value.Sub, any), "mul": binary(grad.Value.Mul, any),
		"div": binary(grad.Value.Div, positive), "pow": binary(grad.Value.Pow, positive),
		"min": binary(grad.Value.Min, spreadInit(-2, 3)), "max": binary(grad.Value.Max, spreadInit(-2, 3)),
		"where": func(g *grad.Graph) grad.Value {
			a, b := param(g, "a", 2, 3), param(g, "b", 4, 1, 3)
			return a.Greater(b).Where(a.Mul(b), b)
		},
		"a value that is used three times": func(g *grad.Graph) grad.Value {
			a := param(g, "a", 5)
			return a.Mul(a).Add(a.Sigmoid())
		},
		"a constant beside a parameter": func(g *grad.Graph) grad.Value {
			return param(g, "a", 2, 2).Mul(g.Const([]float32{1, 2}, 2)).Pow(g.Scalar(2)).Sub(g.Input("x", 2, 2).Exp())
		},

		"linear": func(g *grad.Graph) grad.Value {
			return param(g, "x", 3, 4).Linear(param(g, "w", 2, 4), param(g, "b", 2))
		},
		"linear without a bias": func(g *grad.Graph) grad.Value {
			return param(g, "x", 3, 4).Linear(param(g, "w", 2, 4), grad.Value{})
		},
		"product of matrices": func(g *grad.Graph) grad.Value { return param(g, "a", 2, 3).MatMul(param(g, "b", 3, 4)) },
		"product of many with one": func(g *grad.Graph) grad.Value {
			return param(g, "a", 2, 5, 2, 3).MatMul(param(g, "b", 3, 4))
		},
		"product of one with many": func(g *grad.Graph) grad.Value {
			return param(g, "a", 2, 3).MatMul(param(g, "b", 5, 3, 4))
		},
		"product of many that broadcast": func(g *grad.Graph) grad.Value {
			return param(g, "a", 2, 1, 2, 3).MatMul(param(g, "b", 4, 3, 2))
		},
		"softmax":     func(g *grad.Graph) grad.Value { return param(g, "x", 2, 3, 4).Softmax(1) },
		"log softmax": func(g *grad.Graph) grad.Value { return param(g, "x", 3, 4).LogSoftmax(1) },
		"layer norm": func(g *grad.Graph) grad.Value {
			return param(g, "x", 2, 5, 4).LayerNorm(param(g, "scale", 4), param(g, "shift", 4), 1e-3)
		},
		"layer norm over two dimensions": func(g *grad.Graph) grad.Value {
			return param(g, "x", 3, 2, 4).LayerNorm(param(g, "scale", 2, 4), param(g, "shift", 2, 4), 1e-3)
		},

		"mean":     func(g *grad.Graph) grad.Value { return param(g, "x", 2, 3, 4).ReduceMean(0, 2) },
		"sum":      func(g *grad.Graph) grad.Value { return param(g, "x", 2, 3, 4).ReduceSum(1) },
		"largest":  func(g *grad.Graph) grad.Value { return param(g, "x", 2, 3, 4).ReduceMax(2) },
		"smallest": func(g *grad.Graph) grad.Value { return param(g, "x", 2, 3, 4).ReduceMin(0, 1) },

		"reshape":   func(g *grad.Graph) grad.Value { return param(g, "x", 2, 6).Reshape(3, 4).Flatten(1) },
		"transpose": func(g *grad.Graph) grad.Value { return param(g, "x", 2, 3, 4).Transpose(1, 2, 0) },
		"concat": func(g *grad.Graph) grad.Value {
			a := param(g, "a", 2, 1)
			return a.Concat(1, param(g, "b", 2, 3), a)
		},
		"slice":  func(g *grad.Graph) grad.Value { return param(g, "x", 3, 5, 2).Slice(1, 1, 4) },
		"pad":    func(g *grad.Graph) grad.Value { return param(g, "x", 3, 2).Pad(0, 1, 2).Pad(1, 0, 1) },
		"expand": func(g *grad.Graph) grad.Value { return param(g, "x", 3, 1).Expand(2, 3, 4) },

		"dropout": func(g *grad.Graph) grad.Value { return param(g, "x", 4, 6).Dropout("noise", 0.5).Exp() },
		"cross-entropy": func(g *grad.Graph) grad.Value {
			return param(g, "x", 3, 4).CrossEntropy(g.Input("target", 3, 4), g.Input("weight", 3))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkGradient(t, func(g *grad.Graph) grad.Value { return weigh(g, body(g)) }, nil)
		})
	}
}

func TestCrossEntropyIsTheWeightedSumOfItsDefinition(t *testing.T) {
	t.Parallel()
	g := grad.New("loss")
	x := g.Param("x", grad.Fill(0), 3, 2)
	p, err := g.Program(x.CrossEntropy(g.Input("target", 3, 2), g.Input("weight", 3)), 1)
	if err != nil {
		t.Fatal(err)
	}
	out := runProgram(t, p, map[string]*gradtest.Tensor{
		"target": {Shape: []int{3, 2}, Data: []float64{1, 0, 0.25, 0.75, 0, 1}},
		"weight": {Shape: []int{3}, Data: []float64{2, 1, 0}}, // the last sample only fills the batch
	}, []float64{0, math.Log(3), 0, 0, 1000, -1000})
	loss, gradient := out[grad.LossName], out[grad.GradientName("x")].Data
	if want := 2*math.Log(4) + math.Ln2; math.Abs(loss.Data[0]-want) > 1e-12 || !slices.Equal(loss.Shape, []int{1}) {
		t.Errorf("%v, want %v", loss, want)
	}
	for i, want := range []float64{-1.5, 1.5, 0.25, -0.25, 0, 0} {
		if math.Abs(gradient[i]-want) > 1e-12 {
			t.Errorf("gradient %v at %d, want %v", gradient[i], i, want)
		}
	}
}

func TestElementsThatTieShareTheGradient(t *testing.T) {
	t.Parallel()
	g := grad.New("ties")
	a, b := g.Param("a", grad.Fill(1), 1, 4), g.Param("b", grad.Fill(1), 1, 4)
	p, err := g.Program(a.ReduceMax(1).Add(a.Max(b).ReduceSum(1)), 1)
	if err != nil {
		t.Fatal(err)
	}
	out := runProgram(t, p, nil, []float64{1, 1, 0, 1, 1, 2, 0, -1})
	for name, want := range map[string][]float64{"a": {4. / 3, 1. / 3, 1, 4. / 3}, "b": {0, 1, 0, 0}} {
		for i, v := range out[grad.GradientName(name)].Data {
			if math.Abs(v-want[i]) > 1e-12 {
				t.Errorf("%s[%d]: %v, want %v", name, i, v, want[i])
			}
		}
	}
}

func TestAProgramSaysWhatItCannotLearn(t *testing.T) {
	t.Parallel()
	for want, body := range map[string]func(g *grad.Graph) grad.Value{
		"does not reach the loss": func(g *grad.Graph) grad.Value {
			g.Param("lost", grad.Fill(0), 2)
			return g.Param("x", grad.Fill(0), 1).Exp()
		},
		"one element":     func(g *grad.Graph) grad.Value { return g.Param("x", grad.Fill(0), 2).Exp() },
		"no open extents": func(g *grad.Graph) grad.Value { return g.Input("x", grad.Batch).Mul(g.Param("p", grad.Fill(0), 1)) },
		"has no gradient": func(g *grad.Graph) grad.Value { return g.Param("x", grad.Fill(0), 1).Sign() },
		"dropout":         func(g *grad.Graph) grad.Value { return g.Param("x", grad.Fill(0), 1).Dropout("noise", 0) },
	} {
		g := grad.New("broken")
		_, err := g.Program(body(g), 1)
		if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an invalid program and %q", err, want)
		}
	}
}

func TestDropoutIsInProgramsOnly(t *testing.T) {
	t.Parallel()
	build := func(drop bool) *grad.Graph {
		g := grad.New("drop")
		x := g.Input("x", grad.Batch, 4).Linear(g.Param("w", grad.He(4), 3, 4), grad.Value{})
		if drop {
			x = x.Dropout("noise", 0.5)
		}
		g.Output("embedding", x)
		g.Output("y", x.Relu())
		return g
	}
	x := gradtest.New(2, 4)
	for i := range x.Data {
		x.Data[i] = math.Sin(float64(i))
	}
	run := func(g *grad.Graph) map[string]*gradtest.Tensor {
		m, err := g.Deploy(g.Init(1))
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Graph.Inputs) != 1 {
			t.Errorf("inputs %+v, want x alone", m.Graph.Inputs)
		}
		out, err := gradtest.Run(m, map[string]*gradtest.Tensor{"x": x})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	with, without := run(build(true)), run(build(false))
	for _, name := range []string{"embedding", "y"} {
		if !slices.Equal(with[name].Data, without[name].Data) {
			t.Errorf("%s: %v with dropout, %v without", name, with[name], without[name])
		}
	}
}
