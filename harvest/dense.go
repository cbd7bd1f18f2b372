package harvest

import (
	"slices"

	"bcc/wsi"
)

// densePart is the part of a slide's negative patches that is called dense.
const densePart = 0.1

// markDense names the negative patches that let least red light through: nuclei take
// it, collagen does not. On skin these are epidermis, follicles, glands and crowds of
// lymphocytes, a tenth of the tissue or so.
func markDense(patches []place, ov *wsi.Overview, extent wsi.Size) {
	reds := make([]float64, 0, len(patches)) // of the negative ones
	for _, p := range patches {
		if p.class == 1 {
			reds = append(reds, meanRed(ov, wsi.Rect{X: int(p.x), Y: int(p.y), W: extent.W, H: extent.H}))
		}
	}
	if len(reds) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(reds))
	limit := sorted[int(densePart*float64(len(sorted)-1))]
	k := 0
	for i := range patches {
		p := &patches[i]
		if p.class != 1 {
			continue
		}
		if reds[k] <= limit {
			if p.kind == Given {
				p.kind = GivenDense
			} else {
				p.kind = Dense
			}
		}
		k++
	}
}

// meanRed returns the mean red of an overview under a rectangle of level 0, 0 to 255;
// what lies beyond the slide is white.
func meanRed(ov *wsi.Overview, r wsi.Rect) float64 {
	x0, x1 := int(float64(r.X)/ov.ScaleX), int(float64(r.X+r.W)/ov.ScaleX+0.5)
	y0, y1 := int(float64(r.Y)/ov.ScaleY), int(float64(r.Y+r.H)/ov.ScaleY+0.5)
	x1, y1 = max(x1, x0+1), max(y1, y0+1)
	sum := 255 * (x1 - x0) * (y1 - y0)
	for y := max(y0, 0); y < min(y1, ov.H); y++ {
		for x := max(x0, 0); x < min(x1, ov.W); x++ {
			sum -= 255 - int(ov.Pix[3*(y*ov.W+x)])
		}
	}
	return float64(sum) / float64((x1-x0)*(y1-y0))
}
