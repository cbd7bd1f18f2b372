package synth

import "math"

// mimics adds, to slides of either label, what is dark and crowded and no carcinoma:
// nests of a nevus, lymphoid crowds, islands of epidermis cut across. A slide without
// BCC gets more of them, so that the amount of dark tissue tells nothing.
func (p *planter) mimics() {
	more := 1.0
	if !p.cfg.BCC {
		more = 2.5
	}
	if chance(p.block, 0.16*more) {
		p.keratosis()
	}
	if chance(p.block, 0.12*more) {
		p.nevus()
	}
	if chance(p.block, 0.2*more) {
		for range int(more) + p.block.IntN(4) {
			p.lymphoid()
		}
	}
	if chance(p.block, 0.3*more) {
		for range 2 + p.block.IntN(8) {
			p.island()
		}
	}
}

// keratosis thickens a stretch of epidermis with small dark cells and horn cysts, as
// a seborrhoeic keratosis does: basaloid, but without palisade, cleft or mucin.
func (p *planter) keratosis() {
	wide := clamp(0.2*p.b.length, 60, between(p.block, 300, 1100))
	a := between(p.block, -0.4, 0.4)*p.b.length - wide/2
	h, e := between(p.block, 52, 70), between(p.block, 62, 80)
	plaque := &structure{kind: kindKeratosis, seed: p.block.Uint32(), wobble: 9, grain: 55, blend: 30, clip: p.sec,
		shade: newProfile(func(d float64) (float64, float64, float64, float64) {
			return h + 8*ramp(-12, -2, d), e, 1 - ramp(-0.5, 0.8, d), 45
		})}
	for end := a + wide; a < end; {
		r := between(p.block, 35, 105) * clamp(p.b.depth/900, 0.2, 1)
		x, y := p.sec.place(a, p.sec.at(a).junction+between(p.block, -0.3, 0.5)*r)
		if p.sec.tissue(x, y) > 15 && p.index.near(x, y, r+12, nil) > r+6 {
			x1, y1 := p.sec.place(a+0.5*r, p.sec.at(a+0.5*r).junction+between(p.block, -0.4, 0.9)*r)
			plaque.caps = append(plaque.caps, capsule{x, y, r, x1, y1, 0.8 * r})
		}
		a += r * between(p.block, 0.7, 1.5)
	}
	if len(plaque.caps) == 0 {
		return
	}
	plaque.finish(3)
	cysts := p.hornCysts(plaque)
	f := p.fieldOf(plaque)
	p.put(plaque)
	for _, c := range cysts {
		p.put(c)
	}
	inCyst := func(x, y float64) bool {
		for _, c := range cysts {
			if c.box.has(x, y) && c.dist(x, y) < 3 {
				return true
			}
		}
		return false
	}
	p.pack(f, packing{rim: cellBasal, rimDepth: 4.5, rimPitch: 6.2, core: cellBasaloid, pitch: between(p.block, 7.8, 9.6),
		from: 8.5, to: math.Inf(1), gain: between(p.cut, 0.7, 1.05), whorl: 0.1, bare: inCyst})
}

// hornCysts returns round drops of keratin inside a plaque.
func (p *planter) hornCysts(plaque *structure) (out []*structure) {
	shade := newProfile(func(d float64) (float64, float64, float64, float64) {
		return 20, 120 + 25*math.Sin(d*1.1), 1 - ramp(-0.5, 1, d), 60
	})
	for _, c := range plaque.caps {
		if !chance(p.block, 0.5) {
			continue
		}
		r := c.r0 * between(p.block, 0.2, 0.5)
		x, y := c.x0+0.4*c.r0*between(p.block, -1, 1), c.y0+0.4*c.r0*between(p.block, -1, 1)
		cyst := &structure{kind: kindKeratosis, seed: p.block.Uint32(), wobble: 0.12 * r, grain: 15, clip: p.sec, shade: shade,
			caps: []capsule{{x, y, r, x + 0.5*r*between(p.block, -1, 1), y, 0.9 * r}}}
		out = append(out, cyst.finish(3))
	}
	return out
}

