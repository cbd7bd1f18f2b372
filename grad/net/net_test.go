package net_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/grad"
	"bcc/grad/gradtest"
	"bcc/grad/net"
)

func TestItHasAsManyParametersAsPublished(t *testing.T) {
	t.Parallel()
	// Counts of the published networks with 1000 classes (torchvision's model table).
	for name, want := range map[string]int{
		"resnet18": 11689512, "resnet34": 21797672, "resnet50": 25557032, "mobilenetv3-small": 2542856,
	} {
		n, err := net.Describe(name, net.Config{Classes: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if got := size(n.Graph.Params()); got != want {
			t.Errorf("%s has %d parameters, want %d", name, got, want)
		}
	}
}

// size returns the length of the flat slice behind the parameters.
func size(p []grad.Param) int {
	if len(p) == 0 {
		return 0
	}
	last := p[len(p)-1]
	return last.Offset + last.Shape.Len()
}

func TestItBuildsEveryNetworkWithAnOpenOrFixedBatch(t *testing.T) {
	t.Parallel()
	for _, name := range net.Names() {
		for _, batch := range []int{0, 4} {
			if large := name == "resnet34" || name == "resnet50"; large && (batch > 0 || testing.Short()) {
				continue // the same description as resnet18, and seconds under the race detector
			}
			n, err := net.Describe(name, net.Config{PatchPx: 160, Batch: batch})
			if err != nil {
				t.Fatal(err)
			}
			g := n.Graph // zeros will do, and cost less than drawing 25 million numbers
			n.Weights = grad.Weights{Params: make([]float32, size(g.Params())), State: make([]float32, size(g.States()))}
			m, err := n.Model()
			if err != nil {
				t.Fatal(err)
			}
			in, out := m.Graph.Inputs, m.Graph.Outputs
			if len(in) != 1 || in[0].Name != net.Input || in[0].Shape[1].Value != 3 || in[0].Shape[3].Value != 160 {
				t.Errorf("%s: input %+v", name, in)
			}
			if name == "baseline" {
				out = append(out, nil)
			} else if e := out[1]; e.Name != net.Embedding || e.Shape[0].Value != int64(batch) || e.Shape[1].Value < 128 {
				t.Errorf("%s: embedding %+v", name, e)
			}
			if len(out) != 2 || out[0].Name != net.Output || out[0].Shape[1].Value != 2 || out[0].Shape[0].Value != int64(batch) {
				t.Errorf("%s: output %+v", name, out)
			}
			for _, node := range m.Graph.Nodes {
				if node.Op == "BatchNormalization" {
					t.Errorf("%s: a batch norm is left", name)
				}
			}
		}
	}
}

func TestItGivesTheSameBytesForTheSameSeed(t *testing.T) {
	t.Parallel()
	build := func(seed uint64) []byte {
		n, err := net.Build("mobilenetv3-small", net.Config{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		m, err := n.Model()
		if err != nil {
			t.Fatal(err)
		}
		return m.Marshal()
	}
	one := build(1)
	if !bytes.Equal(one, build(1)) || bytes.Equal(one, build(2)) {
		t.Error("the bytes must follow the seed")
	}
}

func TestItKeepsTheScaleOfWhatFlowsThrough(t *testing.T) {
	t.Parallel()
	names := []string{"mobilenetv3-small"}
	if !testing.Short() { // seconds under the race detector
		names = append(names, "resnet18")
	}
	for _, name := range names {
		n, err := net.Build(name, net.Config{PatchPx: 32, Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		out := run(t, n, func(int, int, int) float64 { return rng.NormFloat64() })
		for _, v := range out {
			if a := math.Abs(v); !(a > 1e-4 && a < 100) {
				t.Errorf("%s: a fresh network gives %v", name, out)
			}
		}
	}
}

func TestItSaysWhatCannotBeBuilt(t *testing.T) {
	t.Parallel()
	if _, err := net.Build("alexnet", net.Config{}); fault.Of(err) != fault.NotFound || fault.HintOf(err) == "" {
		t.Errorf("%v, want not found with a hint", err)
	}
	for _, c := range []net.Config{{PatchPx: 8}, {PatchPx: 1 << 20}, {Classes: -1}, {Batch: -1}, {Dropout: 1}} {
		if _, err := net.Build("resnet18", c); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: %v, want invalid", c, err)
		}
	}
	_, err := net.Build("resnet18", net.Config{PatchPx: 8}) // what is right is not told as if it were wrong
	if text := err.Error(); !strings.Contains(text, "side of a patch in pixels 8: want 32 to 4096") || strings.Contains(text, "dropout") {
		t.Errorf("%v", err)
	}
	if _, err := net.Build("baseline", net.Config{Classes: 3}); fault.Of(err) != fault.Invalid {
		t.Errorf("a baseline of three classes: %v, want invalid", err)
	}
}

// run gives the network one patch, painted channel, row and column, and returns its row.
func run(t *testing.T, n *net.Net, paint func(c, y, x int) float64) []float64 {
	t.Helper()
	m, err := n.Model()
	if err != nil {
		t.Fatal(err)
	}
	in := gradtest.New(1, 3, n.PatchPx, n.PatchPx)
	for i := range in.Data {
		in.Data[i] = paint(i/n.PatchPx/n.PatchPx, i/n.PatchPx%n.PatchPx, i%n.PatchPx)
	}
	out, err := gradtest.Run(m, map[string]*gradtest.Tensor{net.Input: in})
	if err != nil {
		t.Fatal(err)
	}
	return out[net.Output].Data
}

func TestTheBaselineFiresOnCrowdedNucleiOnly(t *testing.T) {
	t.Parallel()
	n, err := net.Build("baseline", net.Config{})
	if err != nil {
		t.Fatal(err)
	}
	nucleus, basaloid := [3]float64{0.33, 0.22, 0.50}, [3]float64{0.62, 0.48, 0.70}
	palish, spinous := [3]float64{0.48, 0.36, 0.62}, [3]float64{0.72, 0.50, 0.76} // a nucleus stained weakly; cytoplasm
	stroma, glass := [3]float64{0.91, 0.72, 0.82}, [3]float64{0.97, 0.97, 0.97}
	// cells paints round nuclei of 7 µm, spacingUM apart, on a ground.
	cellsOf := func(nucleus, ground [3]float64, spacingUM float64) func(c, y, x int) float64 {
		return func(c, y, x int) float64 {
			dx, dy := math.Mod(float64(x)/2, spacingUM)-spacingUM/2, math.Mod(float64(y)/2, spacingUM)-spacingUM/2
			if math.Hypot(dx, dy) < 3.5 {
				return nucleus[c]
			}
			return ground[c]
		}
	}
	cells := func(ground [3]float64, spacingUM float64) func(c, y, x int) float64 {
		return cellsOf(nucleus, ground, spacingUM)
	}
	plain := func(v [3]float64) func(c, y, x int) float64 {
		return func(c, _, _ int) float64 { return v[c] }
	}
	for name, c := range map[string]struct {
		paint  func(c, y, x int) float64
		lo, hi float64
	}{
		"a nest":           {cells(basaloid, 8), 0.9, 1},
		"half a nest":      {half(cells(basaloid, 8), plain(stroma)), 0.5, 1},
		"a pale nest":      {cellsOf(palish, basaloid, 8), 0.8, 1},
		"epidermis":        {cells(spinous, 9.5), 0, 0.1},
		"stroma":           {plain(stroma), 0, 0.05},
		"glass":            {plain(glass), 0, 0.05},
		"black ink":        {plain([3]float64{0.05, 0.05, 0.10}), 0, 0.05},
		"green ink":        {plain([3]float64{0.33, 0.62, 0.47}), 0, 0.05},
		"blue ink":         {plain([3]float64{0.15, 0.25, 0.60}), 0, 0.05},
		"lymphocytes":      {cells(stroma, 8.5), 0, 0.1},
		"scattered nuclei": {cells(stroma, 20), 0, 0.05},
		"loose nuclei":     {cells(stroma, 11), 0, 0.1},
	} {
		out := run(t, n, c.paint)
		if out[0] < c.lo || out[0] > c.hi || math.Abs(out[0]+out[1]-1) > 1e-9 {
			t.Errorf("%s: %v, want BCC within %v to %v", name, out, c.lo, c.hi)
		}
	}
}

// half paints one picture to the left of another, in a patch of 224 px.
func half(left, right func(c, y, x int) float64) func(c, y, x int) float64 {
	return func(c, y, x int) float64 {
		if x < 112 {
			return left(c, y, x)
		}
		return right(c, y, x)
	}
}
