package synth

import (
	"math"

	"bcc/wsi"
)

func (s *Scene) boxOf(c wsi.Rect) box {
	m := s.cfg.MPP
	return box{float64(c.X) * m, float64(c.Y) * m, float64(c.X+c.W) * m, float64(c.Y+c.H) * m}
}

func (s *Scene) meetsBlur(c wsi.Rect) bool {
	for _, b := range s.marks.blurs {
		if b.box.meets(s.boxOf(c)) {
			return true
		}
	}
	return false
}

func (s *Scene) meetsPen(c wsi.Rect) bool {
	for i := range s.marks.pens {
		if s.marks.pens[i].box.meets(s.boxOf(c).grow(20 * s.cfg.MPP)) {
			return true
		}
	}
	return false
}

// eachPixel calls f with a value that changes slowly over the w×h pixels at (x, y).
func eachPixel(l *lattice, x, y, w, h int, f func(at int, v int32)) {
	for py := y; py < y+h; py++ {
		j := floorDiv(py, cell8)
		ky := int32(py - j*cell8)
		for px := x; px < x+w; px++ {
			i := floorDiv(px, cell8)
			n := l.v[(j-l.j0)*l.nx+i-l.i0:]
			m := l.v[(j+1-l.j0)*l.nx+i-l.i0:]
			a := n[0][0] + (m[0][0]-n[0][0])*ky/cell8
			b := n[1][0] + (m[1][0]-n[1][0])*ky/cell8
			f((py-y)*w+px-x, a+(b-a)*int32(px-i*cell8)/cell8)
		}
	}
}

// crease darkens the tissue along a fold.
func (s *Scene) crease(p *plate, f *fold) {
	p.dist.cover(p.x, p.y, p.x+p.w, p.y+p.ht, func(x, y float64, n *node) { n[0] = fixed(f.gain(x, y)) }, s.cfg.MPP)
	eachPixel(&p.dist, p.x, p.y, p.w, p.ht, func(at int, v int32) {
		if v > one {
			p.hema[at] = uint8(min(int32(p.hema[at])*v>>8, 255))
			p.eos[at] = uint8(min(int32(p.eos[at])*v>>8, 255))
		}
	})
}

// ink draws pen strokes over the light in p.rgb, w×h pixels within the plate's rim.
func (s *Scene) ink(p *plate, w, h int) {
	x, y := p.x+1, p.y+1
	for i := range s.marks.pens {
		pen := &s.marks.pens[i]
		p.dist.cover(x, y, x+w, y+h, func(x, y float64, n *node) { n[0] = fixed(pen.density(x, y)) }, s.cfg.MPP)
		eachPixel(&p.dist, x, y, w, h, func(at int, v int32) {
			if v <= 0 {
				return
			}
			for k := range 3 {
				v := min(v, one)
				through := one + (pen.ink[k]-one)*v>>8
				p.rgb[3*at+k] = byte(int32(p.rgb[3*at+k]) * through >> 8)
			}
		})
	}
}

// defocus blurs the light in p.rgb where the scanner lost the focus. The outermost
// 2*maxBlur pixels serve as surroundings and come out wrong; they are not kept.
func (s *Scene) defocus(p *plate, w, h int) {
	for _, b := range s.marks.blurs {
		p.tmp = grown(p.tmp, 6*w*h)
		sharp, soft := p.tmp[:3*w*h], p.tmp[3*w*h:]
		copy(sharp, p.rgb)
		for range 2 { // twice a box is nearly a lens
			boxBlur(soft, p.rgb, w, h, 3, 3*w, b.radius) // along rows
			boxBlur(p.rgb, soft, h, w, 3*w, 3, b.radius) // along columns
		}
		x, y := p.x+1, p.y+1
		p.dist.cover(x, y, x+w, y+h, func(px, py float64, n *node) {
			n[0] = fixed(1 - ramp(0.6*b.r, b.r, math.Hypot(px-b.x, py-b.y)))
		}, s.cfg.MPP)
		eachPixel(&p.dist, x, y, w, h, func(at int, v int32) {
			for k := 3 * at; k < 3*at+3; k++ {
				p.rgb[k] = byte(int32(sharp[k]) + (int32(p.rgb[k])-int32(sharp[k]))*v>>8)
			}
		})
	}
}

// boxBlur averages 2r+1 neighbours along lines of n pixels, step bytes apart; there
// are m lines, line bytes apart. The ends repeat.
func boxBlur(dst, src []byte, n, m, step, line, r int) {
	scale := uint32(1<<16/(2*r+1)) + 1
	for i := range m {
		for k := range 3 {
			at := i*line + k
			pix := func(j int) uint32 { return uint32(src[at+min(max(j, 0), n-1)*step]) }
			var sum uint32
			for j := -r; j <= r; j++ {
				sum += pix(j)
			}
			for j := range n {
				dst[at+j*step] = byte(min(sum*scale>>16, 255))
				sum += pix(j+r+1) - pix(j-r)
			}
		}
	}
}
