package deepzoom_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"testing"

	"bcc/aggregate"
	"bcc/deepzoom"
	"bcc/fault"
	"bcc/wsi"
)

// grey says a value in red, and in blue that there is one.
func grey(p float64) color.NRGBA {
	return color.NRGBA{uint8(math.Round(254 * p)), 0, 255, 200}
}

var none = float32(math.NaN())

// cellsOf makes cells of side level-0 pixels out of digits (ninths) and dots (none).
func cellsOf(x, y, side int, rows ...string) deepzoom.Cells {
	c := deepzoom.Cells{Cols: len(rows[0]), Rows: len(rows)}
	c.Bounds = wsi.Rect{X: x, Y: y, W: c.Cols * side, H: c.Rows * side}
	for _, row := range rows {
		for _, d := range row {
			v := none
			if d != '.' {
				v = float32(d-'0') / 9
			}
			c.Values = append(c.Values, v)
		}
	}
	return c
}

func newHeat(t *testing.T, g deepzoom.Geometry, c deepzoom.Cells) *deepzoom.Heat {
	t.Helper()
	h, err := deepzoom.NewHeat(g, c, grey)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// level puts the tiles of a level together.
func level(t *testing.T, h *deepzoom.Heat, n int, threshold float64) *image.NRGBA {
	t.Helper()
	size := h.Level(n)
	out := image.NewNRGBA(image.Rect(0, 0, size.W, size.H))
	for y := 0; y*h.TilePx < size.H; y++ {
		for x := 0; x*h.TilePx < size.W; x++ {
			at, err := h.Rect(n, x, y)
			if err != nil {
				t.Fatal(err)
			}
			b, err := h.Tile(n, x, y, threshold)
			if err != nil {
				t.Fatal(err)
			}
			m, err := png.Decode(bytes.NewReader(b))
			if err != nil || m.Bounds().Dx() != at.W || m.Bounds().Dy() != at.H {
				t.Fatalf("tile (%d,%d) of level %d is %v, want %v: %v", x, y, n, m.Bounds(), at, err)
			}
			p := m.(*image.Paletted)
			var colours []color.NRGBA
			for _, c := range p.Palette {
				colours = append(colours, color.NRGBAModel.Convert(c).(color.NRGBA))
			}
			for j := range at.H {
				for i := range at.W {
					c := colours[p.Pix[j*p.Stride+i]]
					if old := out.NRGBAAt(at.X+i, at.Y+j); old != (color.NRGBA{}) && old != c {
						t.Fatalf("level %d: pixel (%d,%d) is %v in one tile and %v in another", n, at.X+i, at.Y+j, old, c)
					}
					out.SetNRGBA(at.X+i, at.Y+j, c)
				}
			}
		}
	}
	return out
}

func TestACellsMiddleIsInItsPlaceAtEveryLevel(t *testing.T) {
	t.Parallel()
	size := wsi.Size{W: 630, H: 501}
	for _, side := range []int{28, 51} {
		for _, cell := range []image.Point{{1, 1}, {3, 2}, {6, 7}} {
			c := deepzoom.Cells{Cols: 9, Rows: 9, Bounds: wsi.Rect{X: 13, Y: 5, W: 9 * side, H: 9 * side}, Values: make([]float32, 81)}
			c.Values[cell.Y*9+cell.X] = 1
			h := newHeat(t, deepzoom.NewGeometry(size, 100, 1), c)
			x, y := 13+(float64(cell.X)+0.5)*float64(side), 5+(float64(cell.Y)+0.5)*float64(side)
			for n := range h.Levels() {
				m := level(t, h, n, 0.95)
				down := float64(h.Down(n))
				var sum, sx, sy float64
				for j := range m.Rect.Dy() {
					for i := range m.Rect.Dx() {
						if m.NRGBAAt(i, j).A > 0 {
							sum, sx, sy = sum+1, sx+float64(i)+0.5, sy+float64(j)+0.5
						}
					}
				}
				if sum == 0 {
					t.Errorf("cells of %d, level of 1/%v: the peak is not to be seen", side, down)
					continue
				}
				if dx, dy := sx/sum-x/down, sy/sum-y/down; math.Abs(dx) > 0.5 || math.Abs(dy) > 0.5 {
					t.Errorf("cells of %d, level of 1/%v: the peak of %v is off by (%.2f, %.2f) pixels", side, down, cell, dx, dy)
				}
			}
		}
	}
}

func TestNothingSpreadsOverWhatWasNotLookedAt(t *testing.T) {
	t.Parallel()
	const side = 64
	c := cellsOf(32, 0, side,
		"....",
		".99.",
		".9..",
		"...9")
	size := wsi.Size{W: 32 + 4*side, H: 4 * side}
	h := newHeat(t, deepzoom.NewGeometry(size, 64, 1), c)
	for n := h.Levels() - 1; h.Down(n) <= 16; n-- { // cells are whole pixels here
		m, down := level(t, h, n, 0), h.Down(n)
		for j := range m.Rect.Dy() {
			for i := range m.Rect.Dx() {
				want := false
				if x := i*down - 32; x >= 0 {
					v := c.Values[j*down/side*c.Cols+x/side]
					want = v == v
				}
				if got := m.NRGBAAt(i, j); (got.A > 0) != want || want && got != grey(1) {
					t.Fatalf("level of 1/%d, pixel (%d,%d): %v, has a value: %v", down, i, j, got, want)
				}
			}
		}
	}
}

func TestItIsSmoothBetweenMiddles(t *testing.T) {
	t.Parallel()
	const side = 100
	h := newHeat(t, deepzoom.NewGeometry(wsi.Size{W: 300, H: 200}, 128, 0), cellsOf(0, 0, side, "090", "090"))
	m := level(t, h, h.Levels()-1, 0)
	for i := range 300 {
		x := float64(i) + 0.5
		want := 1 - min(math.Abs(x-150)/side, 1)
		if got := float64(m.NRGBAAt(i, 100).R) / 254; math.Abs(got-want) > 0.006 {
			t.Fatalf("pixel %d: %.3f, want %.3f", i, got, want)
		}
	}
}

func TestWhatIsBelowTheThresholdIsNotShown(t *testing.T) {
	t.Parallel()
	const side = 100
	h := newHeat(t, deepzoom.NewGeometry(wsi.Size{W: 300, H: 100}, 256, 0), cellsOf(0, 0, side, "090"))
	for _, threshold := range []float64{0, 0.25, 0.5, 1, 1.1} {
		m := level(t, h, h.Levels()-1, threshold)
		for i := range 300 {
			v := 1 - min(math.Abs(float64(i)+0.5-150)/side, 1)
			if i == 149 || i == 150 {
				v = 1 // the middle lies on their edge, and shows at one of them
				if threshold == 1 {
					continue
				}
			}
			if shown := m.NRGBAAt(i, 50).A > 0; shown != (v >= threshold) {
				t.Fatalf("threshold %v, pixel %d of %.3f: shown %v", threshold, i, v, shown)
			}
		}
	}
}

func TestAHeatMapOfNothingIsTransparent(t *testing.T) {
	t.Parallel()
	h := newHeat(t, deepzoom.NewGeometry(wsi.Size{W: 300, H: 100}, 256, 0), deepzoom.Cells{})
	for n := range h.Levels() {
		for _, v := range level(t, h, n, 0).Pix {
			if v != 0 {
				t.Fatal("something is shown")
			}
		}
	}
	if _, err := h.Tile(0, 0, 1, 0); fault.Of(err) != fault.NotFound {
		t.Errorf("outside: %v", err)
	}
	if !bytes.Contains(h.DZI(), []byte(`Format="png"`)) {
		t.Errorf("%s", h.DZI())
	}
}

func TestItRefusesCellsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]deepzoom.Cells{
		"too few values": {Cols: 2, Rows: 2, Bounds: wsi.Rect{W: 2, H: 2}, Values: make([]float32, 3)},
		"no extent":      {Cols: 2, Rows: 1, Values: make([]float32, 2)},
		"minus":          {Cols: -1, Rows: -2, Bounds: wsi.Rect{W: 2, H: 2}, Values: make([]float32, 2)},
	} {
		if _, err := deepzoom.NewHeat(deepzoom.NewGeometry(wsi.Size{W: 10, H: 10}, 256, 0), c, grey); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

// The heat map of package aggregate lies over the slide as its lesions do, with and
// without overlap.
func TestALesionIsShownWhereItIs(t *testing.T) {
	t.Parallel()
	for _, overlap := range []float64{0, 0.5, 0.75} {
		g := wsi.Lay(wsi.Size{W: 1000, H: 850}, wsi.MPP{X: 1, Y: 1}, wsi.Size{W: 100, H: 100}, overlap)
		var probs []float32
		for row := range g.Rows {
			for col := range g.Cols {
				g.Cells = append(g.Cells, wsi.Cell{Col: col, Row: row})
				at, p := g.CellRect(col, row), float32(0)
				if x, y := at.X+at.W/2-500, at.Y+at.H/2-350; x*x+y*y < 200*200 {
					p = 1
				}
				probs = append(probs, p)
			}
		}
		a, err := aggregate.Slide(g, probs, aggregate.DefaultConfig())
		if err != nil || len(a.Lesions) != 1 {
			t.Fatalf("%d lesions: %v", len(a.Lesions), err)
		}
		m := a.Heatmap
		h := newHeat(t, deepzoom.NewGeometry(g.Slide, 256, 1), deepzoom.Cells{Bounds: m.Bounds(), Cols: m.Cols, Rows: m.Rows, Values: m.Vote})
		for n := h.Levels() - 1; h.Down(n) <= 32; n-- {
			p, down := level(t, h, n, 0.5), h.Down(n)
			var shown wsi.Rect
			for j := range p.Rect.Dy() {
				for i := range p.Rect.Dx() {
					if p.NRGBAAt(i, j).A > 0 {
						shown = shown.Union(wsi.Rect{X: i * down, Y: j * down, W: down, H: down})
					}
				}
			}
			// The outline runs along cells, what is shown ends between the middles of the
			// cells on both sides: half a cell away at most, and a pixel.
			far, want := g.Stride.W/2+down, a.Lesions[0].Bounds
			for i, d := range []int{shown.X - want.X, shown.Y - want.Y, want.X + want.W - shown.X - shown.W, want.Y + want.H - shown.Y - shown.H} {
				if d < -far || d > far {
					t.Errorf("overlap %v, level of 1/%d: shown %v, the lesion is %v (side %d)", overlap, down, shown, want, i)
				}
			}
		}
	}
}
