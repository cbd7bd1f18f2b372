package synth

import (
	"math"
	"math/rand/v2"
)

// planter plans one section. block is the same for all sections of a slide, so that
// they resemble each other as serial sections do; cut is the section's own.
type planter struct {
	*Scene
	sec   *section
	b     build
	block *rand.Rand
	cut   *rand.Rand
}

// plant fills a section: carcinoma first, since all else makes room for it.
func (s *Scene) plant(b build, sec *section, n uint64) {
	p := &planter{Scene: s, sec: sec, b: b, block: stream(s.cfg.Seed, 10), cut: stream(s.cfg.Seed, 100+n)}
	if s.cfg.BCC {
		p.carcinoma()
	}
	p.follicles()
	p.sweatGlands()
	p.vessels()
	p.muscles()
	p.mimics()
	p.inflammation()
	p.epidermis()
	p.stroma()
}

// put adds a structure to the drawing.
func (p *planter) put(s *structure) {
	p.structs = append(p.structs, s)
	p.index.add(s)
}

// free reports whether a disc lies in the tissue and clear of every structure.
func (p *planter) free(x, y, r float64) bool {
	return p.sec.tissue(x, y) > r && p.index.near(x, y, r+1, nil) > r
}

// add places one cell.
func (p *planter) add(k cellKind, x, y, angle, gain float64) {
	a := int(math.Round(angle/math.Pi*cellAngles)) % cellAngles
	if a < 0 {
		a += cellAngles
	}
	p.cells = append(p.cells, cell{
		x: float32(x), y: float32(y), kind: k, variant: uint8(p.cut.IntN(cellVariants)),
		angle: uint8(a), gain: byteOf(gain * 128),
	})
}

// spots calls f for the sites of a jittered hexagonal lattice over b.
func (p *planter) spots(b box, pitch, jitter float64, f func(x, y float64)) {
	row := 0
	for y := b.y0; y < b.y1; y += pitch * 0.866 {
		x := b.x0 + pitch/2*float64(row&1)
		for ; x < b.x1; x += pitch {
			f(x+pitch*jitter*between(p.cut, -1, 1), y+pitch*jitter*between(p.cut, -1, 1))
		}
		row++
	}
}

// packing says how cells fill a structure.
type packing struct {
	rim      cellKind // of the row along the outline
	rimDepth float64  // of that row below the outline
	rimPitch float64
	rimFlat  bool // the row's cells lie along the outline instead of standing on it
	core     cellKind
	pitch    float64 // of the core
	from, to float64 // depths between which the core lies
	gain     float64
	whorl    float64 // 0: core cells lie at random; 1: along the outline
	bare     func(x, y float64) bool
}

// pack fills a distance field with cells.
func (p *planter) pack(f *field, k packing) {
	if k.rimPitch > 0 {
		for _, ring := range f.rings(-k.rimDepth) {
			p.walk(ring, k.rimPitch, func(x, y float64) {
				if k.bare != nil && k.bare(x, y) || chance(p.cut, 0.05) {
					return
				}
				a := f.normal(x, y) + 0.22*p.cut.NormFloat64()
				if k.rimFlat {
					a += math.Pi / 2
				}
				out := between(p.cut, -1.8, 0.7)
				p.add(k.rim, x+out*math.Cos(a), y+out*math.Sin(a), a, k.gain*between(p.cut, 0.75, 1.2))
			})
		}
	}
	if k.pitch == 0 {
		return
	}
	b := box{float64(f.i0) * f.step, float64(f.j0) * f.step, float64(f.i0+f.nx) * f.step, float64(f.j0+f.ny) * f.step}
	p.spots(b, k.pitch, 0.30, func(x, y float64) {
		d := -f.at(x, y)
		if d < k.from || d > k.to || k.bare != nil && k.bare(x, y) {
			return
		}
		a := between(p.cut, 0, math.Pi)
		if chance(p.cut, k.whorl) {
			a = f.normal(x, y) + math.Pi/2 + between(p.cut, -0.4, 0.4)
		}
		p.add(k.core, x, y, a, k.gain*between(p.cut, 0.62, 1.25))
	})
}

