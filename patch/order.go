package patch

import (
	"cmp"
	"slices"

	"bcc/wsi"
)

// visits returns the order in which the planned patches are read, as positions
// in g.Cells: row by row inside vertical bands, from left to right.
//
// A band is as wide as the tile cache allows: the tiles under one row of patches
// have to survive until the row below has used them too. So each tile of a level
// is decoded once, and again only along the edges between bands. A level that
// is stored in strips has no bands: they would decode every strip once a band.
func visits(g *wsi.Grid, l wsi.Level, cacheBytes int64) []int32 {
	order := make([]int32, len(g.Cells))
	for i := range order {
		order[i] = int32(i)
	}
	wide := bandCols(g, l, cacheBytes)
	if wide >= g.Cols {
		return order // grid order
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		ca, cb := g.Cells[a], g.Cells[b]
		return cmp.Or(ca.Col/wide-cb.Col/wide, ca.Row-cb.Row, ca.Col-cb.Col)
	})
	return order
}

// bandCols returns the columns of patches in a band.
func bandCols(g *wsi.Grid, l wsi.Level, cacheBytes int64) int {
	if l.Tile.W <= 0 || l.Tile.H <= 0 || l.Tile.W >= l.Size.W {
		return g.Cols
	}
	// Rows of tiles under one row of patches at the worst offset. They stay a
	// part of the next row's, so this is all that has to fit; a quarter of the
	// cache is left to the readers that run ahead.
	deep := int64(float64(g.Patch.H)/l.DownY)/int64(l.Tile.H) + 2
	column := 3 * l.Tile.Area() * deep
	tiles := max(cacheBytes*3/4/column, 1)
	level0 := float64(tiles) * float64(l.Tile.W) * l.DownX
	return int(max(level0-float64(g.Patch.W), 0)/float64(g.Stride.W)) + 1
}
