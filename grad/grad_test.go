package grad_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/grad"
	"bcc/grad/gradtest"
	"bcc/onnx"
)

// eval builds a graph with one input "x", runs it on the elements 0, 1, 2, … and
// returns its output. It fails where the shape that ran is not the one inferred.
func eval(t *testing.T, shape []int, body func(g *grad.Graph, x grad.Value) grad.Value) *gradtest.Tensor {
	t.Helper()
	g := grad.New("test")
	open := slices.Clone(shape)
	open[0] = grad.Batch
	y := body(g, g.Input("x", open...))
	g.Output("y", y)
	m, err := g.Model(g.Init(1))
	if err != nil {
		t.Fatal(err)
	}
	x := gradtest.New(shape...)
	for i := range x.Data {
		x.Data[i] = float64(i)
	}
	out, err := gradtest.Run(m, map[string]*gradtest.Tensor{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	got := out["y"]
	want := slices.Clone(y.Shape())
	if len(want) > 0 && want[0] == grad.Batch {
		want[0] = shape[0]
	}
	if !slices.Equal(got.Shape, want) {
		t.Errorf("it ran to %v, inferred was %v", got.Shape, want)
	}
	return got
}

func TestItComputesWhatTheOperatorsSay(t *testing.T) {
	t.Parallel()
	relu6 := func(x float64) float64 { return min(max(x/6+0.5, 0), 1) }
	for name, c := range map[string]struct {
		shape []int
		body  func(g *grad.Graph, x grad.Value) grad.Value
		want  []float64
	}{
		"arithmetic": {[]int{1, 3}, func(g *grad.Graph, x grad.Value) grad.Value {
			return x.Add(g.Const([]float32{1, 2, 3}, 3)).Mul(g.Scalar(2)).Sub(x).Div(g.Scalar(2))
		}, []float64{1, 2.5, 4}},
		"activations": {[]int{1, 3}, func(g *grad.Graph, x grad.Value) grad.Value {
			x = x.Sub(g.Scalar(1))
			return x.Relu().Concat(1, x.HardSwish(), x.HardSigmoid(), x.Sigmoid(), x.Tanh(), x.SiLU(), x.Clip(-.5, .5), x.Abs(), x.Neg())
		}, []float64{
			0, 0, 1, -relu6(-1), 0, relu6(1), relu6(-1), 0.5, relu6(1),
			1 / (1 + math.E), 0.5, 1 / (1 + 1/math.E), math.Tanh(-1), 0, math.Tanh(1),
			-1 / (1 + math.E), 0, 1 / (1 + 1/math.E), -.5, 0, .5, 1, 0, 1, 1, 0, -1,
		}},
		"functions": {[]int{1, 2}, func(g *grad.Graph, x grad.Value) grad.Value {
			x = x.Add(g.Scalar(1))
			return x.Log().Concat(1, x.Exp(), x.Sqrt(), x.Reciprocal(), x.Pow(g.Scalar(3)), x.Min(g.Scalar(1.5)), x.Max(g.Scalar(1.5)))
		}, []float64{0, math.Ln2, math.E, math.E * math.E, 1, math.Sqrt2, 1, .5, 1, 8, 1, 1.5, 1.5, 2}},
		"convolution": {[]int{1, 1, 3, 3}, func(g *grad.Graph, x grad.Value) grad.Value {
			return x.Conv(g.Const([]float32{1, 0, 0, 2}, 1, 1, 2, 2), g.Const([]float32{10}, 1), grad.ConvConfig{})
		}, []float64{18, 21, 27, 30}},
		"padded strided convolution in groups": {[]int{1, 2, 2, 2}, func(g *grad.Graph, x grad.Value) grad.Value {
			return x.Conv(g.Const([]float32{1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2}, 2, 1, 3, 3), grad.Value{},
				grad.ConvConfig{Stride: 2, Pad: 1, Groups: 2})
		}, []float64{6, 44}},
		"dilated convolution": {[]int{1, 1, 3, 3}, func(g *grad.Graph, x grad.Value) grad.Value {
			return x.Conv(g.Const([]float32{1, 1, 1, 1}, 1, 1, 2, 2), grad.Value{}, grad.ConvConfig{Dilation: 2})
		}, []float64{16}},
		"max pool": {[]int{1, 1, 4, 4}, func(_ *grad.Graph, x grad.Value) grad.Value {
			return x.MaxPool(grad.PoolConfig{Size: 3, Stride: 2, Pad: 1})
		}, []float64{5, 7, 13, 15}},
		"average pool leaves its margin out": {[]int{1, 1, 2, 2}, func(_ *grad.Graph, x grad.Value) grad.Value {
			return x.AvgPool(grad.PoolConfig{Size: 3, Stride: 1, Pad: 1})
		}, []float64{1.5, 1.5, 1.5, 1.5}},
		"pools of whole pictures": {[]int{1, 2, 2, 2}, func(_ *grad.Graph, x grad.Value) grad.Value {
			return x.GlobalAvgPool().Concat(1, x.GlobalMaxPool()).Flatten(1)
		}, []float64{1.5, 5.5, 3, 7}},
		"reductions": {[]int{2, 3}, func(_ *grad.Graph, x grad.Value) grad.Value {
			return x.ReduceSum(1).Concat(1, x.ReduceMean(1), x.ReduceMax(1), x.ReduceMin(1))
		}, []float64{3, 1, 2, 0, 12, 4, 5, 3}},
		"linear": {[]int{2, 2}, func(g *grad.Graph, x grad.Value) grad.Value {
			return x.Linear(g.Const([]float32{1, 2, 3, 4, 5, 6}, 3, 2), g.Const([]float32{0, 0, 1}, 3))
		}, []float64{2, 4, 7, 8, 18, 29}},
		"matrices that broadcast": {[]int{2, 1, 2}, func(g *grad.Graph, x grad.Value) grad.Value {
			return x.MatMul(g.Const([]float32{1, 2, 3, 4}, 2, 2))
		}, []float64{3, 4, 11, 16}},
		"softmax": {[]int{1, 3, 1}, func(_ *grad.Graph, x grad.Value) grad.Value { return x.Softmax(1) },
			[]float64{0.09003057317038046, 0.24472847105479764, 0.6652409557748219}},
		"log softmax": {[]int{1, 2}, func(_ *grad.Graph, x grad.Value) grad.Value { return x.LogSoftmax(1) },
			[]float64{-math.Log(1 + math.E), 1 - math.Log(1+math.E)}},
		"shapes": {[]int{1, 2, 3}, func(_ *grad.Graph, x grad.Value) grad.Value {
			return x.Transpose(0, 2, 1).Reshape(grad.Batch, 2, 3).Slice(2, 1, 3)
		}, []float64{3, 1, 2, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := eval(t, c.shape, c.body).Data
			if len(got) != len(c.want) {
				t.Fatalf("%d elements, want %d", len(got), len(c.want))
			}
			for i := range got {
				if math.Abs(got[i]-c.want[i]) > 1e-7 { // attributes are float32
					t.Errorf("element %d = %v, want %v", i, got[i], c.want[i])
				}
			}
		})
	}
}

func TestItNamesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	for want, body := range map[string]func(g *grad.Graph, x grad.Value) grad.Value{
		"Conv": func(g *grad.Graph, x grad.Value) grad.Value {
			return x.Conv(g.Param("w", grad.He(1), 4, 5, 3, 3), grad.Value{}, grad.ConvConfig{})
		},
		"window": func(_ *grad.Graph, x grad.Value) grad.Value { return x.MaxPool(grad.PoolConfig{Size: 99}) },
		"meet":   func(g *grad.Graph, x grad.Value) grad.Value { return x.Add(g.Const([]float32{1, 2, 3, 4, 5}, 5)) },
		"Gemm":   func(_ *grad.Graph, x grad.Value) grad.Value { return x.Linear(x, grad.Value{}) },
		"axis 7": func(_ *grad.Graph, x grad.Value) grad.Value { return x.Softmax(7) },
		"of this graph": func(_ *grad.Graph, x grad.Value) grad.Value {
			return x.Add(grad.New("other").Scalar(1))
		},
		"comes twice": func(g *grad.Graph, x grad.Value) grad.Value {
			return x.Add(g.Param("p", grad.Fill(1), 1)).Add(g.Param("p", grad.Fill(1), 1))
		},
		"hold the elements": func(_ *grad.Graph, x grad.Value) grad.Value { return x.Reshape(grad.Batch, 7) },
		"an order":          nil,
		"beside":            func(_ *grad.Graph, x grad.Value) grad.Value { return x.Concat(1, x.ReduceSum(2)) },
	} {
		if body == nil {
			want, body = "no order", func(_ *grad.Graph, x grad.Value) grad.Value { return x.Transpose(0, 1) }
		}
		g := grad.New("broken")
		y := body(g, g.Input("x", grad.Batch, 3, 8, 8))
		g.Output("y", y.Relu().Exp().Clip(0, 1)) // goes on without a panic
		_, err := g.Model(g.Init(0))
		if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "build graph broken") {
			t.Errorf("%v, want an invalid graph and %q", err, want)
		}
	}
}