// walk calls f along a ring, about pitch µm apart.
func (p *planter) walk(ring []Point, pitch float64, f func(x, y float64)) {
	left := pitch * p.cut.Float64()
	for i, a := range ring {
		b := ring[(i+1)%len(ring)]
		l := math.Hypot(b.X-a.X, b.Y-a.Y)
		for t := left; t < l; t = left {
			f(a.X+(b.X-a.X)*t/l, a.Y+(b.Y-a.Y)*t/l)
			left += pitch * between(p.cut, 0.82, 1.18)
		}
		left -= l
	}
}

// fieldOf returns the distance field of one structure on the renderer's nodes.
func (p *planter) fieldOf(s ...*structure) *field {
	b := s[0].box
	for _, t := range s[1:] {
		b = b.union(t.box)
	}
	f := newField(b, cell8*p.cfg.MPP)
	for _, t := range s {
		f.add(t)
	}
	return f
}

// crowd scatters n cells around a place.
func (p *planter) crowd(k cellKind, x, y, spread float64, n int) {
	for range n {
		px, py := x+spread*p.cut.NormFloat64(), y+spread*p.cut.NormFloat64()
		if p.sec.tissue(px, py) < 4 || p.index.near(px, py, 6, nil) < 3 {
			continue
		}
		p.add(k, px, py, between(p.cut, 0, math.Pi), between(p.cut, 0.85, 1.15))
	}
}

// epidermis lays the cells of the epidermis, row by row.
func (p *planter) epidermis() {
	half := p.sec.length / 2
	inNest := func(x, y float64) bool { return p.index.near(x, y, 3, nil) < 2 }
	for a := -half; a < half; a += between(p.cut, 4.8, 6.6) { // the basal row stands on the junction
		l, m := p.sec.at(a), p.sec.at(a+3)
		lean := math.Atan2(m.junction-l.junction+m.surface-l.surface, 3)
		rise := 1 / math.Max(math.Cos(lean), 0.3)
		for k := 0.0; k < rise; k++ { // steep flanks need more than one
			aa := a + 5*k/rise*p.cut.Float64()
			la := p.sec.at(aa)
			x, y := p.sec.place(aa, la.junction-5*rise+3*k)
			if p.sec.tissue(x, y) > 3 && !inNest(x, y) {
				p.add(cellBasal, x, y, math.Atan2(p.sec.sin, p.sec.cos)+lean+math.Pi/2, between(p.cut, 0.8, 1.15))
			}
		}
	}
	row := 0.0
	for a := -half; a < half; a += 8.6 {
		row += 0.5
		l := p.sec.at(a)
		for d := 7 + 9*math.Mod(row, 1); d < l.junction-11; d += between(p.cut, 8, 10.5) {
			x, y := p.sec.place(a+2.4*between(p.cut, -1, 1), d+1.5*between(p.cut, -1, 1))
			if p.sec.tissue(x, y) < 4 || inNest(x, y) || d < 9 && chance(p.cut, 0.6) {
				continue
			}
			k := cellSpinous
			if l.junction-d < 20 && chance(p.cut, 0.5) {
				k = cellBasal
			}
			along := p.sec.slope(a)
			if flat := 1 - ramp(12, 35, d); !chance(p.cut, flat) {
				along += between(p.cut, 0, math.Pi) // rounder and unordered in the depth
			}
			p.add(k, x, y, along, between(p.cut, 0.75, 1.15))
		}
	}
}

// stroma scatters spindle cells through the dermis.
func (p *planter) stroma() {
	density := between(p.block, 300, 900) / 1e6 // per µm²
	n := int(density * p.b.length * p.b.depth)
	for range n {
		a, d := p.b.length*between(p.cut, -0.5, 0.5), p.b.depth*p.cut.Float64()
		if chance(p.cut, 0.35) {
			d = p.cut.Float64() * math.Min(350, p.b.depth) // more of them near the surface
		}
		l := p.sec.at(a)
		if d < l.junction+5 || d > l.fat-30 && chance(p.cut, 0.93) {
			continue
		}
		x, y := p.sec.place(a, d)
		if p.sec.tissue(x, y) < 3 || p.index.near(x, y, 5, nil) < 4 {
			continue
		}
		p.add(cellFibro, x, y, p.sec.slope(a)+0.9*noise2(p.sec.seed+31, a/90, d/90)+between(p.cut, -0.4, 0.4), between(p.cut, 0.6, 1.1))
	}
}
