package detect

import (
	"math/rand/v2"
	"slices"
	"testing"

	"bcc/wsi"
)

// scattered is a grid of which about share of the places are planned.
func scattered(r *rand.Rand, cols, rows int, share float64) *wsi.Grid {
	g := &wsi.Grid{Cols: cols, Rows: rows, Stride: wsi.Size{W: 1, H: 1}, Patch: wsi.Size{W: 1, H: 1}}
	for row := range rows {
		for col := range cols {
			if r.Float64() < share {
				g.Cells = append(g.Cells, wsi.Cell{Col: col, Row: row})
			}
		}
	}
	return g
}

func TestTheFirstPassComesBesideEveryPatch(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, share := range []float64{0, 0.1, 0.5, 0.9, 1} {
		g := scattered(r, 1+r.IntN(40), 1+r.IntN(40), share)
		f := newField(g)
		first := f.first()
		if !slices.IsSorted(first) || len(first) != f.n {
			t.Fatalf("share %v: %d patches, %d counted, or not in grid order", share, len(first), f.n)
		}
		in := map[wsi.Cell]bool{}
		for _, i := range first {
			in[g.Cells[i]] = true
		}
		for _, c := range g.Cells {
			if !in[c] && !in[wsi.Cell{Col: c.Col - 1, Row: c.Row}] && !in[wsi.Cell{Col: c.Col + 1, Row: c.Row}] &&
				!in[wsi.Cell{Col: c.Col, Row: c.Row - 1}] && !in[wsi.Cell{Col: c.Col, Row: c.Row + 1}] {
				t.Fatalf("share %v: nothing at or beside %+v", share, c)
			}
		}
	}
	g := scattered(r, 100, 100, 2)
	if n := len(newField(g).first()); n > 2100 { // a fifth, and some of the edge
		t.Errorf("%d of 10000 patches in the first pass", n)
	}
}

func TestTheNextRoundIsAllAroundTheSuspicious(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	g := scattered(r, 30, 20, 0.8)
	bad := func(i int) bool {
		return g.Cells[i].Col >= 7 && g.Cells[i].Col < 15 && g.Cells[i].Row >= 5 && g.Cells[i].Row < 9
	}
	f := newField(g)
	seen := make([]int, g.Len())
	rounds := 0
	for round := f.first(); len(round) > 0; round = f.next(round, bad) {
		for _, i := range round {
			seen[i]++
		}
		rounds++
	}
	for i, c := range g.Cells {
		if seen[i] > 1 {
			t.Errorf("%+v was scored %d times", c, seen[i])
		}
		if seen[i] > 0 {
			continue
		}
		for k, o := range g.Cells { // the suspicious block is one piece, so all of it was met
			if bad(k) && max(o.Col-c.Col, c.Col-o.Col) <= around && max(o.Row-c.Row, c.Row-o.Row) <= around {
				t.Errorf("%+v was not scored, %+v beside it is suspicious", c, o)
			}
		}
	}
	if f.n >= g.Len() || rounds < 2 {
		t.Errorf("%d of %d patches in %d rounds", f.n, g.Len(), rounds)
	}
}