// nevus scatters nests of rounded cells below the epidermis.
func (p *planter) nevus() {
	a := p.b.length * between(p.block, -0.3, 0.3)
	wide := clamp(0.12*p.b.length, 40, between(p.block, 200, 600))
	shade := newProfile(func(d float64) (float64, float64, float64, float64) {
		return 44, 74, 1 - ramp(-4, 2, d), 55
	})
	for range 12 + p.block.IntN(60) {
		at := a + 0.5*wide*p.block.NormFloat64()
		r := between(p.block, 12, 44) * clamp(p.b.depth/700, 0.3, 1)
		x, y := p.sec.place(at, p.sec.at(at).junction+r+2+math.Abs(p.block.NormFloat64())*0.16*p.b.depth)
		if !p.free(x, y, r+2) {
			continue
		}
		n := &structure{kind: kindNevus, seed: p.block.Uint32(), wobble: 0.12 * r, grain: 20, blend: 8, shade: shade, clip: p.sec,
			caps: []capsule{{x, y, r, x + r*between(p.block, -0.8, 0.8), y + r*between(p.block, -0.8, 0.8), r * 0.8}}}
		p.put(n.finish(4))
		p.pack(p.fieldOf(n), packing{core: cellRound, pitch: between(p.block, 8.5, 10.5), from: 3, to: math.Inf(1), gain: between(p.cut, 0.9, 1.2)})
	}
}

// lymphoid packs lymphocytes into a round crowd.
func (p *planter) lymphoid() {
	a := p.b.length * between(p.block, -0.42, 0.42)
	r := between(p.block, 35, 150) * clamp(p.b.depth/900, 0.2, 1)
	x, y := p.sec.place(a, p.sec.at(a).junction+r+between(p.block, 10, 0.5*p.b.depth))
	if !p.free(x, y, r) {
		return
	}
	l := &structure{kind: kindLymphoid, seed: p.block.Uint32(), wobble: 0.25 * r, grain: 0.7 * r, blend: 20, clip: p.sec,
		caps: []capsule{{x, y, r, x + r*between(p.block, -1, 1), y + r*between(p.block, -1, 1), 0.7 * r}},
		shade: newProfile(func(d float64) (float64, float64, float64, float64) {
			return 34, 60, 0.8 * (1 - ramp(-8, 6, d)), 70
		})}
	p.put(l.finish(8))
	p.pack(p.fieldOf(l), packing{core: cellLymph, pitch: between(p.block, 6.2, 7.6), from: -3, to: math.Inf(1), gain: between(p.cut, 0.85, 1.1)})
}

// island draws a piece of epidermis that a slanting cut left in the dermis.
func (p *planter) island() {
	a := p.b.length * between(p.block, -0.45, 0.45)
	r := between(p.block, 18, 55) * clamp(p.b.depth/700, 0.3, 1)
	x, y := p.sec.place(a, p.sec.at(a).junction+r+between(p.block, 8, 90))
	if !p.free(x, y, r+6) {
		return
	}
	i := &structure{kind: kindFollicle, seed: p.block.Uint32(), wobble: 0.15 * r, grain: 30, blend: 10, clip: p.sec,
		caps: []capsule{{x, y, r, x + r*between(p.block, -1.2, 1.2), y + r*between(p.block, -0.6, 0.6), 0.7 * r}},
		shade: newProfile(func(d float64) (float64, float64, float64, float64) {
			return 52 + 14*ramp(-14, -3, d), 84, 1 - ramp(-0.5, 0.8, d), 45
		})}
	if chance(p.block, 0.3) {
		i.cleft = between(p.block, 2, 9)
	}
	p.put(i.finish(12))
	p.pack(p.fieldOf(i), packing{rim: cellBasal, rimDepth: 5, rimPitch: 5.6, core: cellSpinous, pitch: 9,
		from: 11, to: math.Inf(1), gain: between(p.cut, 0.85, 1.15), whorl: 0.2})
}

// inflammation scatters lymphocytes below the epidermis and around structures.
func (p *planter) inflammation() {
	band := p.block.Float64() * p.block.Float64()
	for range int(band * p.b.length / 60) {
		a := p.b.length * between(p.block, -0.5, 0.5)
		depth := p.sec.at(a).junction + between(p.block, 8, 110)
		x, y := p.sec.place(a, depth)
		p.crowd(cellLymph, x, y, between(p.cut, 10, 35), 4+p.cut.IntN(40))
	}
	around := p.block.Float64() * 0.5
	for _, s := range append([]*structure(nil), p.structs...) { // crowds lean on what is there
		if s.clip != p.sec || !chance(p.cut, around) {
			continue
		}
		c := s.caps[p.cut.IntN(len(s.caps))]
		ang := between(p.cut, 0, 2*math.Pi)
		d := c.r0 + between(p.cut, 12, 45)
		p.crowd(cellLymph, c.x0+d*math.Cos(ang), c.y0+d*math.Sin(ang), between(p.cut, 10, 30), 5+p.cut.IntN(60))
	}
	for range int(p.b.length * p.b.depth / 1e6 * between(p.block, 5, 60)) { // strays
		x, y := p.sec.place(p.b.length*between(p.cut, -0.5, 0.5), p.b.depth*p.cut.Float64())
		p.crowd(cellLymph, x, y, 5, 1)
	}
}
