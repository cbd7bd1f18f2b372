package aggregate_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"bcc/aggregate"
	"bcc/wsi"
)

func TestItKeepsAPatchsOwnProbabilityWithoutOverlap(t *testing.T) {
	t.Parallel()
	g, probs := draw("09.", "3.6")
	h, err := aggregate.NewHeatmap(g, probs)
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{0, 1, math.NaN(), 3. / 9, math.NaN(), 6. / 9}
	for i, w := range want {
		if got := float64(h.Patch[i]); math.Abs(got-w) > 1e-6 || math.IsNaN(got) != math.IsNaN(w) {
			t.Errorf("cell %d = %v, want %v", i, got, w)
		}
	}
}

// Patches of 4 strides: along one axis a cell is covered half by the patches two
// strides away and wholly by its own and those one away. The weights are
// ½ 1 1 1 ½, so a lone 1 among zeros leaves 1/4, 1/4 and 1/8.
func TestItAveragesOverlappingPatchesByArea(t *testing.T) {
	t.Parallel()
	g := &wsi.Grid{
		Slide: wsi.Size{W: 2000, H: 200}, MPP: wsi.MPP{X: 0.5, Y: 0.5},
		Patch: wsi.Size{W: 200, H: 200}, Stride: wsi.Size{W: 50, H: 200}, Cols: 9, Rows: 1,
	}
	probs := make([]float32, 9)
	for i := range 9 {
		g.Cells = append(g.Cells, wsi.Cell{Col: i})
	}
	probs[4] = 1
	h, err := aggregate.NewHeatmap(g, probs)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{0, 0, 0.125, 0.25, 0.25, 0.25, 0.125, 0, 0} {
		if h.Patch[i] != want {
			t.Errorf("cell %d = %v, want %v", i, h.Patch[i], want)
		}
	}
	if r, want := h.Rect(0, 0), (wsi.Rect{X: 75, Y: 0, W: 50, H: 200}); r != want {
		t.Errorf("cell 0 lies at %v, want %v", r, want)
	}
}

// By hand: reach 8 for the centre, 2 for sides, 1 for corners; a voice of 0 or 1
// counts twice, one of ½ once.
func TestItLetsSureNeighboursOutvoteACell(t *testing.T) {
	t.Parallel()
	g, probs := draw("000", "090", "000")
	probs[0] = 0.5
	h, err := aggregate.NewHeatmap(g, probs)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]float64{
		4: (8*2*1 + 1*1*0.5) / (8*2 + 4*2*2 + 3*1*2 + 1*1),
		0: (8*1*0.5 + 1*2*1) / (8*1 + 2*2*2 + 1*2),
		8: (1 * 2 * 1) / float64(8*2+2*2*2+1*2),
	} {
		if got := float64(h.Vote[i]); math.Abs(got-want) > 1e-6 {
			t.Errorf("vote of cell %d = %v, want %v", i, got, want)
		}
	}
}

func TestItCutsCellsOffAtTheSlidesEdge(t *testing.T) {
	t.Parallel()
	g, probs := draw("99", "99")
	g.Slide = wsi.Size{W: 300, H: 200} // the second column sticks out, the second row lies outside
	a := answer(t, g, probs, aggregate.DefaultConfig())
	if len(a.Lesions) != 1 {
		t.Fatalf("%d lesions, want 1", len(a.Lesions))
	}
	l := a.Lesions[0]
	if want := (wsi.Rect{W: 300, H: 200}); l.Bounds != want || l.Outline[0].Area() != 300*200 {
		t.Errorf("bounds %v, area %v px, want %v and 60000", l.Bounds, l.Outline[0].Area(), want)
	}
	if math.Abs(l.AreaMM2-0.015) > 1e-12 {
		t.Errorf("area %v mm², want 0.015", l.AreaMM2)
	}
}

func TestItNeverLowersAVoteForAHigherProbability(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		g, probs := random(rng, 1)
		for i := range probs { // where a weighted mean loses its monotony first: undecided among sure
			probs[i] = []float32{0.45, 0.5, 1, 1, 1, 1, 1, 1}[rng.IntN(8)]
		}
		before, err := aggregate.NewHeatmap(g, probs)
		if err != nil {
			t.Fatal(err)
		}
		i := rng.IntN(len(probs))
		probs[i] = min(probs[i]+0.05, 1)
		after, err := aggregate.NewHeatmap(g, probs)
		if err != nil {
			t.Fatal(err)
		}
		for k := range before.Vote {
			if after.Vote[k] < before.Vote[k]-1e-6 {
				t.Fatalf("raising patch %d to %v lowers the vote of cell %d from %v to %v", i, probs[i], k, before.Vote[k], after.Vote[k])
			}
		}
	}
}
