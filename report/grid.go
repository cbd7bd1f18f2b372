package report

import (
	"bcc/fault"
	"bcc/wsi"
)

// Grid returns the grid that the patches of result r lay on, from where they lie in
// patches.csv: what aggregate.NewHeatmap needs to make the heat map once more. The
// scale is the mean of both directions, which areas are counted with, and the
// patches' share of tissue is not known any more. Corrupt: r and the patches do not
// belong together.
func Grid(r Result, patches []wsi.Rect) (*wsi.Grid, error) {
	size := wsi.Size{W: r.Slide.WidthPx, H: r.Slide.HeightPx}
	mpp := wsi.MPP{X: r.Slide.MPPUM, Y: r.Slide.MPPUM}
	overlap := r.Parameters.Overlap
	if size.W < 1 || size.H < 1 || size.W > 1<<30 || size.H > 1<<30 || !mpp.Valid() || !(overlap >= 0 && overlap <= 0.75) {
		return nil, fault.New(fault.Corrupt, "grid of patches: slide of %v at %v µm per pixel, overlap %v", size, mpp.X, overlap)
	}
	if len(patches) == 0 {
		return &wsi.Grid{Slide: size, MPP: mpp}, nil
	}
	g := wsi.Lay(size, mpp, wsi.Size{W: patches[0].W, H: patches[0].H}, overlap)
	g.Cells = make([]wsi.Cell, len(patches))
	last := -1
	for i, p := range patches {
		c := wsi.Cell{Col: p.X / g.Stride.W, Row: p.Y / g.Stride.H}
		g.Cells[i] = c
		at := c.Row*g.Cols + c.Col
		if g.Rect(i) != p || c.Col >= g.Cols || c.Row >= g.Rows || at <= last {
			return nil, fault.New(fault.Corrupt, "grid of patches: patch %d at %v has no place among those of %v every %v pixels over a slide of %v", i, p, g.Patch, g.Stride, size)
		}
		last = at
	}
	return g, nil
}
