package report

import (
	"image"
	"math"
	"strconv"

	"golang.org/x/image/font/inconsolata"

	"bcc/wsi"
)

// Sizes of the legend, in pixels of the picture.
const (
	glyphW, glyphH = 8, 16 // of the font
	legendHeight   = 84
	minLegendWidth = 620
	margin         = 12
	barWidth       = 20 * steps
	barHeight      = 16
)

func itoa(n int) string { return strconv.Itoa(n) }

// legend draws the ramp with its ticks, the lesion threshold, the scale bar and
// the notice below the overview.
func (c canvas) legend(ov *wsi.Overview, mpp wsi.MPP, shown string, lesionThreshold float64) {
	top := ov.H + 6
	c.text(margin, top, shown)
	y := top + glyphH + 2
	for s := range steps {
		// Over white, as over the slide's ground.
		c.fill(margin+s*barWidth/steps, y, barWidth/steps, barHeight, uint8(s+1)*greys+white)
	}
	c.frame(margin, y, barWidth, barHeight)
	for _, t := range []float64{0, 0.25, 0.5, 0.75, 1} {
		x := margin + int(math.Round(t*barWidth))
		c.fill(x, y+barHeight, 1, 4, black)
		s := strconv.FormatFloat(t, 'f', -1, 64)
		c.text(max(x-len(s)*glyphW/2, 2), y+barHeight+4, s)
	}
	mark := margin + int(math.Round(lesionThreshold*barWidth))
	c.fill(mark-1, y-2, 3, barHeight+4, black)
	c.text(margin+barWidth+14, y, "| lesion from "+strconv.FormatFloat(lesionThreshold, 'f', 2, 64))

	if mm, px := scaleBar(ov, mpp); px > 0 {
		label := strconv.FormatFloat(mm, 'f', -1, 64) + " mm"
		x := c.Rect.Dx() - margin - max(px, len(label)*glyphW)
		c.text(x, top, label)
		c.fill(x, y+4, px, 4, black)
		c.fill(x, y, 2, 12, black)
		c.fill(x+px-2, y, 2, 12, black)
	}
	c.text(c.Rect.Dx()-margin-glyphW*len(shortNotice), y+barHeight+4, shortNotice)
}

const shortNotice = "not for diagnostic use"

// frame draws a rectangle's edge.
func (c canvas) frame(x, y, w, h int) {
	c.fill(x, y, w, 1, black)
	c.fill(x, y+h-1, w, 1, black)
	c.fill(x, y, 1, h, black)
	c.fill(x+w-1, y, 1, h, black)
}

// scaleBar returns a round length (1, 2 or 5 times a power of ten) of at most a
// quarter of the overview's width and 220 pixels, and its pixels.
func scaleBar(ov *wsi.Overview, mpp wsi.MPP) (mm float64, px int) {
	mmPerPx := mpp.X * ov.ScaleX / 1000
	if !mpp.Valid() || !(mmPerPx > 0) {
		return 0, 0
	}
	longest := mmPerPx * min(float64(ov.W)/4, 220)
	e := math.Pow10(int(math.Floor(math.Log10(longest))))
	for _, m := range []float64{5, 2, 1} {
		if mm = m * e; mm <= longest {
			break
		}
	}
	return roundTo(mm, 6), int(math.Round(mm / mmPerPx))
}

// text writes s in black with its top left corner at (x, y). The font is a bitmap
// of x/image, so that the same letters come out to the byte everywhere.
func (c canvas) text(x, y int, s string) {
	face := inconsolata.Bold8x16
	mask := face.Mask.(*image.Alpha)
	for _, r := range s {
		glyph := -1
		for _, rr := range face.Ranges {
			if r >= rr.Low && r < rr.High {
				glyph = rr.Offset + int(r-rr.Low)
			}
		}
		if glyph < 0 {
			continue
		}
		for dy := range face.Ascent + face.Descent {
			for dx := range face.Width {
				a := mask.AlphaAt(dx+face.Left, glyph*(face.Ascent+face.Descent)+dy).A
				p := image.Pt(x+dx, y+dy)
				if a >= 16 && p.In(c.Rect) {
					c.Pix[p.Y*c.Stride+p.X] = white - a>>4
				}
			}
		}
		x += face.Advance
	}
}
