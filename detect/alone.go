package detect

import "bcc/wsi"

// alone reports whether a picture of this size that does not say its scale is taken
// as one patch, cut by somebody else for this model.
func (w walker) alone(size wsi.Size) bool {
	side := w.cfg.Patch.SizePx
	return w.cfg.OnePatch && size == wsi.Size{W: side, H: side}
}

// onePatch is the grid of a picture that is one patch. Whether it holds enough
// tissue is not asked: somebody wants to know about this very patch.
func onePatch(size wsi.Size, mpp wsi.MPP, mask *wsi.Mask) *wsi.Grid {
	share := float64(mask.Count()) / float64(max(mask.Area(), 1))
	return &wsi.Grid{
		Slide: size, MPP: mpp, Patch: size, Stride: size, Cols: 1, Rows: 1,
		Cells: []wsi.Cell{{Tissue: float32(share)}},
	}
}
