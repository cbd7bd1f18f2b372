package augment

import (
	"math"
	"math/rand/v2"
)

// geometry is one of the eight ways a square lies, and a zoom around a place in it.
type geometry struct {
	orient int     // bit 0: columns reversed, bit 1: rows reversed, bit 2: transposed
	zoom   float64 // 1: none
	x, y   float64 // 0 to 1: what stays in place when zooming
}

func drawGeometry(rng *rand.Rand, c Config) geometry {
	g := geometry{orient: rng.IntN(8), zoom: 1}
	u := rng.Float64()
	g.x, g.y = rng.Float64(), rng.Float64()
	if !c.Orient {
		g.orient = 0
	}
	if c.Zoom > 1 { // as likely twice as large as half as large
		g.zoom = math.Exp(float64(math.Log(c.Zoom) * float64(2*u-1)))
	}
	return g
}

// apply writes src, turned, flipped and zoomed, to dst.
func (g geometry) apply(dst, src []byte, px int, s *scratch) {
	if g.zoom == 1 {
		g.turn(dst, src, px)
		return
	}
	s.a = grown(s.a, len(dst))
	g.turn(s.a, src, px)
	s.taps = grown(s.taps, 2*px)
	across, down := s.taps[:px], s.taps[px:]
	lay(across, g.zoom, g.x)
	lay(down, g.zoom, g.y)
	for y, t := range down {
		zoomRow(dst[3*px*y:3*px*(y+1)], s.a[3*px*int(t.at):][:3*px], s.a[3*px*int(t.next):][:3*px], t.part, across)
	}
}

// turn copies every pixel to its place.
func (g geometry) turn(dst, src []byte, px int) {
	from, right, down := 0, 3, 3*px // in src: of the first pixel, one to the right and one down in dst
	if g.orient&4 != 0 {
		right, down = down, right
	}
	if g.orient&1 != 0 {
		from, right = from+(px-1)*right, -right
	}
	if g.orient&2 != 0 {
		from, down = from+(px-1)*down, -down
	}
	if right == 3 {
		for y := range px {
			copy(dst[3*px*y:3*px*(y+1)], src[from+y*down:])
		}
		return
	}
	for y := range px {
		at := from + y*down
		row := dst[3*px*y : 3*px*(y+1)]
		for len(row) >= 3 {
			p := src[at : at+3 : at+3]
			row[0], row[1], row[2] = p[0], p[1], p[2]
			row = row[3:]
			at += right
		}
	}
}

// tap is where a pixel comes from: part of 256 from next, the rest from at.
type tap struct{ at, next, part int32 }

// lay places the taps of one axis: a zoom around the place x, mirrored at the edges.
func lay(taps []tap, zoom, x float64) {
	n := len(taps)
	step := fixed(1 / zoom)
	centre := float64(x * float64(n))
	from := fixed(centre - float64(centre/zoom) + float64(0.5/zoom) - 0.5) // of the first pixel's centre
	for i := range taps {
		at := from + int32(i)*step
		k := at >> 16
		taps[i] = tap{mirrored(k, n), mirrored(k+1, n), at >> 8 & 255}
	}
}

// mirrored returns the pixel that stands for k beyond an edge.
func mirrored(k int32, n int) int32 {
	if k < 0 {
		k = -1 - k
	}
	if k >= int32(n) {
		k = 2*int32(n) - 1 - k
	}
	return min(max(k, 0), int32(n)-1)
}

// zoomRow writes a row between the rows a and b, part of 256 of b.
func zoomRow(dst, a, b []byte, part int32, across []tap) {
	for _, t := range across {
		p, q := 3*t.at, 3*t.next
		a0, a1 := a[p:p+3:p+3], a[q:q+3:q+3]
		b0, b1 := b[p:p+3:p+3], b[q:q+3:q+3]
		d := dst[:3:3]
		for c := range 3 {
			up := int32(a0[c])<<8 + (int32(a1[c])-int32(a0[c]))*t.part
			low := int32(b0[c])<<8 + (int32(b1[c])-int32(b0[c]))*t.part
			d[c] = byte((up<<8 + (low-up)*part + 1<<15) >> 16)
		}
		dst = dst[3:]
	}
}

func grown[T any](b []T, n int) []T {
	if cap(b) < n {
		return make([]T, n)
	}
	return b[:n]
}
