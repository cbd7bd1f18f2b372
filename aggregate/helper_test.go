package aggregate_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"bcc/aggregate"
	"bcc/wsi"
)

// draw makes a grid and its probabilities from a picture: a digit d is a patch
// of probability d/9, a dot a place where none was planned. A patch is 200 px at
// 0.5 µm/px: 0.01 mm².
func draw(rows ...string) (*wsi.Grid, []float32) {
	g := &wsi.Grid{
		Slide: wsi.Size{W: 200 * len(rows[0]), H: 200 * len(rows)}, MPP: wsi.MPP{X: 0.5, Y: 0.5},
		Patch: wsi.Size{W: 200, H: 200}, Stride: wsi.Size{W: 200, H: 200},
		Cols: len(rows[0]), Rows: len(rows),
	}
	var probs []float32
	for y, row := range rows {
		for x, c := range row {
			if c != '.' {
				g.Cells = append(g.Cells, wsi.Cell{Col: x, Row: y, Tissue: 1})
				probs = append(probs, float32(c-'0')/9)
			}
		}
	}
	return g, probs
}

// random makes a grid with holes whose stride is 1/n of the patch, and probabilities.
func random(rng *rand.Rand, n int) (*wsi.Grid, []float32) {
	g := &wsi.Grid{
		MPP: wsi.MPP{X: 0.5, Y: 0.5}, Patch: wsi.Size{W: 200, H: 200}, Stride: wsi.Size{W: 200 / n, H: 200 / n},
		Cols: 3 + rng.IntN(20), Rows: 3 + rng.IntN(20),
	}
	// The last patches reach beyond the slide.
	g.Slide = wsi.Size{W: g.Cols*g.Stride.W - 30 + 200 - g.Stride.W, H: g.Rows*g.Stride.H - 50 + 200 - g.Stride.H}
	var probs []float32
	for y := range g.Rows {
		for x := range g.Cols {
			if rng.IntN(8) > 0 {
				g.Cells = append(g.Cells, wsi.Cell{Col: x, Row: y, Tissue: 1})
				probs = append(probs, float32(rng.IntN(1001))/1000)
			}
		}
	}
	return g, probs
}

func answer(t *testing.T, g *wsi.Grid, probs []float32, cfg aggregate.Config) *aggregate.Answer {
	t.Helper()
	a, err := aggregate.Slide(g, probs, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// picture shows which cells lie inside the polygons, by the even-odd rule at
// their centres: another way than the one that traced them.
func picture(g *wsi.Grid, lesions []aggregate.Lesion) string {
	var b strings.Builder
	for y := range g.Rows {
		for x := range g.Cols {
			r := g.CellRect(x, y)
			inside := false
			for _, l := range lesions {
				for _, p := range l.Outline {
					inside = inside != evenOdd(p, r.X+r.W/2, r.Y+r.H/4)
				}
			}
			b.WriteByte(".#"[btoi(inside)])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func evenOdd(p aggregate.Polygon, x, y int) bool {
	inside := false
	for _, ring := range p {
		for i := 1; i < len(ring); i++ {
			a, b := ring[i-1], ring[i]
			if a.X == b.X && a.X > x && (a.Y > y) != (b.Y > y) {
				inside = !inside
			}
		}
	}
	return inside
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
