package ort_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"bcc/grad"
	"bcc/grad/gradtest"
	"bcc/grad/net"
	"bcc/native/ort"
)

// networkBound is by how much a gradient of a whole network may differ from
// float64's, as lengths of vectors: 1.5e-5 here, and up to 3e-3 where the input of one
// ReLU rounds to the other side of 0, which another version of the engine may do.
const networkBound = 3e-3

func TestTheEngineTrainsANetworkInSeveralCallsAtOnce(t *testing.T) {
	t.Parallel()
	load(t)
	c := net.Config{PatchPx: 32, Batch: 3, Seed: 2}
	p, err := net.Train("resnet10-slim", c, 3)
	if err != nil {
		t.Fatal(err)
	}
	n, err := net.Build("resnet10-slim", c)
	if err != nil {
		t.Fatal(err)
	}
	inputs := map[string]*gradtest.Tensor{}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, in := range p.Inputs {
		v := gradtest.New(in.Shape...)
		for i := range v.Data {
			v.Data[i] = float64(float32(rng.NormFloat64()))
		}
		inputs[in.Name] = v
	}
	copy(inputs[net.Target].Data, []float64{1, 0, 0, 1, 1, 0})
	copy(inputs[net.Weight].Data, []float64{0.5, 0.25, 0})
	want, err := gradtest.RunProgram(p, inputs, gradtest.Widen(n.Weights.Params))
	if err != nil {
		t.Fatal(err)
	}

	var stages [][]byte
	for _, s := range p.Stages {
		stages = append(stages, s.Model.Marshal())
	}
	g := openGraph(t, stages...)
	calls, outs := make([]*ort.Call, 3), make([][]ort.Tensor, 3)
	for i := range calls {
		calls[i], outs[i] = newCall(t, g, p, inputs, n.Weights.Params)
	}
	var all sync.WaitGroup
	for _, call := range calls {
		all.Go(func() {
			for range 3 {
				if err := call.Run(t.Context(), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for k, o := range outs[0] {
		if e := apart(o.Data, want[o.Name].Data); !(e <= networkBound) {
			t.Errorf("%s is off by %v of its length", o.Name, e)
		}
		for _, other := range outs[1:] {
			if !slices.Equal(o.Data, other[k].Data) {
				t.Errorf("%s differs between calls that run at once", o.Name)
			}
		}
	}
}

// newCall makes a call with memory of its own that gives all that a program has.
func newCall(t *testing.T, g *ort.Graph, p *grad.Program, inputs map[string]*gradtest.Tensor, params []float32) (*ort.Call, []ort.Tensor) {
	t.Helper()
	var in, out []ort.Tensor
	for _, q := range p.Inputs {
		v := alloc(t, q.Name, wide(q.Shape))
		for i, x := range inputs[q.Name].Data {
			v.Data[i] = float32(x)
		}
		in = append(in, v)
	}
	for _, q := range p.Params {
		v := alloc(t, q.Name, wide(q.Shape))
		copy(v.Data, params[q.Offset:])
		in = append(in, v)
		out = append(out, alloc(t, grad.GradientName(q.Name), wide(q.Shape)))
	}
	for _, q := range p.State {
		out = append(out, alloc(t, grad.BatchName(q.Name), wide(q.Shape)))
	}
	for _, q := range p.Outputs {
		out = append(out, alloc(t, q.Name, wide(q.Shape)))
	}
	call, err := g.NewCall(in, out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { call.Close() })
	return call, out
}

// apart returns the length of the difference by the length of want.
func apart(got []float32, want []float64) float64 {
	var d, w float64
	for i, v := range got {
		d += (float64(v) - want[i]) * (float64(v) - want[i])
		w += want[i] * want[i]
	}
	return math.Sqrt(d / max(w, 1e-12))
}
