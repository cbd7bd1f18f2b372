package synth

import "math"

// follicles sets hair follicles, some with sebaceous lobules: shafts that run down
// from the surface, cut across or along, with a bulb as dark as any carcinoma.
func (p *planter) follicles() {
	n := int(p.b.length/1000*between(p.block, 0.6, 3.2) + p.block.Float64())
	lean := between(p.block, -0.7, 0.7)
	for range n {
		a := p.b.length * between(p.block, -0.46, 0.46)
		r := between(p.block, 28, 75) * clamp(p.b.depth/700, 0.3, 1)
		long := math.Min(between(p.block, 350, 1500), 0.62*p.b.depth)
		whole, crosscut, gland := chance(p.block, 0.45), p.block.Float64(), chance(p.block, 0.5)
		seed := p.block.Uint32()
		if whole {
			p.alongCut(a, r, long, lean, seed)
		} else {
			depth := p.sec.at(a).junction + r + crosscut*0.5*p.b.depth
			x, y := p.sec.place(a, depth)
			p.acrossCut(x, y, r, seed)
		}
		if gland {
			d := p.sec.at(a).junction + between(p.block, 0.1, 0.35)*p.b.depth
			x, y := p.sec.place(a+r+between(p.block, 10, 60), d)
			p.sebaceous(x, y)
		}
	}
}

// sheath is the shading of a follicle of radius r: fibrous sheath, glassy membrane,
// outer root sheath, pink inner root sheath, hair or keratin in the middle.
func (p *planter) sheath(r float64, hollow bool) *profile {
	inner := -0.62 * r
	return newProfile(func(d float64) (float64, float64, float64, float64) {
		switch {
		case d > 0:
			return 20, 78, 0.75 * (1 - ramp(6, 26, d)), 60
		case d > -1.4:
			return 22, 88, 1, 10
		case d > inner:
			dark := ramp(-14, -4, d)
			return 50 + 14*dark, 88 - 12*dark, 1, 40
		case d > inner-5:
			return 24, 128, 1, 40
		case d > -0.93*r || !hollow:
			return 26, 138 + 22*math.Sin(d*1.3), 1, 70
		}
		return 2, 3, 1, 4
	})
}

func (p *planter) alongCut(a, r, long, lean float64, seed uint32) {
	x0, y0 := p.sec.place(a, 6)
	ang := p.sec.slope(a) + math.Pi/2 + lean
	x1, y1 := x0+long*math.Cos(ang), y0+long*math.Sin(ang)
	bow := 0.16 * p.block.NormFloat64()
	xm, ym := x0+0.5*long*math.Cos(ang+bow), y0+0.5*long*math.Sin(ang+bow)
	xq, yq := x0+0.2*long*math.Cos(ang+1.4*bow), y0+0.2*long*math.Sin(ang+1.4*bow)
	for _, q := range [][2]float64{{x1, y1}, {xm, ym}, {(xm + x1) / 2, (ym + y1) / 2}} {
		if !p.free(q[0], q[1], r+10) {
			return
		}
	}
	f := &structure{kind: kindFollicle, seed: seed, blend: 30, wobble: 7, grain: 50, clip: p.sec,
		caps: []capsule{{x0, y0, 1.25 * r, xq, yq, 0.8 * r}, {xq, yq, 0.8 * r, xm, ym, r * between(p.block, 0.9, 1.3)},
			{xm, ym, r, x1, y1, 0.72 * r}},
		shade: p.sheath(r, chance(p.block, 0.5))}
	if chance(p.block, 0.3) {
		f.cleft = between(p.block, 2, 7)
	}
	p.put(f.finish(28))
	p.sheathCells(f, r)
	p.bulb(x1, y1, 0.95*r, ang, seed)
}

func (p *planter) acrossCut(x, y, r float64, seed uint32) {
	if !p.free(x, y, r+20) {
		return
	}
	long := r * between(p.block, 0, 2.2)
	ang := between(p.block, 0, math.Pi)
	f := &structure{kind: kindFollicle, seed: seed, wobble: 6, grain: 40, clip: p.sec,
		caps:  []capsule{{x, y, r, x + long*math.Cos(ang), y + long*math.Sin(ang), r * 0.9}},
		shade: p.sheath(r, chance(p.block, 0.4))}
	if chance(p.block, 0.35) {
		f.cleft = between(p.block, 3, 10)
	}
	p.put(f.finish(28))
	p.sheathCells(f, r)
	if chance(p.block, 0.4) { // a bulb or secondary germ cut beside it
		p.bulb(x+2.6*r*math.Cos(ang), y+2.6*r*math.Sin(ang), 0.8*r, ang, seed+3)
	}
}

