package grad_test

import (
	"maps"
	"math"
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

// checkGradient compares every gradient of what build describes with central
// differences, and its program in several stages with the one in one. Inputs that
// are not given get random numbers.
func checkGradient(t *testing.T, build func(g *grad.Graph) grad.Value, inputs map[string]*gradtest.Tensor) {
	t.Helper()
	program := func(stages int) (*grad.Program, map[string]*gradtest.Tensor, []float64) {
		p, all, params, err := gradtest.Case{Name: "check", Build: build}.Program(stages)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(all, inputs)
		return p, all, params
	}
	p, all, params := program(1)
	gradtest.CheckGradient(t, p, all, params)
	whole := runProgram(t, p, all, params)
	for _, stages := range []int{2, 5} {
		p, all, params := program(stages)
		var gradients []int
		for _, s := range p.Stages {
			gradients = append(gradients, s.Gradients...)
		}
		slices.Sort(gradients)
		if len(p.Stages) > stages || len(gradients) != len(p.Params) || len(slices.Compact(gradients)) != len(p.Params) {
			t.Errorf("%d stages, asked for %d, give the gradients %v of %d parameters", len(p.Stages), stages, gradients, len(p.Params))
		}
		cut := runProgram(t, p, all, params)
		for name, v := range whole {
			if c := cut[name]; c == nil || !slices.Equal(c.Data, v.Data) {
				t.Errorf("%s differs between one stage and %d", name, stages)
			}
		}
	}
}

func TestEveryGradientIsThatOfCentralDifferences(t *testing.T) {
	t.Parallel()
	for _, c := range gradtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			checkGradient(t, c.Build, nil)
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
		"input noise comes twice": func(g *grad.Graph) grad.Value {
			return g.Param("x", grad.Fill(0), 1).Dropout("noise", 0.5).Dropout("noise", 0.5)
		},
		"(N, Classes) twice": func(g *grad.Graph) grad.Value { // else one row of targets would stand for all
			return g.Param("x", grad.Fill(0), 2, 3).CrossEntropy(g.Input("target", 1, 3), g.Input("weight", 2))
		},
		"dropout": func(g *grad.Graph) grad.Value { return g.Param("x", grad.Fill(0), 1).Dropout("noise", 0) },
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
