package wsi

import "math"

// Grid is the planned patches of one slide, in grid order: row by row, and in a
// row from left to right. Patches at the right and lower edge may reach beyond
// the slide; what lies outside is white.
type Grid struct {
	Slide  Size // level-0 pixels
	MPP    MPP  // of level 0
	Patch  Size // extent of a patch, level-0 pixels
	Stride Size // from one patch to the next, level-0 pixels
	Cols   int
	Rows   int
	Cells  []Cell // the planned ones only, in grid order
}

// Cell is one planned patch.
type Cell struct {
	Col, Row int
	Tissue   float32 // fraction of the patch inside the tissue mask, 0 to 1
}

// Lay lays patches of the given extent over a slide, both in level-0 pixels, and
// plans none of them yet. The next patch lies round((1-overlap) × extent) further,
// at least 1 pixel, each direction by itself; together they cover the whole slide.
func Lay(slide Size, mpp MPP, patch Size, overlap float64) *Grid {
	stride := func(extent int) int { return max(1, int(math.Round(float64(extent)*(1-overlap)))) }
	g := &Grid{Slide: slide, MPP: mpp, Patch: patch, Stride: Size{stride(patch.W), stride(patch.H)}}
	g.Cols = steps(slide.W, patch.W, g.Stride.W)
	g.Rows = steps(slide.H, patch.H, g.Stride.H)
	return g
}

// steps returns how many patches, stride apart, cover length.
func steps(length, patch, stride int) int {
	if length <= patch {
		return 1
	}
	return (length-patch+stride-1)/stride + 1
}

// Len returns the number of planned patches.
func (g *Grid) Len() int { return len(g.Cells) }

// Rect returns the level-0 rectangle of the i-th planned patch.
func (g *Grid) Rect(i int) Rect {
	c := g.Cells[i]
	return Rect{c.Col * g.Stride.W, c.Row * g.Stride.H, g.Patch.W, g.Patch.H}
}

// CellRect returns the level-0 rectangle that the patch at (col, row) stands
// for alone: stride by stride around the patch's centre, so that the cells of
// overlapping patches tile the slide without gaps.
func (g *Grid) CellRect(col, row int) Rect {
	return Rect{
		col*g.Stride.W + (g.Patch.W-g.Stride.W)/2,
		row*g.Stride.H + (g.Patch.H-g.Stride.H)/2,
		g.Stride.W, g.Stride.H,
	}
}
