package report

import (
	"image"
	"image/color"
	"io"
	"sync"

	"bcc/aggregate"
	"bcc/wsi"
)

// heatmap.png has a palette of 16 greys × (no value or one of 15 steps of
// probability): the overview is grey so that the only colour is the ramp's, and
// one byte a pixel makes it five times faster to write than full colour.
const (
	greys = 16
	steps = 15 // of probability
	black = 0  // grey 0 without a value
	white = greys - 1
)

var heatPalette = sync.OnceValue(func() color.Palette {
	pal := make(color.Palette, 0, greys*(steps+1))
	for s := range steps + 1 {
		p := (float64(s) - 0.5) / steps
		for g := range greys {
			v := float64(g) * 255 / (greys - 1)
			c := color.RGBA{uint8(v), uint8(v), uint8(v), 255}
			if s > 0 {
				c = blend(c, ramp(p), opacity(p))
			}
			pal = append(pal, c)
		}
	}
	return pal
})

// blend lays over on under with the opacity a.
func blend(under, over color.RGBA, a float64) color.RGBA {
	mix := func(u, o uint8) uint8 { return uint8(float64(u)*(1-a) + float64(o)*a + 0.5) }
	return color.RGBA{mix(under.R, over.R), mix(under.G, over.G), mix(under.B, over.B), 255}
}

// step returns which of the steps p falls into, from 1.
func step(p float32) uint8 { return uint8(min(int(p*steps), steps-1)) + 1 }

// writeHeatmap writes heatmap.png: the overview in grey, the heat map over it,
// lesions outlined and numbered, and the legend below, which calls the colours by
// what is shown.
func writeHeatmap(w io.Writer, ov *wsi.Overview, a *aggregate.Answer, mpp wsi.MPP, shown string, lesionThreshold float64) error {
	ov = enlarge(ov)
	c := newCanvas(max(ov.W, minLegendWidth), ov.H+legendHeight)
	c.overlay(ov, a.Heatmap)
	for _, l := range a.Lesions {
		for _, p := range l.Outline {
			for _, ring := range p {
				c.ring(ring, ov)
			}
		}
	}
	for i := min(len(a.Lesions), maxNumbers) - 1; i >= 0; i-- { // the first on top
		c.number(i+1, a.Lesions[i].Bounds, ov)
	}
	c.legend(ov, mpp, shown, lesionThreshold)
	return encodePNG(w, c.Paletted)
}

// maxNumbers bounds how many lesions carry their number: more hide the tissue.
const maxNumbers = 30

type canvas struct{ *image.Paletted }

func newCanvas(w, h int) canvas {
	c := canvas{image.NewPaletted(image.Rect(0, 0, w, h), heatPalette())}
	for i := range c.Pix {
		c.Pix[i] = white
	}
	return c
}

// overlay paints the overview's grey and the step of the cell above it.
func (c canvas) overlay(ov *wsi.Overview, h *aggregate.Heatmap) {
	b := h.Bounds()
	cols, rows := cells(ov.W, ov.ScaleX, b.X, max(h.Cell().W, 1), h.Cols), cells(ov.H, ov.ScaleY, b.Y, max(h.Cell().H, 1), h.Rows)
	base := make([]uint8, h.Cols+1) // of the row's cells; the last is for what lies outside
	for y := range ov.H {
		clear(base)
		if r := rows[y]; r >= 0 {
			for x, v := range h.Vote[r*h.Cols : (r+1)*h.Cols] {
				if v == v {
					base[x] = step(v) * greys
				}
			}
		}
		src, dst := ov.Row(y), c.Pix[y*c.Stride:]
		for x, col := range cols {
			if col < 0 {
				col = h.Cols
			}
			p := src[3*x : 3*x+3 : 3*x+3]
			// Rec. 601 luma in 1/256, then 16 levels.
			dst[x] = base[col] + uint8((77*int(p[0])+150*int(p[1])+29*int(p[2]))>>12)
		}
	}
}

// fill paints a rectangle of canvas pixels.
func (c canvas) fill(x, y, w, h int, v uint8) {
	r := image.Rect(x, y, x+w, y+h).Intersect(c.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := c.Pix[y*c.Stride+r.Min.X : y*c.Stride+r.Max.X]
		for i := range row {
			row[i] = v
		}
	}
}

// ring draws a rectilinear ring two pixels wide.
func (c canvas) ring(ring aggregate.Ring, ov *wsi.Overview) {
	at := func(p aggregate.Point) (x, y int) {
		return int(float64(p.X) / ov.ScaleX), int(float64(p.Y) / ov.ScaleY)
	}
	for i := 1; i < len(ring); i++ {
		x0, y0 := at(ring[i-1])
		x1, y1 := at(ring[i])
		c.fill(min(x0, x1)-1, min(y0, y1)-1, max(x0, x1)-min(x0, x1)+2, max(y0, y1)-min(y0, y1)+2, black)
	}
}

// number writes a lesion's number at the top left corner of its bounds.
func (c canvas) number(n int, b wsi.Rect, ov *wsi.Overview) {
	s := itoa(n)
	w, h := len(s)*glyphW+6, glyphH
	x, y := int(float64(b.X)/ov.ScaleX)-w, int(float64(b.Y)/ov.ScaleY)-h
	x, y = min(max(x, 0), ov.W-w), min(max(y, 0), ov.H-h)
	c.fill(x, y, w, h, black)
	c.fill(x+1, y+1, w-2, h-2, white)
	c.text(x+3, y, s)
}
