package grad_test

import (
	"math"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/grad"
	"bcc/grad/gradtest"
)

// norm is a batch norm with parameters called as a prefix says.
func norm(g *grad.Graph, x grad.Value, name string, channels int) grad.Value {
	return x.BatchNorm(g.Param(name+".scale", grad.Fill(1), channels), g.Param(name+".shift", grad.Fill(0), channels),
		g.State(name+".mean", grad.Fill(0), channels), g.State(name+".variance", grad.Fill(1), channels), 1e-3)
}

func TestAProgramGivesTheStatisticsOfItsBatch(t *testing.T) {
	t.Parallel()
	g := grad.New("statistics")
	y := norm(g, g.Input("x", 2, 2, 1, 2), "n", 2)
	g.Output("y", y)
	p, err := g.Program(y.Mul(y).ReduceSum(0, 1, 2, 3).Reshape(1), 1)
	if err != nil {
		t.Fatal(err)
	}
	x := &gradtest.Tensor{Shape: []int{2, 2, 1, 2}, Data: []float64{1000, 1002, -1, 3, 1004, 1006, 5, 1}}
	out := runProgram(t, p, map[string]*gradtest.Tensor{"x": x}, gradtest.Widen(g.Init(1).Params))
	d := 2 / math.Sqrt(5+1e-3) // two apart, of a variance of 20/4
	for name, want := range map[string][]float64{
		grad.BatchName("n.mean"):     {1003, 2},
		grad.BatchName("n.variance"): {20. / 3, 20. / 3}, // of four elements: over three
		"y":                          {-1.5 * d, -0.5 * d, -1.5 * d, 0.5 * d, 0.5 * d, 1.5 * d, 1.5 * d, -0.5 * d},
	} {
		for i, w := range want {
			if got := out[name]; got == nil || math.Abs(got.Data[i]-w) > 1e-6 {
				t.Errorf("%s is %+v, want %v", name, got, want)
				break
			}
		}
	}
	if s := p.Stages[0].States; len(s) != 2 || p.State[0].Name != "n.mean" {
		t.Errorf("the statistics %v of %+v come out of the stage", s, p.State)
	}
}

func TestABatchNormOfOneElementHasNoProgram(t *testing.T) {
	t.Parallel()
	g := grad.New("single")
	_, err := g.Program(norm(g, g.Input("x", 1, 2, 1, 1), "n", 2).ReduceSum(0, 1, 2, 3).Reshape(1), 1)
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "two elements") {
		t.Errorf("%v, want a complaint about one element a channel", err)
	}
}

func conv1x1(g *grad.Graph, x grad.Value) grad.Value {
	return x.Conv(g.Param("w", grad.He(2), 2, 2, 1, 1), grad.Value{}, grad.ConvConfig{})
}

func TestADeployedPoolComputesNoPlaces(t *testing.T) {
	t.Parallel()
	g := grad.New("pool")
	g.Output("y", conv1x1(g, g.Input("x", 1, 2, 4, 4)).MaxPool(grad.PoolConfig{Size: 2}))
	m, err := g.Deploy(g.Init(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range m.Graph.Nodes {
		if len(n.Outputs) != 1 {
			t.Errorf("%s has the outputs %q, want one: the engine's quick pool gives no places", n.Op, n.Outputs)
		}
	}
}
