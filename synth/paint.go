package synth

import "math"

// The values at the nodes of a structure's lattice.
const (
	atDist  = iota // from the outline, µm
	atCleft        // width of the cleft
	atLake         // depth in a lake of mucin
)

// paint draws one structure over the plate.
func (s *Scene) paint(p *plate, st *structure) {
	mpp := s.cfg.MPP
	x0, y0 := max(int(math.Floor(st.box.x0/mpp)), p.x), max(int(math.Floor(st.box.y0/mpp)), p.y)
	x1, y1 := min(int(math.Ceil(st.box.x1/mpp)), p.x+p.w), min(int(math.Ceil(st.box.y1/mpp)), p.y+p.ht)
	if x1 <= x0 || y1 <= y0 {
		return
	}
	p.dist.cover(x0, y0, x1, y1, func(x, y float64, n *node) {
		d := st.dist(x, y)
		n[atDist] = fixed(d)
		n[atCleft], n[atLake] = 0, -50*one
		if st.cleft > 0 && d > -20 && d < 60 {
			n[atCleft] = fixed(st.cleftAt(x, y))
		}
		if st.lakes > 0 && d < 0 {
			n[atLake] = fixed(math.Min(st.lakeAt(x, y), -d-12))
		}
	}, mpp)
	reach := int32((profileZero - 2) / 2 * one)
	for j := range p.dist.ny - 1 {
		for i := range p.dist.nx - 1 {
			at := j*p.dist.nx + i
			c := [4]*node{&p.dist.v[at], &p.dist.v[at+1], &p.dist.v[at+p.dist.nx], &p.dist.v[at+p.dist.nx+1]}
			if lowest(c, atDist) < reach {
				s.paintBlock(p, st, p.dist.i0+i, p.dist.j0+j, c, x0, y0, x1, y1)
			}
		}
	}
}

// paintBlock draws the pixels between four nodes that lie in the given rectangle.
func (s *Scene) paintBlock(p *plate, st *structure, i, j int, c [4]*node, x0, y0, x1, y1 int) {
	class := st.kind.class()
	edgeX, endX := max(i*cell8, x0), min((i+1)*cell8, x1)
	edgeY, endY := max(j*cell8, y0), min((j+1)*cell8, y1)
	for y := edgeY; y < endY; y++ {
		ky, kx := int32(y-j*cell8), int32(edgeX-i*cell8)
		var v, step [3]int32
		for f := range v {
			l := c[0][f] + (c[2][f]-c[0][f])*ky/cell8
			r := c[1][f] + (c[3][f]-c[1][f])*ky/cell8
			step[f] = (r - l) / cell8
			v[f] = l + step[f]*kx
		}
		at := (y-p.y)*p.w + edgeX - p.x
		row := s.tex.fibre[(y&texMask)<<10:]
		for x := edgeX; x < endX; x++ {
			t := row[x&texMask]
			mot := int32(t>>24) - 128
			d := v[0] + mot*2
			if p.class[at] != ClassBackground || d < 0 {
				s.paintPixel(p, st, at, d, v[1]+mot, v[2]+mot*4, mot, class)
			}
			v[0], v[1], v[2] = v[0]+step[0], v[1]+step[1], v[2]+step[2]
			at++
		}
	}
}

// paintPixel lays the structure's tone over one pixel.
func (s *Scene) paintPixel(p *plate, st *structure, at int, d, cleft, lake, mot int32, class uint8) {
	if under := p.class[at]; d >= 0 && (under == ClassBCC || under == ClassEpidermis && st.kind == kindNest) {
		return // what surrounds a structure covers no nest; a bud parts from the stroma, not from the epidermis
	}
	k := &st.shade[min(max(d>>7+profileZero, 0), 511)]
	h, e, cover := int32(k.h), int32(k.e), int32(k.cover)
	switch {
	case d >= 0 && d < cleft && st.cleft > 0: // retraction: clear, or a thin blue veil of mucin
		h, e, cover = 4+mot>>4, 2, 235
	case lake > 0:
		h, e, cover = 26+mot>>3, 12+mot>>4, min(lake>>1, 240)
	case d >= 0 && st.kind == kindNest: // the stroma around: looser and bluer, its fibres still there
		cover += mot * cover >> 9
		p.hema[at] = uint8(min(int32(p.hema[at])+h*cover>>8, 255))
		p.eos[at] = uint8(int32(p.eos[at]) * (256 - cover>>1) >> 8)
		return
	}
	if cover == 0 {
		return
	}
	g := mot * int32(k.grain) >> 8
	h, e = h+g, e+g
	cover += cover >> 7
	p.hema[at] = uint8(max(int32(p.hema[at])+(h-int32(p.hema[at]))*cover>>8, 0))
	p.eos[at] = uint8(max(int32(p.eos[at])+(e-int32(p.eos[at]))*cover>>8, 0))
	if d < 0 {
		p.class[at] = class
	}
}

// stampCells draws every cell that reaches into the plate.
func (s *Scene) stampCells(p *plate) {
	g, b := s.herd, p.box(s.cfg.MPP).grow(s.herd.reach)
	i0, i1 := max(int(b.x0/bucketUM), 0), min(int(b.x1/bucketUM), g.nx-1)
	j0, j1 := max(int(b.y0/bucketUM), 0), min(int(b.y1/bucketUM), g.ny-1)
	for j := j0; j <= j1; j++ {
		for i := i0; i <= i1; i++ {
			for _, c := range g.cells[g.first[j*g.nx+i]:g.first[j*g.nx+i+1]] {
				s.stampCell(p, &c)
			}
		}
	}
}

func (s *Scene) stampCell(p *plate, c *cell) {
	st := &s.atlas[c.kind][c.variant][c.angle]
	n := 2*st.half + 1
	left := int(math.Floor(float64(c.x)/s.cfg.MPP)) - st.half - p.x
	top := int(math.Floor(float64(c.y)/s.cfg.MPP)) - st.half - p.y
	x0, x1 := max(left, 0), min(left+n, p.w)
	y0, y1 := max(top, 0), min(top+n, p.ht)
	if x1 <= x0 {
		return
	}
	gain := int32(c.gain)
	for y := y0; y < y1; y++ {
		src := st.pix[(y-top)*n+x0-left : (y-top)*n+x1-left]
		ph, pe := p.hema[y*p.w+x0:y*p.w+x1], p.eos[y*p.w+x0:y*p.w+x1]
		pe = pe[:len(src)]
		ph = ph[:len(src)]
		for x, k := range src {
			if k.cover == 0 {
				continue
			}
			a := int32(k.cover) + int32(k.cover>>7)
			ph[x] = uint8(min(max(int32(ph[x])+(int32(k.h)*gain>>7-int32(ph[x]))*a>>8, 0), 255))
			pe[x] = uint8(max(int32(pe[x])+(int32(k.e)-int32(pe[x]))*a>>8, 0))
		}
	}
}
