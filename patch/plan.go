package patch

import (
	"math"

	"bcc/fault"
	"bcc/wsi"
)

// Plan lays the grid over a slide of level0 pixels at mpp and keeps the patches
// that hold enough tissue. A mask without tissue gives a grid without cells.
//
// A patch is round(SizePx × MPP / mpp) level-0 pixels, each direction by itself,
// and the next one lies round((1-Overlap) × that) further, at least 1. The grid
// covers the whole slide. The fraction of tissue is exact: the area of the mask
// under the patch over the area of the patch, whole or not on the slide.
//
// A piece of tissue of which less than half lies under patches with enough
// tissue (it is thin or small) also gets the patches that hold most of it, until
// half of it is seen: no piece of tissue is ever lost, whatever MinTissue says.
func Plan(level0 wsi.Size, mpp wsi.MPP, mask *wsi.Mask, cfg Config) (*wsi.Grid, error) {
	cfg = cfg.filled()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := check(level0, mpp, mask); err != nil {
		return nil, err
	}
	extent := func(um float64) int { return max(1, int(math.Round(float64(cfg.SizePx)*cfg.MPP/um))) }
	g := wsi.Lay(level0, mpp, wsi.Size{W: extent(mpp.X), H: extent(mpp.Y)}, cfg.Overlap)
	if n := int64(g.Cols) * int64(g.Rows); n > cfg.MaxCells {
		return nil, fault.Hint(
			fault.New(fault.Invalid, "plan %v patches over a slide of %v: %d × %d cells are more than %d", g.Patch, level0, g.Cols, g.Rows, cfg.MaxCells),
			"check the slide's scale (%.4g µm/px), or take less overlap", mpp.Mean())
	}
	g.Cells = choose(g, mask, cfg.MinTissue)
	return g, nil
}

// check refuses slides and masks that make no sense.
func check(level0 wsi.Size, mpp wsi.MPP, mask *wsi.Mask) error {
	const most = 1 << 30 // pixels a side, so that products stay exact in float64
	switch {
	case level0.W < 1 || level0.H < 1 || level0.W > most || level0.H > most:
		return fault.New(fault.Invalid, "plan patches: slide of %v", level0)
	case !mpp.Valid():
		return fault.New(fault.Invalid, "plan patches: slide scale %v × %v µm/px", mpp.X, mpp.Y)
	case mask == nil || mask.W < 1 || mask.H < 1 || len(mask.Bits) != mask.W*mask.H:
		return fault.New(fault.Invalid, "plan patches: no tissue mask, or not as large as it says")
	case mask.Area() > 1<<31: // what area counts in
		return fault.New(fault.Invalid, "plan patches: tissue mask of %v is too large", mask.Size)
	case !(mask.ScaleX > 0 && mask.ScaleY > 0) || math.IsInf(mask.ScaleX+mask.ScaleY, 0):
		return fault.New(fault.Invalid, "plan patches: tissue mask scale %v × %v", mask.ScaleX, mask.ScaleY)
	}
	return nil
}

// choose returns the cells with enough tissue and those that thin pieces need.
func choose(g *wsi.Grid, mask *wsi.Mask, minTissue float64) []wsi.Cell {
	sum := newAreas(mask, g.Slide)
	whole := float64(g.Patch.W) * float64(g.Patch.H)
	fraction := func(col, row int) float64 {
		return sum.under(wsi.Rect{X: col * g.Stride.W, Y: row * g.Stride.H, W: g.Patch.W, H: g.Patch.H}) / whole
	}
	var cells []wsi.Cell
	for row := range g.Rows {
		y := row * g.Stride.H
		if sum.under(wsi.Rect{Y: y, W: g.Slide.W, H: g.Patch.H}) == 0 {
			continue
		}
		for col := range g.Cols {
			// One part in 10⁹ is what the sums round: a patch that is half
			// tissue has to pass a minimum of one half.
			if f := fraction(col, row); f > 1e-9 && f >= minTissue-1e-9 {
				cells = append(cells, wsi.Cell{Col: col, Row: row, Tissue: float32(f)})
			}
		}
	}
	return rescue(g, mask, cells, fraction)
}
