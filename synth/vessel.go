package synth

import "math"

// vessels draws small vessels, most of them flattened, some filled with blood, with
// their cuffs of lymphocytes.
func (p *planter) vessels() {
	n := int(p.b.length * p.b.depth / 1e6 * between(p.block, 4, 14))
	cuffs := p.block.Float64() * p.block.Float64()
	for range n {
		a := p.b.length * between(p.block, -0.48, 0.48)
		depth := p.sec.at(a).junction + 15 + math.Abs(p.block.NormFloat64())*0.35*p.b.depth
		r := math.Exp(between(p.block, math.Log(4), math.Log(17)))
		if chance(p.block, 0.05) {
			r *= 2.4
		}
		long := r * between(p.block, 0, 4)
		ang := p.sec.slope(a) + 0.7*p.block.NormFloat64()
		x, y := p.sec.place(a, depth)
		if !p.free(x, y, r+4) || !p.free(x+long*math.Cos(ang), y+long*math.Sin(ang), r+4) {
			continue
		}
		p.vessel(x, y, r, ang, long)
		if chance(p.cut, cuffs) {
			p.crowd(cellLymph, x+long/2*math.Cos(ang), y+long/2*math.Sin(ang), 14+r, 10+p.cut.IntN(70))
		}
	}
}

func (p *planter) vessel(x, y, r, ang, long float64) {
	wall := clamp(0.3*r, 2.2, 9)
	blood := chance(p.cut, 0.4)
	v := &structure{kind: kindVessel, seed: p.block.Uint32(), wobble: 0.28 * r, grain: 6 + r, clip: p.sec,
		caps: p.bent(x, y, r, ang, long), blend: r,
		shade: newProfile(func(d float64) (float64, float64, float64, float64) {
			switch {
			case d > 0:
				return 16, 80, 0.7 * (1 - ramp(2, 8, d)), 60
			case d > -wall:
				return 36, 92, 1, 60
			}
			return 2, 5, 1, 6
		})}
	p.put(v.finish(9))
	f := p.fieldOf(v)
	k := packing{rim: cellFibro, rimDepth: wall * 0.6, rimPitch: 13, rimFlat: true, gain: 1}
	if blood {
		k.core, k.pitch, k.from, k.to = cellRed, 6.4, wall+3, math.Inf(1)
	}
	p.pack(f, k)
}

// bent returns a tube that turns halfway and narrows.
func (p *planter) bent(x, y, r, ang, long float64) []capsule {
	turn := 0.6 * p.block.NormFloat64()
	mx, my := x+0.5*long*math.Cos(ang-turn), y+0.5*long*math.Sin(ang-turn)
	ex, ey := mx+0.5*long*math.Cos(ang+turn), my+0.5*long*math.Sin(ang+turn)
	return []capsule{{x, y, r * between(p.block, 0.4, 1), mx, my, r}, {mx, my, r, ex, ey, r * between(p.block, 0.3, 0.9)}}
}

// muscles draws smooth muscle and nerves: pink bundles of parallel spindles.
func (p *planter) muscles() {
	for range int(p.b.length/1000*between(p.block, 0, 1.2) + p.block.Float64()) {
		a := p.b.length * between(p.block, -0.45, 0.45)
		x, y := p.sec.place(a, p.b.depth*between(p.block, 0.2, 0.7))
		ang := p.sec.slope(a) + between(p.block, -1.2, 1.2)
		r, long := between(p.block, 14, 34), between(p.block, 60, 300)
		x1, y1 := x+long*math.Cos(ang), y+long*math.Sin(ang)
		if !p.free(x, y, r+5) || !p.free(x1, y1, r+5) {
			continue
		}
		h, e := between(p.block, 14, 30), between(p.block, 98, 135)
		m := &structure{kind: kindMuscle, seed: p.block.Uint32(), wobble: 5, grain: 40, clip: p.sec,
			caps: []capsule{{x, y, r, x1, y1, r * 0.6}},
			shade: newProfile(func(d float64) (float64, float64, float64, float64) {
				return h, e, 0.95 * (1 - ramp(-2, 0.5, d)), 70
			})}
		p.put(m.finish(2))
		f := p.fieldOf(m)
		p.spots(m.box, 15, 0.45, func(x, y float64) {
			if f.at(x, y) < -4 {
				p.add(cellFibro, x, y, ang+between(p.cut, -0.15, 0.15), between(p.cut, 0.55, 0.9))
			}
		})
	}
}
