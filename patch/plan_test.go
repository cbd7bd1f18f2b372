package patch_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bcc/fault"
	"bcc/patch"
	"bcc/wsi"
)

func plan(t *testing.T, level0 wsi.Size, mpp wsi.MPP, mask *wsi.Mask, cfg patch.Config) *wsi.Grid {
	t.Helper()
	g, err := patch.Plan(level0, mpp, mask, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// full is a mask that is all tissue, of pixels of scale level-0 pixels.
func full(level0 wsi.Size, scale float64) *wsi.Mask {
	m := empty(level0, scale, scale)
	for i := range m.Bits {
		m.Bits[i] = 1
	}
	return m
}

func empty(level0 wsi.Size, scaleX, scaleY float64) *wsi.Mask {
	w, h := int(math.Ceil(float64(level0.W)/scaleX)), int(math.Ceil(float64(level0.H)/scaleY))
	return &wsi.Mask{Size: wsi.Size{W: w, H: h}, ScaleX: scaleX, ScaleY: scaleY, Bits: make([]byte, w*h)}
}

func square(um float64) wsi.MPP { return wsi.MPP{X: um, Y: um} }

func TestItTurnsTheModelsScaleIntoWholePixels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size          int
		model         float64
		slide         wsi.MPP
		overlap       float64
		patch, stride wsi.Size
	}{
		{224, 0.5, square(0.5), 0, wsi.Size{W: 224, H: 224}, wsi.Size{W: 224, H: 224}},
		{224, 0.5, square(0.25), 0, wsi.Size{W: 448, H: 448}, wsi.Size{W: 448, H: 448}},
		{224, 0.5, square(0.499), 0.5, wsi.Size{W: 224, H: 224}, wsi.Size{W: 112, H: 112}},
		{224, 0.5, square(0.48507), 0, wsi.Size{W: 231, H: 231}, wsi.Size{W: 231, H: 231}},
		{224, 0.5, square(0.5266), 0.75, wsi.Size{W: 213, H: 213}, wsi.Size{W: 53, H: 53}},
		{224, 0.5, wsi.MPP{X: 0.5, Y: 0.25}, 0.25, wsi.Size{W: 224, H: 448}, wsi.Size{W: 168, H: 336}},
		{1, 0.5, square(50), 0.75, wsi.Size{W: 1, H: 1}, wsi.Size{W: 1, H: 1}},
	} {
		cfg := patch.DefaultConfig(c.size, c.model)
		cfg.Overlap = c.overlap
		g := plan(t, wsi.Size{W: 1500, H: 1400}, c.slide, full(wsi.Size{W: 1500, H: 1400}, 10), cfg)
		if g.Patch != c.patch || g.Stride != c.stride {
			t.Errorf("%d px of %v µm at %v, overlap %v: patch %v every %v, want %v every %v",
				c.size, c.model, c.slide, c.overlap, g.Patch, g.Stride, c.patch, c.stride)
		}
	}
}

func TestItCoversTheSlideAndNotARowMore(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		level0 := wsi.Size{W: 1 + rng.IntN(900), H: 1 + rng.IntN(900)}
		cfg := patch.DefaultConfig(1+rng.IntN(64), 1)
		cfg.Overlap = []float64{0, 0.25, 0.3, 0.5, 0.75}[rng.IntN(5)]
		cfg.MinTissue = 0
		g := plan(t, level0, square(0.5+rng.Float64()), full(level0, 3.7), cfg)
		if g.Len() != g.Cols*g.Rows {
			t.Fatalf("%d of %d×%d patches of a slide that is all tissue", g.Len(), g.Cols, g.Rows)
		}
		last := g.Rect(g.Len() - 1)
		if last.X+last.W < level0.W || last.Y+last.H < level0.H {
			t.Fatalf("slide %v: the last patch is %v", level0, last)
		}
		if g.Cols > 1 && last.X-g.Stride.W+last.W >= level0.W || g.Rows > 1 && last.Y-g.Stride.H+last.H >= level0.H {
			t.Fatalf("slide %v: a row or column too many, the last patch is %v", level0, last)
		}
	}
}

func TestItKnowsTheTissueUnderEachPatchExactly(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 2))
	for range 60 {
		level0 := wsi.Size{W: 50 + rng.IntN(200), H: 50 + rng.IntN(200)}
		mask := empty(level0, 1+rng.Float64()*30, 1+rng.Float64()*30) // pixels cut by patches, uneven
		for i := range mask.Bits {
			mask.Bits[i] = byte(rng.IntN(2))
		}
		cfg := patch.DefaultConfig(20+rng.IntN(30), 1)
		cfg.Overlap, cfg.MinTissue = 0.5*rng.Float64(), 0
		g := plan(t, level0, square(1), mask, cfg)
		for i, c := range g.Cells {
			if want := fraction(g.Rect(i), level0, mask); math.Abs(float64(c.Tissue)-want) > 1e-6 {
				t.Fatalf("patch %v holds %v tissue, want %v", g.Rect(i), c.Tissue, want)
			}
		}
	}
}

