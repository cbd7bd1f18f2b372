package ort_test

import (
	"math"
	"testing"

	"bcc/grad"
	"bcc/grad/gradtest"
	"bcc/grad/net"
	"bcc/native/ort"
)

// gradientBound is by how much the engine's loss and gradients may differ from
// float64's, relative to the largest element: rounding is 6e-8, and the sums are short.
const gradientBound = 1e-5

// checkProgram compares all that a program gives on the engine with what it gives in
// float64.
func checkProgram(t *testing.T, p *grad.Program, inputs map[string]*gradtest.Tensor, params []float64) {
	t.Helper()
	want, err := gradtest.RunProgram(p, inputs, params)
	if err != nil {
		t.Fatal(err)
	}
	stages := make([][]byte, len(p.Stages))
	for i, s := range p.Stages {
		stages[i] = s.Model.Marshal()
	}
	tensor := func(name string, s grad.Shape, data []float64) ort.Tensor {
		out := alloc(t, name, wide(s))
		for i := range data {
			out.Data[i] = float32(data[i])
		}
		return out
	}
	var in, out []ort.Tensor
	for _, q := range p.Params {
		in = append(in, tensor(q.Name, q.Shape, params[q.Offset:][:q.Shape.Len()]))
		out = append(out, tensor(grad.GradientName(q.Name), q.Shape, nil))
	}
	for _, q := range p.Inputs {
		in = append(in, tensor(q.Name, q.Shape, inputs[q.Name].Data))
	}
	for _, q := range p.Outputs {
		out = append(out, tensor(q.Name, q.Shape, nil))
	}
	call, err := openGraph(t, stages...).NewCall(in, out)
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	if err := call.Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		exact, largest := want[o.Name].Data, 1e-3
		for _, v := range exact {
			largest = max(largest, math.Abs(v))
		}
		for i, v := range o.Data {
			if !(math.Abs(float64(v)-exact[i]) <= gradientBound*largest) {
				t.Errorf("%s: element %d is %v, in float64 %v", o.Name, i, v, exact[i])
				break
			}
		}
	}
}

func wide(s grad.Shape) []int64 {
	out := make([]int64, len(s))
	for i, d := range s {
		out[i] = int64(d)
	}
	return out
}

func TestTheEngineFindsTheGradientsOfEveryOperator(t *testing.T) {
	t.Parallel()
	load(t)
	for _, c := range gradtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			p, inputs, params, err := c.Program(2)
			if err != nil {
				t.Fatal(err)
			}
			checkProgram(t, p, inputs, params)
		})
	}
}

func TestTheEngineFindsTheGradientOfASlideHead(t *testing.T) {
	t.Parallel()
	load(t)
	c := net.MILConfig{Features: 24, Project: 16, Attend: 8, Bags: 3, Patches: 20}
	p, err := net.TrainMIL(c, 3)
	if err != nil {
		t.Fatal(err)
	}
	n, err := net.BuildMIL(c)
	if err != nil {
		t.Fatal(err)
	}
	inputs := map[string]*gradtest.Tensor{}
	for _, in := range p.Inputs {
		v := gradtest.New(in.Shape...)
		for i := range v.Data {
			switch in.Name {
			case net.Mask: // bags of 20, 19 and 18 patches
				v.Data[i] = 1
				if row := i % c.Patches; row >= c.Patches-i/c.Patches {
					v.Data[i] = 0
				}
			case net.Target:
				v.Data[i] = float64(i % 3 % 2)
			default:
				v.Data[i] = float64(float32(math.Sin(float64(i))))
			}
		}
		inputs[in.Name] = v
	}
	checkProgram(t, p, inputs, gradtest.Widen(n.Weights.Params))
}

func TestTheEngineRunsASlideHeadOnAnyNumberOfPatches(t *testing.T) {
	t.Parallel()
	n, err := net.BuildMIL(net.MILConfig{Features: 24, Project: 16, Attend: 8})
	if err != nil {
		t.Fatal(err)
	}
	m, err := n.Model()
	if err != nil {
		t.Fatal(err)
	}
	g := openGraph(t, m.Marshal())
	for _, patches := range []int{1, 2, 333} {
		x, data := gradtest.New(patches, 24), make([]float32, patches*24)
		for i := range data {
			data[i] = float32(math.Sin(float64(i)))
			x.Data[i] = float64(data[i])
		}
		want, err := gradtest.Run(m, map[string]*gradtest.Tensor{net.Embeddings: x})
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.Eval(t.Context(), []ort.Tensor{{Name: net.Embeddings, Shape: wide(x.Shape), Data: data}}, []string{net.Output, net.Attention})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range got {
			exact := want[o.Name]
			if len(o.Data) != len(exact.Data) {
				t.Fatalf("%d patches: %s has %d elements, want %d", patches, o.Name, len(o.Data), len(exact.Data))
			}
			for i, v := range o.Data {
				if math.Abs(float64(v)-exact.Data[i]) > 1e-6 { // of numbers up to 1
					t.Fatalf("%d patches: %s: element %d is %v, in float64 %v", patches, o.Name, i, v, exact.Data[i])
				}
			}
		}
	}
}
