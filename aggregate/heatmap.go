package aggregate

import (
	"fmt"
	"math"

	"bcc/fault"
	"bcc/wsi"
)

// maxCells bounds the memory of a heat map (two float32 a cell): a slide of
// 200,000² pixels at a stride of 28 pixels.
const maxCells = 1 << 26

// Heatmap holds one value a cell of the stride grid, row by row. Cells tile the
// slide without overlap: see wsi.Grid.CellRect.
type Heatmap struct {
	Cols, Rows int
	// Patch is the probability before the vote: the mean over the planned patches
	// that cover the cell, weighted by the area they cover of it; without overlap
	// that is the patch's own probability. NaN where no patch was planned.
	Patch []float32
	// Vote is Patch after the confidence-weighted 3×3 vote. NaN as in Patch.
	Vote []float32

	grid *wsi.Grid // for geometry only
}

// NewHeatmap spreads probs over the cells of g and takes the vote.
func NewHeatmap(g *wsi.Grid, probs []float32) (*Heatmap, error) {
	if len(probs) != g.Len() {
		return nil, fault.New(fault.Internal, "%d probabilities for %d patches", len(probs), g.Len())
	}
	if g.Len() > 0 && (g.Cols <= 0 || g.Rows <= 0 || g.Cols > maxCells/g.Rows ||
		g.Stride.W <= 0 || g.Stride.H <= 0 || g.Patch.W < g.Stride.W || g.Patch.H < g.Stride.H) {
		return nil, fault.New(fault.Internal, "grid of %dx%d patches of %v every %v", g.Cols, g.Rows, g.Patch, g.Stride)
	}
	h := &Heatmap{grid: g}
	if g.Len() == 0 {
		return h, nil
	}
	h.Cols, h.Rows = g.Cols, g.Rows
	own := h.empty()
	for i, c := range g.Cells {
		if c.Col < 0 || c.Row < 0 || c.Col >= g.Cols || c.Row >= g.Rows {
			return nil, fault.New(fault.Internal, "patch %d at column %d, row %d of a %dx%d grid", i, c.Col, c.Row, g.Cols, g.Rows)
		}
		p, err := probability(probs[i])
		if err != nil {
			return nil, fmt.Errorf("patch %d at %v: %w", i, g.Rect(i), err)
		}
		own[c.Row*g.Cols+c.Col] = p
	}
	h.Patch = h.spread(own)
	h.Vote = h.vote()
	return h, nil
}

// probability allows what rounding of float32 adds beyond 0 and 1, no more.
func probability(p float32) (float32, error) {
	const slack = 1e-5
	if !(p >= -slack && p <= 1+slack) { // true for NaN
		return 0, fault.New(fault.Corrupt, "the model gave %v, which is no probability", p)
	}
	return min(max(p, 0), 1), nil
}

// Rect returns the level-0 rectangle of the cell at (col, row), cut off at the
// slide's edge. It is empty where the cell lies wholly outside.
func (h *Heatmap) Rect(col, row int) wsi.Rect {
	return h.grid.CellRect(col, row).Intersect(wsi.Rect{W: h.grid.Slide.W, H: h.grid.Slide.H})
}

// Bounds returns the level-0 rectangle of all cells, not cut off at the slide's edge.
func (h *Heatmap) Bounds() wsi.Rect {
	if h.Cols == 0 {
		return wsi.Rect{}
	}
	r := h.grid.CellRect(0, 0)
	return wsi.Rect{X: r.X, Y: r.Y, W: h.Cols * r.W, H: h.Rows * r.H}
}

// Cell returns the extent of a cell, level-0 pixels.
func (h *Heatmap) Cell() wsi.Size { return h.grid.Stride }

// empty returns a value for each cell, all NaN.
func (h *Heatmap) empty() []float32 {
	v := make([]float32, h.Cols*h.Rows)
	for i := range v {
		v[i] = float32(math.NaN())
	}
	return v
}

// planned returns the number of cells with a value.
func (h *Heatmap) planned() int {
	n := 0
	for _, p := range h.Patch {
		if p == p {
			n++
		}
	}
	return n
}

// spread gives each planned cell the mean of the patches over it. A cell whose
// own patch was not planned, or that lies outside the slide, gets none: the heat
// map must not grow beyond the tissue.
func (h *Heatmap) spread(own []float32) []float32 {
	wx := cover(h.grid.Patch.W, h.grid.Stride.W)
	wy := cover(h.grid.Patch.H, h.grid.Stride.H)
	rx, ry := len(wx)/2, len(wy)/2
	out := h.empty()
	for _, c := range h.grid.Cells {
		if h.Rect(c.Col, c.Row).Empty() {
			continue
		}
		var sum, weight float64
		for y := max(c.Row-ry, 0); y <= min(c.Row+ry, h.Rows-1); y++ {
			for x := max(c.Col-rx, 0); x <= min(c.Col+rx, h.Cols-1); x++ {
				if p := own[y*h.Cols+x]; p == p {
					w := wx[x-c.Col+rx] * wy[y-c.Row+ry]
					sum += w * float64(p)
					weight += w
				}
			}
		}
		out[c.Row*h.Cols+c.Col] = float32(sum / weight)
	}
	return out
}

// cover returns, for one axis, how many pixels of a cell the patches at -r to +r
// strides from it cover. The middle weight is the whole stride.
func cover(patch, stride int) []float64 {
	off := (patch - stride) / 2 // of the cell in its own patch, as CellRect has it
	r := (patch - 1) / stride
	w := make([]float64, 2*r+1)
	for d := -r; d <= r; d++ {
		w[d+r] = float64(max(min(off+stride, d*stride+patch)-max(off, d*stride), 0))
	}
	return w
}