// fraction adds up what r shares with each mask pixel.
func fraction(r wsi.Rect, level0 wsi.Size, m *wsi.Mask) float64 {
	inside := r.Intersect(wsi.Rect{W: level0.W, H: level0.H})
	var sum float64
	for y := range m.H {
		for x := range m.W {
			if m.Bits[y*m.W+x] == 0 {
				continue
			}
			w := math.Min(float64(x+1)*m.ScaleX, float64(inside.X+inside.W)) - math.Max(float64(x)*m.ScaleX, float64(inside.X))
			h := math.Min(float64(y+1)*m.ScaleY, float64(inside.Y+inside.H)) - math.Max(float64(y)*m.ScaleY, float64(inside.Y))
			if w > 0 && h > 0 {
				sum += w * h
			}
		}
	}
	return sum / float64(r.W*r.H)
}

func TestItKeepsPatchesWithEnoughTissue(t *testing.T) {
	t.Parallel()
	// Four patches of 100 pixels in a row; the last reaches 60 pixels beyond the slide.
	level0 := wsi.Size{W: 340, H: 100}
	mask := empty(level0, 10, 10)
	for y := range 10 {
		for x := range 34 {
			if x < 5 || x == 10 || x >= 20 { // half, a tenth, whole, and all there is
				mask.Bits[y*mask.W+x] = 1
			}
		}
	}
	for _, c := range []struct {
		min  float64
		want []int
	}{
		{0, []int{0, 1, 2, 3}}, {0.1, []int{0, 1, 2, 3}}, {0.4, []int{0, 1, 2, 3}}, // column 1 is a piece of its own: see below
		{0.5, []int{0, 1, 2}}, {0.51, []int{0, 1, 2}}, {1, []int{0, 1, 2}},
	} {
		cfg := patch.DefaultConfig(100, 1)
		cfg.MinTissue = c.min
		var got []int
		for _, cell := range plan(t, level0, square(1), mask, cfg).Cells {
			got = append(got, cell.Col)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("minimum %v: columns %v, want %v", c.min, got, c.want)
		}
	}
	if g := plan(t, level0, square(1), empty(level0, 10, 10), patch.Config{SizePx: 100, MPP: 1}); g.Len() != 0 {
		t.Errorf("%d patches without tissue", g.Len())
	}
}

func TestItNeverLosesAPieceOfTissue(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 4000, H: 3000}
	for name, shape := range map[string]func(x, y int) bool{
		"a core thinner than a patch": func(x, y int) bool { return y > 110 && y < 118 && x > 20 && x < 350 },
		"a core on the diagonal":      func(x, y int) bool { d := x - y; return d > 0 && d < 6 && x < 280 },
		"crumbs where patches meet":   func(x, y int) bool { return (x+4)%45 < 8 && (y+4)%45 < 8 },
		"a crumb on a corner below a core": func(x, y int) bool { // the core's unseen end must not count as crumb
			return x < 268 && y > 2 && y < 5 || x > 221 && x < 226 && y > 19 && y < 24
		},
		"one speck":                    func(x, y int) bool { return x == 222 && y == 111 },
		"a crumb beside a large piece": func(x, y int) bool { return x < 200 && y < 200 || x > 203 && x < 210 && y < 6 },
	} {
		mask := empty(level0, 10, 10)
		for y := range mask.H {
			for x := range mask.W {
				if shape(x, y) {
					mask.Bits[y*mask.W+x] = 1
				}
			}
		}
		for _, minTissue := range []float64{0, 0.5, 1} {
			for _, overlap := range []float64{0, 0.5} {
				cfg := patch.DefaultConfig(224, 1)
				cfg.MinTissue, cfg.Overlap = minTissue, overlap
				g := plan(t, level0, square(1), mask, cfg)
				if !slices.IsSortedFunc(g.Cells, func(a, b wsi.Cell) int { return (a.Row-b.Row)*g.Cols + a.Col - b.Col }) {
					t.Errorf("%s: not in grid order", name)
				}
				seen := make([]bool, len(mask.Bits))
				for i := range g.Cells {
					r := g.Rect(i)
					if i > 0 && r == g.Rect(i-1) {
						t.Errorf("%s: patch %v twice", name, r)
					}
					if g.Cells[i].Tissue <= 0 {
						t.Errorf("%s: patch %v has no tissue", name, r)
					}
					for y := range mask.H {
						for x := range mask.W {
							if cx, cy := 10*x+5, 10*y+5; cx >= r.X && cx < r.X+r.W && cy >= r.Y && cy < r.Y+r.H {
								seen[y*mask.W+x] = true
							}
						}
					}
				}
				for _, p := range wsi.Pieces(mask.Bits, mask.Size, 1, true) {
					n := 0
					for _, run := range p.Runs {
						for x := run.X0; x < run.X1; x++ {
							if seen[int(run.Y)*mask.W+int(x)] {
								n++
							}
						}
					}
					if 2*n < p.Pixels {
						t.Errorf("%s, minimum %v, overlap %v: %d of %d pixels of the piece in %v are seen", name, minTissue, overlap, n, p.Pixels, p.Bounds)
					}
				}
			}
		}
	}
}