// small is a network with a batch norm that can be folded, one behind a ReLU that
// cannot, and one over a convolution that is read twice.
func small(g *grad.Graph) {
	norm := func(x grad.Value, name string) grad.Value {
		return x.BatchNorm(g.Param(name+".scale", grad.He(1), 4), g.Param(name+".shift", grad.He(1), 4),
			g.State(name+".mean", grad.He(1), 4), g.State(name+".variance", grad.Fill(2), 4), 1e-3)
	}
	x := g.Input("x", grad.Batch, 2, 6, 6)
	a := norm(x.Conv(g.Param("a", grad.He(18), 4, 2, 3, 3), grad.Value{}, grad.ConvConfig{Pad: 1}), "a").Relu()
	b := norm(a, "b")
	c := b.Conv(g.Param("c", grad.He(36), 4, 1, 3, 3), g.Param("c.bias", grad.He(2), 4), grad.ConvConfig{Groups: 4})
	d := c.Conv(g.Param("d", grad.He(36), 4, 4, 1, 1), grad.Value{}, grad.ConvConfig{})
	g.Output("y", norm(c, "c").Add(norm(d, "d").Add(c)))
}

func TestItFoldsBatchNormWithoutChangingTheAnswer(t *testing.T) {
	t.Parallel()
	g := grad.New("small")
	small(g)
	w := g.Init(3)
	x := gradtest.New(2, 2, 6, 6)
	for i := range x.Data {
		x.Data[i] = math.Sin(float64(i))
	}
	run := func(m *onnx.Model, err error) ([]float64, int) {
		if err != nil {
			t.Fatal(err)
		}
		out, err := gradtest.Run(m, map[string]*gradtest.Tensor{"x": x})
		if err != nil {
			t.Fatal(err)
		}
		norms := 0
		for _, n := range m.Graph.Nodes {
			if n.Op == "BatchNormalization" {
				norms++
			}
		}
		return out["y"].Data, norms
	}
	plain, before := run(g.Model(w))
	folded, after := run(g.Deploy(w))
	if before != 4 || after != 2 {
		t.Errorf("%d batch norms of %d are left, want 2 of 4", after, before)
	}
	for i := range plain {
		if math.Abs(plain[i]-folded[i]) > 1e-6 { // folded weights are rounded to float32
			t.Fatalf("element %d: %v plain, %v folded", i, plain[i], folded[i])
		}
	}
}

func TestItGivesTheSameBytesForTheSameSeed(t *testing.T) {
	t.Parallel()
	build := func(seed uint64, extra bool) (*grad.Graph, []byte) {
		g := grad.New("small")
		if extra {
			g.Param("early", grad.He(2), 7)
		}
		small(g)
		m, err := g.Deploy(g.Init(seed))
		if err != nil {
			t.Fatal(err)
		}
		return g, m.Marshal()
	}
	_, a := build(1, false)
	g, b := build(1, true) // a parameter that nothing reads is not written
	_, c := build(2, false)
	if !bytes.Equal(a, b) || bytes.Equal(a, c) {
		t.Error("the bytes must depend on the seed and on what is read, on nothing else")
	}
	w := g.Init(1)
	if p := g.Params(); p[0].Name != "early" || p[1].Offset != 7 || len(w.Params) != p[len(p)-1].Offset+4 {
		t.Errorf("parameters do not lie one after the other: %v", p)
	}
	if _, err := g.Model(grad.Weights{}); fault.Of(err) != fault.Invalid {
		t.Errorf("%v, want a complaint about missing weights", err)
	}
}