func (p *planter) sheathCells(f *structure, r float64) {
	p.pack(p.fieldOf(f), packing{rim: cellBasal, rimDepth: 5.5, rimPitch: 5.6, core: cellSpinous, pitch: 9.2,
		from: 12, to: 0.6 * r, gain: between(p.cut, 0.85, 1.15), whorl: 0.6})
}

// bulb draws the matrix of a follicle: crowded dark cells around a pale papilla.
func (p *planter) bulb(x, y, r, ang float64, seed uint32) {
	if p.sec.tissue(x, y) < r+8 || p.index.near(x, y, r, func(s *structure) bool { return s.kind == kindFollicle }) < r {
		return
	}
	px, py := x+0.75*r*math.Cos(ang), y+0.75*r*math.Sin(ang)
	b := &structure{kind: kindBulb, seed: seed + 1, wobble: 2.5, grain: 25, blend: 14, clip: p.sec,
		caps: []capsule{{x, y, r, x + 0.3*r*math.Cos(ang), y + 0.3*r*math.Sin(ang), 1.05 * r}},
		shade: newProfile(func(d float64) (float64, float64, float64, float64) {
			if d > 0 {
				return 20, 75, 0.7 * (1 - ramp(5, 22, d)), 60
			}
			return 74, 60, 1, 45
		})}
	p.put(b.finish(24))
	papilla := func(qx, qy float64) bool { return math.Hypot(qx-px, qy-py) < 0.4*r }
	p.pack(p.fieldOf(b), packing{rim: cellPalisade, rimDepth: 5.5, rimPitch: 5.5, core: cellBasaloid, pitch: 7.4,
		from: 11, to: math.Inf(1), gain: between(p.cut, 0.9, 1.15), whorl: 0.3, bare: papilla})
}

// sebaceous draws a few lobules of foamy cells with a thin dark rim.
func (p *planter) sebaceous(x, y float64) {
	shade := newProfile(func(d float64) (float64, float64, float64, float64) {
		if d > 0 {
			return 18, 72, 0.6 * (1 - ramp(3, 12, d)), 60
		}
		return 26, 62, 1, 60
	})
	for range 1 + p.block.IntN(5) {
		r := between(p.block, 28, 75) * clamp(p.b.depth/900, 0.3, 1)
		x, y = x+r*between(p.block, -1.3, 1.3), y+r*between(p.block, -1.3, 1.3)
		lobule := &structure{kind: kindGland, seed: p.block.Uint32(), wobble: 4, grain: 30, blend: 10, shade: shade, clip: p.sec,
			caps: []capsule{{x, y, r, x + r*between(p.block, -0.6, 0.6), y + r*between(p.block, -0.6, 0.6), r * 0.8}}}
		if !p.free(x, y, r) {
			continue
		}
		p.put(lobule.finish(14))
		p.pack(p.fieldOf(lobule), packing{rim: cellBasal, rimDepth: 3, rimPitch: 7, rimFlat: true,
			core: cellSebocyte, pitch: 13.5, from: 9, to: math.Inf(1), gain: between(p.cut, 0.8, 1.1)})
	}
}

// sweatGlands draws coils of ducts deep in the dermis and single ducts above them.
func (p *planter) sweatGlands() {
	for range int(p.b.length/1000*between(p.block, 0.2, 1.4) + p.block.Float64()) {
		a := p.b.length * between(p.block, -0.45, 0.45)
		depth := p.b.depth * between(p.block, 0.3, 0.8)
		x, y := p.sec.place(a, depth)
		for range 1 + p.block.IntN(12) {
			r := between(p.block, 12, 22)
			qx, qy := x+55*p.block.NormFloat64(), y+45*p.block.NormFloat64()
			ang, long := between(p.block, 0, math.Pi), between(p.block, 0, 45)
			if p.free(qx, qy, r+3) {
				p.duct(qx, qy, r, ang, long)
			}
		}
	}
}

func (p *planter) duct(x, y, r, ang, long float64) {
	lumen := -r + between(p.block, 3, 6)
	d := &structure{kind: kindDuct, seed: p.block.Uint32(), wobble: 1.5, grain: 18, clip: p.sec,
		caps: []capsule{{x, y, r, x + long*math.Cos(ang), y + long*math.Sin(ang), r}},
		shade: newProfile(func(d float64) (float64, float64, float64, float64) {
			switch {
			case d > 0:
				return 18, 84, 0.6 * (1 - ramp(2, 9, d)), 50
			case d > lumen-2 && d < lumen:
				return 25, 125, 1, 10
			case d < lumen:
				return 1, 3, 1, 3
			}
			return 45, 72, 1, 40
		})}
	p.put(d.finish(10))
	p.pack(p.fieldOf(d), packing{rim: cellRound, rimDepth: 4, rimPitch: 6.8, core: cellRound, pitch: 8,
		from: 9.5, to: -lumen - 2.5, gain: between(p.cut, 0.95, 1.3)})
}