func TestItTakesThePatchThatHoldsMostOfASmallPiece(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 1000, H: 1000}
	mask := empty(level0, 10, 10)
	for x := 38; x < 47; x++ { // 2 mask pixels in column 3, 7 in column 4
		mask.Bits[25*mask.W+x] = 1
	}
	g := plan(t, level0, square(1), mask, patch.DefaultConfig(100, 1))
	if g.Len() != 1 || g.Cells[0].Col != 4 || g.Cells[0].Row != 2 {
		t.Errorf("cells %+v, want column 4 of row 2 alone", g.Cells)
	}
}

func TestItRefusesPlansThatMakeNoSense(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 1000, H: 1000}
	good := func() (wsi.Size, wsi.MPP, *wsi.Mask, patch.Config) {
		return level0, square(1), full(level0, 100), patch.DefaultConfig(10, 1)
	}
	for name, spoil := range map[string]func(*wsi.Size, *wsi.MPP, **wsi.Mask, *patch.Config){
		"no slide":          func(s *wsi.Size, _ *wsi.MPP, _ **wsi.Mask, _ *patch.Config) { s.W = 0 },
		"no mpp":            func(_ *wsi.Size, m *wsi.MPP, _ **wsi.Mask, _ *patch.Config) { m.Y = math.NaN() },
		"no mask":           func(_ *wsi.Size, _ *wsi.MPP, m **wsi.Mask, _ *patch.Config) { *m = nil },
		"short mask":        func(_ *wsi.Size, _ *wsi.MPP, m **wsi.Mask, _ *patch.Config) { (*m).Bits = (*m).Bits[1:] },
		"mask scale 0":      func(_ *wsi.Size, _ *wsi.MPP, m **wsi.Mask, _ *patch.Config) { (*m).ScaleX = 0 },
		"mask scale Inf":    func(_ *wsi.Size, _ *wsi.MPP, m **wsi.Mask, _ *patch.Config) { (*m).ScaleY = math.Inf(1) },
		"no patch size":     func(_ *wsi.Size, _ *wsi.MPP, _ **wsi.Mask, c *patch.Config) { c.SizePx = 0 },
		"overlap 0.76":      func(_ *wsi.Size, _ *wsi.MPP, _ **wsi.Mask, c *patch.Config) { c.Overlap = 0.76 },
		"overlap NaN":       func(_ *wsi.Size, _ *wsi.MPP, _ **wsi.Mask, c *patch.Config) { c.Overlap = math.NaN() },
		"tissue 1.1":        func(_ *wsi.Size, _ *wsi.MPP, _ **wsi.Mask, c *patch.Config) { c.MinTissue = 1.1 },
		"negative prefetch": func(_ *wsi.Size, _ *wsi.MPP, _ **wsi.Mask, c *patch.Config) { c.Prefetch = -1 },
		"too many cells":    func(_ *wsi.Size, _ *wsi.MPP, _ **wsi.Mask, c *patch.Config) { c.MaxCells = 9999 },
	} {
		s, m, mask, cfg := good()
		spoil(&s, &m, &mask, &cfg)
		if _, err := patch.Plan(s, m, mask, cfg); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s, m, mask, cfg := good(); plan(t, s, m, mask, cfg).Len() != 10000 {
		t.Error("the plan they are all made from is not as it should be")
	}
}

func TestItNamesEveryProblemOfAConfigurationAtOnce(t *testing.T) {
	t.Parallel()
	err := patch.Config{SizePx: -1, MPP: -1, Overlap: -1, MinTissue: -1}.Validate()
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 4 {
		t.Errorf("not four problems: %v", err)
	}
}

func BenchmarkPlan(b *testing.B) {
	level0 := wsi.Size{W: 40000, H: 40000}
	mask := empty(level0, 16, 16) // 8 µm per mask pixel at 0.5 µm/px
	for y := range mask.H {
		for x := range mask.W {
			if math.Hypot(float64(x-1250), float64(y-1250)) < 1000 && (x/40+y/40)%7 != 0 {
				mask.Bits[y*mask.W+x] = 1
			}
		}
	}
	for _, overlap := range []float64{0, 0.75} {
		b.Run(map[float64]string{0: "overlap=0", 0.75: "overlap=0.75"}[overlap], func(b *testing.B) {
			cfg := patch.DefaultConfig(224, 0.5)
			cfg.Overlap = overlap
			for b.Loop() {
				if _, err := patch.Plan(level0, square(0.5), mask, cfg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
