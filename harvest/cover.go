package harvest

import (
	"math"

	"bcc/wsi"
)

// cellsAcross is how many cells of a cover a patch spans: fine enough that a quarter
// of a patch is told to a few parts in a hundred, coarse enough that a slide of
// 12,800² takes 0.4 MB.
const cellsAcross = 8

// cover says how much of a slide's cells is lesion and how much tissue.
type cover struct {
	cols, rows   int
	cellW, cellH int     // level-0 pixels
	lesions      []uint8 // 0 to 255 of 255, rounded up: 0 is none at all
	tissues      []uint8 // 0 to 255 of 255; nil: tissue wherever a patch was planned
}

// newCover returns an empty cover of a slide for patches of an extent.
func newCover(level0, patch wsi.Size) *cover {
	c := &cover{cellW: max((patch.W+cellsAcross/2)/cellsAcross, 1), cellH: max((patch.H+cellsAcross/2)/cellsAcross, 1)}
	c.cols, c.rows = (level0.W+c.cellW-1)/c.cellW, (level0.H+c.cellH-1)/c.cellH
	return c
}

// lesion returns the part of r that is lesion: exactly 0 only where no cell that r
// touches holds any.
func (c *cover) lesion(r wsi.Rect) float64 { return c.share(c.lesions, r) }

// tissue returns the part of r that is tissue.
func (c *cover) tissue(r wsi.Rect) float64 { return c.share(c.tissues, r) }

// share returns the mean of a layer under r, 0 to 1. What lies beyond the slide is
// nothing.
func (c *cover) share(layer []uint8, r wsi.Rect) float64 {
	if layer == nil {
		return 0
	}
	x0, y0 := max(r.X/c.cellW, 0), max(r.Y/c.cellH, 0)
	x1, y1 := min((r.X+r.W+c.cellW-1)/c.cellW, c.cols), min((r.Y+r.H+c.cellH-1)/c.cellH, c.rows)
	sum := 0
	for y := y0; y < y1; y++ {
		high := min((y+1)*c.cellH, r.Y+r.H) - max(y*c.cellH, r.Y)
		for x := x0; x < x1; x++ {
			if v := layer[y*c.cols+x]; v != 0 {
				sum += int(v) * high * (min((x+1)*c.cellW, r.X+r.W) - max(x*c.cellW, r.X))
			}
		}
	}
	return float64(sum) / (255 * float64(r.W) * float64(r.H))
}

// counts are pixels of a picture of a slide, gathered in a cover's cells.
type counts struct {
	*cover
	scaleX, scaleY float64 // level-0 pixels per pixel of the picture
	inside         []int32 // pixels that count
	all            []int32
}

func newCounts(c *cover, scaleX, scaleY float64) *counts {
	return &counts{cover: c, scaleX: scaleX, scaleY: scaleY, inside: make([]int32, c.cols*c.rows), all: make([]int32, c.cols*c.rows)}
}

// layer returns the share of each cell that counts, rounded up.
func (n *counts) layer() []uint8 {
	out := make([]uint8, len(n.all))
	for i, all := range n.all {
		if in := n.inside[i]; in > 0 {
			out[i] = uint8(math.Ceil(255 * float64(in) / float64(all)))
		}
	}
	return out
}

// cellsOf returns the cell that each of n pixels of a picture lies in, along one axis.
func cellsOf(from, n int, scale float64, cell, cells int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(min(int((float64(from+i)+0.5)*scale)/cell, cells-1))
	}
	return out
}

// fromMask returns the tissue of a mask in a cover's cells. A cell finer than the
// mask's pixels takes the pixel at its centre.
func (c *cover) fromMask(m *wsi.Mask) []uint8 {
	out := make([]uint8, c.cols*c.rows)
	pixel := func(cell, size, n int, scale float64) int {
		return min(int((float64(cell)+0.5)*float64(size)/scale), n-1)
	}
	for y := range c.rows {
		row := m.Bits[pixel(y, c.cellH, m.H, m.ScaleY)*m.W:]
		for x := range c.cols {
			out[y*c.cols+x] = 255 * row[pixel(x, c.cellW, m.W, m.ScaleX)]
		}
	}
	return out
}
