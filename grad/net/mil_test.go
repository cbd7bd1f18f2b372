package net_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bcc/fault"
	"bcc/grad"
	"bcc/grad/gradtest"
	"bcc/grad/net"
)

// small is a head that float64 runs fast: two bags, the second with two patches and
// two rows of padding.
var small = net.MILConfig{Features: 6, Project: 5, Attend: 3, Classes: 3, Bags: 2, Patches: 4}

// bags fills the inputs of a program of small with numbers from the seed.
func bags(seed uint64) map[string]*gradtest.Tensor {
	rng := rand.New(rand.NewPCG(seed, 0))
	in := map[string]*gradtest.Tensor{
		net.Input:  gradtest.New(2, 4, 6),
		net.Mask:   {Shape: []int{2, 4}, Data: []float64{1, 1, 1, 1, 1, 1, 0, 0}},
		net.Target: {Shape: []int{2, 3}, Data: []float64{0, 1, 0, 0.5, 0, 0.5}},
		net.Weight: {Shape: []int{2}, Data: []float64{0.25, 0.75}},
	}
	for i := range in[net.Input].Data {
		in[net.Input].Data[i] = rng.NormFloat64()
	}
	return in
}

func runProgram(t *testing.T, p *grad.Program, in map[string]*gradtest.Tensor, flat []float64) map[string]*gradtest.Tensor {
	t.Helper()
	out, err := gradtest.RunProgram(p, in, flat)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheSlideHeadIsAsLargeAsPublished(t *testing.T) {
	t.Parallel()
	n, err := net.DescribeMIL(net.MILConfig{Features: 1024})
	if err != nil {
		t.Fatal(err)
	}
	// 1024·512+512 + 2·(512·256+256) + 256 + 512·2+2
	if got := size(n.Graph.Params()); got != 788738 {
		t.Errorf("%d parameters, want 788738", got)
	}
}

func TestTheSlideHeadGivesWhatItWasTrainedToGive(t *testing.T) {
	t.Parallel()
	n, err := net.BuildMIL(small)
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.TrainMIL(small, 1)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := n.Graph.Params(), p.Params; len(a) != len(b) || a[0].Name != b[0].Name || size(a) != size(b) {
		t.Fatalf("parameters %v deployed, %v trained", a, b)
	}
	m, err := n.Model()
	if err != nil {
		t.Fatal(err)
	}
	in := bags(1)
	trained := runProgram(t, p, in, gradtest.Widen(n.Weights.Params))[net.Output]
	for bag, patches := range []int{4, 2} {
		out, err := gradtest.Run(m, map[string]*gradtest.Tensor{
			net.Embeddings: {Shape: []int{patches, 6}, Data: in[net.Input].Data[bag*24:][:patches*6]},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range out[net.Output].Data {
			if w := trained.Data[bag*3+i]; math.Abs(v-w) > 1e-12 {
				t.Errorf("bag %d, class %d: %v deployed, %v trained", bag, i, v, w)
			}
		}
		sum := 0.0
		for _, a := range out[net.Attention].Data {
			sum += a
		}
		if s := out[net.Attention].Shape; math.Abs(sum-1) > 1e-12 || !slices.Equal(s, []int{patches, 1}) {
			t.Errorf("attention %v of shape %v sums to %v", out[net.Attention].Data, s, sum)
		}
	}
	if o := m.Graph.Outputs; o[0].Name != net.Output || o[1].Name != net.Attention || o[1].Shape[0].Known() {
		t.Errorf("outputs %+v, want the logits first and an open number of patches", o)
	}
}

func TestPaddingDoesNotCount(t *testing.T) {
	t.Parallel()
	p, err := net.TrainMIL(small, 1)
	if err != nil {
		t.Fatal(err)
	}
	n, err := net.BuildMIL(small)
	if err != nil {
		t.Fatal(err)
	}
	flat := gradtest.Widen(n.Weights.Params)
	one, other := bags(1), bags(1)
	for i := 6 * 6; i < 8*6; i++ { // the last two patches of the second bag
		other[net.Input].Data[i] = 1000
	}
	a, b := runProgram(t, p, one, flat), runProgram(t, p, other, flat)
	for name := range a {
		if name != net.Input && !slices.Equal(a[name].Data, b[name].Data) {
			t.Errorf("%s depends on what stands in padding", name)
		}
	}
	other[net.Input].Data[0]++
	if slices.Equal(runProgram(t, p, other, flat)[net.Output].Data, a[net.Output].Data) {
		t.Error("nothing depends on a patch")
	}
}

func TestTheSlideHeadsGradientIsThatOfCentralDifferences(t *testing.T) {
	t.Parallel()
	c := small
	c.Dropout = 0.5
	p, err := net.TrainMIL(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	c.Seed = 9
	n, err := net.BuildMIL(c)
	if err != nil {
		t.Fatal(err)
	}
	in := bags(2)
	i := slices.IndexFunc(p.Inputs, func(q grad.Port) bool { return q.Keep > 0 })
	if i < 0 || p.Inputs[i].Keep != 0.5 || p.Inputs[i].Shape[0] != c.Bags {
		t.Fatalf("inputs %+v, want noise with a row a bag", p.Inputs)
	}
	noise := gradtest.New(p.Inputs[i].Shape...)
	for k := range noise.Data {
		noise.Data[k] = float64(k % 3 % 2 * 2)
	}
	in[p.Inputs[i].Name] = noise
	gradtest.CheckGradient(t, p, in, gradtest.Widen(n.Weights.Params))
}

func TestItSaysWhichSlideHeadsCannotBe(t *testing.T) {
	t.Parallel()
	for _, c := range []net.MILConfig{{}, {Features: 1 << 20, Patches: 1}, {Features: 8}, {Features: 8, Patches: 8, Dropout: 1}, {Features: 8, Patches: 8, Bags: -1}} {
		if _, err := net.TrainMIL(c, 1); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: %v, want invalid", c, err)
		}
	}
	if _, err := net.DescribeMIL(net.MILConfig{}); fault.Of(err) != fault.Invalid {
		t.Errorf("%v, want invalid", err)
	}
}
