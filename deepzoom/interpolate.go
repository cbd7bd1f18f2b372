package deepzoom

import "math"

// place is where one column or row of pixels lies among those of the cells.
type place struct {
	own  int     // the cell under the pixel's middle; -1: none
	low  int     // of the two cells whose middles it lies between, the first
	part float32 // of the second, 0 to 1

	from, to int // cells whose middles lie under the pixel
}

// newLine returns the places of n pixels from the pixel at on, each down level-0
// pixels, over count cells that share length level-0 pixels from begin on. The slide
// ends at size.
func newLine(at, n int, down float64, size, begin, length, count int) []place {
	cell := float64(length) / float64(count)
	cells := func(level0 float64) float64 { return (level0 - float64(begin)) / cell }
	inside := func(i float64) int { return int(min(max(i, 0), float64(count))) }
	line := make([]place, n)
	for i := range line {
		first := float64(at+i) * down
		// The last pixel may reach beyond the slide: its middle is what it has of it.
		middle := cells((first + min(first+down, float64(size))) / 2)
		p := place{own: -1}
		if middle >= 0 && middle < float64(count) {
			p.own = int(middle)
		}
		low := math.Floor(middle - 0.5)
		p.low, p.part = int(low), float32(middle-0.5-low)
		p.from, p.to = inside(math.Ceil(cells(first)-0.5)), inside(math.Ceil(cells(first+down)-0.5))
		line[i] = p
	}
	return line
}

// value returns what the pixel at x and y shows: the value between the middles of the
// cells around it, of those that have one, if the cell under it has; or the highest of
// the cells whose middles lie under it, where that is more. So nothing spreads over
// what was not looked at, and no single cell fades where a pixel is as large.
func (c *Cells) value(x, y place) float32 {
	v := c.between(x, y)
	for row := y.from; row < y.to; row++ {
		for _, p := range c.Values[row*c.Cols+x.from : row*c.Cols+max(x.to, x.from)] {
			if p > v || v != v {
				v = p
			}
		}
	}
	return v
}

// between interpolates; NaN: the cell under the pixel has no value.
func (c *Cells) between(x, y place) float32 {
	if x.own < 0 || y.own < 0 {
		return float32(math.NaN())
	}
	own := c.Values[y.own*c.Cols+x.own]
	if own != own {
		return own
	}
	var sum, weight float32
	for dy := range 2 {
		row, wy := y.low+dy, y.part
		if dy == 0 {
			wy = 1 - y.part
		}
		if row < 0 || row >= c.Rows {
			continue
		}
		for dx := range 2 {
			col, wx := x.low+dx, x.part
			if dx == 0 {
				wx = 1 - x.part
			}
			if col < 0 || col >= c.Cols {
				continue
			}
			if v := c.Values[row*c.Cols+col]; v == v {
				sum += wx * wy * v
				weight += wx * wy
			}
		}
	}
	if weight == 0 {
		return own
	}
	return sum / weight
}
