package patch

import "bcc/wsi"

// areas answers how much tissue lies under a rectangle, in constant time: a
// summed-area table (Crow 1984) over the mask. Between mask pixels the integral
// is bilinear, so the answer is exact for rectangles that cut pixels.
type areas struct {
	w, h           int
	scaleX, scaleY float64
	slide          wsi.Size
	sum            []uint32 // (w+1)×(h+1): mask pixels inside, above and left of a corner
}

func newAreas(m *wsi.Mask, slide wsi.Size) *areas {
	a := &areas{m.W, m.H, m.ScaleX, m.ScaleY, slide, make([]uint32, (m.W+1)*(m.H+1))}
	for y := range m.H {
		above, here := a.sum[y*(m.W+1):(y+1)*(m.W+1)], a.sum[(y+1)*(m.W+1):(y+2)*(m.W+1)]
		var line uint32
		for x, b := range m.Bits[y*m.W : (y+1)*m.W] {
			if b != 0 {
				line++
			}
			here[x+1] = above[x+1] + line
		}
	}
	return a
}

// under returns the area of tissue under r, both in level-0 pixels. The mask ends
// where the slide does, even if its last row or column reaches further.
func (a *areas) under(r wsi.Rect) float64 {
	x0, y0 := max(r.X, 0), max(r.Y, 0)
	x1, y1 := min(r.X+r.W, a.slide.W), min(r.Y+r.H, a.slide.H)
	if x1 <= x0 || y1 <= y0 {
		return 0
	}
	left, fl := split(float64(x0)/a.scaleX, a.w)
	right, fr := split(float64(x1)/a.scaleX, a.w)
	top, ft := split(float64(y0)/a.scaleY, a.h)
	low, fb := split(float64(y1)/a.scaleY, a.h)
	n := a.at(right, fr, low, fb) - a.at(left, fl, low, fb) - a.at(right, fr, top, ft) + a.at(left, fl, top, ft)
	return n * a.scaleX * a.scaleY
}

// split cuts a mask coordinate into a pixel, at most n-1, and a part of it.
func split(v float64, n int) (int, float64) {
	i := min(int(v), n-1)
	return i, min(v-float64(i), 1)
}

// at returns the mask pixels inside above and left of (x+fx, y+fy).
func (a *areas) at(x int, fx float64, y int, fy float64) float64 {
	i := y*(a.w+1) + x
	j := i + a.w + 1
	top := float64(a.sum[i])*(1-fx) + float64(a.sum[i+1])*fx
	low := float64(a.sum[j])*(1-fx) + float64(a.sum[j+1])*fx
	return top*(1-fy) + low*fy
}
