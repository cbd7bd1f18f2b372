package patch

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"bcc/wsi"
)

// rescue adds to cells what those pieces of tissue need of which less than half
// is seen, and returns all in grid order. A mask pixel is seen when its centre
// lies under a chosen patch.
func rescue(g *wsi.Grid, mask *wsi.Mask, cells []wsi.Cell, fraction func(col, row int) float64) []wsi.Cell {
	v := view{
		width: mask.W, marks: make([]byte, mask.W*mask.H),
		cols: centres(g.Cols, g.Stride.W, g.Patch.W, mask.ScaleX, mask.W),
		rows: centres(g.Rows, g.Stride.H, g.Patch.H, mask.ScaleY, mask.H),
	}
	for _, c := range cells {
		v.see(c.Col, c.Row)
	}
	chosen := len(cells)
	for _, p := range wsi.Pieces(mask.Bits, mask.Size, 1, true) {
		seen := v.take(p)
		if 2*seen < p.Pixels {
			for _, at := range v.best(p) {
				n := v.see(at.col, at.row)
				if n == 0 {
					continue // chosen before, or nothing new
				}
				cells = append(cells, wsi.Cell{Col: at.col, Row: at.row, Tissue: float32(fraction(at.col, at.row))})
				if seen += n; 2*seen >= p.Pixels {
					break
				}
			}
		}
		v.drop(p)
	}
	if len(cells) > chosen {
		slices.SortFunc(cells, func(a, b wsi.Cell) int { return cmp.Or(a.Row-b.Row, a.Col-b.Col) })
	}
	return cells
}

// view says which mask pixels are seen, and which belong to the piece at hand.
type view struct {
	width      int
	marks      []byte // seenMark and mineMark, for each mask pixel
	cols, rows []span // mask pixels whose centres lie under each column and row of the grid
}

const (
	seenMark = 1 << iota
	mineMark // of the piece at hand
)

type span struct{ from, to int }

// centres returns, for n patches stride apart, the mask pixels of scale level-0
// pixels, at most limit, whose centres each covers in one direction.
func centres(n, stride, patch int, scale float64, limit int) []span {
	s := make([]span, n)
	edge := func(v int) int { return min(int(math.Ceil(float64(v)/scale-0.5)), limit) }
	for i := range s {
		s[i] = span{max(edge(i*stride), 0), edge(i*stride + patch)}
	}
	return s
}

// see marks what lies under the patch at (col, row) and returns how much of that
// belongs to the piece at hand and was not seen before.
func (v *view) see(col, row int) int {
	n := 0
	x, y := v.cols[col], v.rows[row]
	for j := y.from; j < y.to; j++ {
		line := v.marks[j*v.width+x.from : j*v.width+x.to]
		for i, m := range line {
			if m == mineMark {
				n++
			}
			line[i] = m | seenMark
		}
	}
	return n
}

// take makes p the piece at hand and returns how many of its pixels are seen.
func (v *view) take(p wsi.Piece) int {
	n := 0
	for _, r := range p.Runs {
		line := v.marks[int(r.Y)*v.width+int(r.X0) : int(r.Y)*v.width+int(r.X1)]
		for i, m := range line {
			n += int(m & seenMark)
			line[i] = m | mineMark
		}
	}
	return n
}

// drop ends what take began.
func (v *view) drop(p wsi.Piece) {
	for _, r := range p.Runs {
		line := v.marks[int(r.Y)*v.width+int(r.X0) : int(r.Y)*v.width+int(r.X1)]
		for i := range line {
			line[i] &^= mineMark
		}
	}
}

type place struct{ col, row int }

// best returns the places of the grid that hold a part of p, the largest part
// first, in grid order where parts are equal.
func (v *view) best(p wsi.Piece) []place {
	held := make(map[place]int) // pixels of p
	for _, r := range p.Runs {
		y, x0, x1 := int(r.Y), int(r.X0), int(r.X1)
		row := sort.Search(len(v.rows), func(i int) bool { return v.rows[i].to > y })
		for ; row < len(v.rows) && v.rows[row].from <= y; row++ {
			col := sort.Search(len(v.cols), func(i int) bool { return v.cols[i].to > x0 })
			for ; col < len(v.cols) && v.cols[col].from < x1; col++ {
				held[place{col, row}] += min(x1, v.cols[col].to) - max(x0, v.cols[col].from)
			}
		}
	}
	all := make([]place, 0, len(held))
	for at := range held {
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(held[b]-held[a], a.row-b.row, a.col-b.col)
	})
	return all
}
