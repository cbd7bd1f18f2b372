package synth

import "math"

// nestShade is the profile of a BCC nest: scant dark cytoplasm within, a loose bluish
// stroma around it.
func (p *planter) nestShade() *profile {
	h, e := between(p.block, 62, 92), between(p.block, 45, 70)
	stroma := between(p.block, 0.1, 0.6)
	return newProfile(func(d float64) (float64, float64, float64, float64) {
		if d < 0 {
			return h + 8*ramp(-9, -2, d), e, 1, 50
		}
		return 24, 0, stroma * (1 - ramp(8, 60, d)), 0
	})
}

// carcinoma grows the nests of a section, in the slide's growth pattern, fills them
// with cells and notes them as lesions.
func (p *planter) carcinoma() {
	shade := p.nestShade()
	first := len(p.structs)
	for range 6 { // small scraps of tissue may leave no room at the first try
		switch p.growth {
		case Nodular:
			p.nodular(shade)
		case Superficial:
			p.superficial(shade)
		default:
			p.infiltrative(shade)
		}
		if len(p.structs) > first {
			break
		}
	}
	if len(p.structs) == first { // no room at all: a bud under the middle of the surface
		p.bud(shade, 0, math.Min(25, p.b.depth/6))
	}
	p.note(p.structs[first:])
}

// nest makes a nest of capsules; its bumps and cleft fit its width.
func (p *planter) nest(shade *profile, caps []capsule, width float64) *structure {
	s := &structure{
		kind: kindNest, caps: caps, shade: shade, clip: p.sec, seed: p.block.Uint32(),
		blend: clamp(width*0.7, 8, 40), wobble: clamp(width*0.22, 2.2, 16), grain: clamp(width*0.8, 14, 70),
	}
	if chance(p.block, 0.8) {
		s.cleft = between(p.block, 4, 17) * clamp(width/45, 0.4, 1)
	}
	if width > 60 && chance(p.block, 0.45) {
		s.lakes = between(p.block, 0.25, 0.65)
	}
	return s.finish(62)
}

// lobes returns a cluster of overlapping discs.
func (p *planter) lobes(x, y, r float64) []capsule {
	caps := []capsule{{x, y, r, x, y, r}}
	for range 2 + p.block.IntN(6) {
		a := between(p.block, 0, 2*math.Pi)
		q := r * between(p.block, 0.3, 0.75)
		d := r * between(p.block, 0.55, 1.15)
		cx, cy := x+d*math.Cos(a), y+d*math.Sin(a)
		caps = append(caps, capsule{cx, cy, q, cx + q*between(p.block, -0.8, 0.8), cy + q*between(p.block, -0.8, 0.8), q * 0.8})
	}
	return caps
}

// nodular grows a few groups of large round nests, with small ones around them.
func (p *planter) nodular(shade *profile) {
	for range 1 + p.block.IntN(3) {
		a := p.b.length * between(p.block, -0.36, 0.36)
		spread := clamp(p.b.length*0.07, 40, between(p.block, 120, 420))
		for range 2 + p.block.IntN(9) {
			r := clamp(math.Exp(between(p.block, math.Log(28), math.Log(250))), 10, 0.2*p.b.depth)
			at := a + spread*p.block.NormFloat64()
			l := p.sec.at(at)
			depth := l.junction + r*0.8 + math.Abs(p.block.NormFloat64())*0.22*p.b.depth
			x, y := p.sec.place(at+6*between(p.cut, -1, 1), depth+6*between(p.cut, -1, 1))
			s := p.nest(shade, p.lobes(x, y, r), r)
			if p.sec.tissue(x, y) > 0.55*r+15 && p.index.near(x, y, 2*r, nil) > 0.6*r {
				p.put(s)
			}
		}
	}
}

// superficial hangs buds along stretches of the epidermis.
func (p *planter) superficial(shade *profile) {
	for range 2 + p.block.IntN(4) {
		a := p.b.length * between(p.block, -0.45, 0.35)
		end := math.Min(a+between(p.block, 250, 1600), 0.46*p.b.length)
		for a < end {
			r := clamp(between(p.block, 16, 52), 8, 0.1*p.b.depth)
			p.bud(shade, a, r)
			a += r * between(p.block, 2, 7)
		}
	}
}

// bud hangs one nest of radius r from the epidermis at a.
func (p *planter) bud(shade *profile, a, r float64) {
	l := p.sec.at(a)
	top := l.junction - 0.1*r
	x0, y0 := p.sec.place(a-r*between(p.block, 0.2, 2), top)
	x1, y1 := p.sec.place(a+r*between(p.block, 0.2, 2), top+r*between(p.block, 0, 0.6))
	x2, y2 := p.sec.place(a+r*between(p.block, -0.7, 0.7), top+r*between(p.block, 0.6, 1.9))
	caps := []capsule{{x0, y0, 0.7 * r, x1, y1, 0.8 * r}, {(x0 + x1) / 2, (y0 + y1) / 2, 0.8 * r, x2, y2, r}}
	if p.sec.tissue(x2, y2) > r+12 {
		p.put(p.nest(shade, caps, r))
	}
}

// infiltrative spreads thin, angular strands through the dermis.
func (p *planter) infiltrative(shade *profile) {
	a := p.b.length * between(p.block, -0.3, 0.3)
	wide := clamp(p.b.length*0.16, 30, between(p.block, 250, 800))
	deep := clamp(p.b.depth*0.4, 30, between(p.block, 250, 900))
	lean := between(p.block, -0.7, 0.7)
	area := wide * deep
	for range clampInt(int(area/between(p.block, 2200, 5000)), 8, 320) {
		at := a + 0.6*wide*p.block.NormFloat64()
		l := p.sec.at(at)
		x, y := p.sec.place(at, l.junction+20+deep*math.Abs(p.block.NormFloat64())*0.6)
		ang := p.sec.slope(at) + lean + 0.8*p.block.NormFloat64()
		r := between(p.block, 7, 18)
		var caps []capsule
		for range 1 + p.block.IntN(4) {
			step, q := between(p.block, 14, 48), math.Max(7, r*between(p.block, 0.6, 1.25))
			nx, ny := x+step*math.Cos(ang), y+step*math.Sin(ang)
			caps = append(caps, capsule{x, y, r, nx, ny, q})
			x, y, r = nx, ny, q
			ang += 0.7 * p.block.NormFloat64()
		}
		c := caps[0]
		caps[0].r0 *= 0.6 // pointed ends
		caps[len(caps)-1].r1 *= 0.45
		if p.sec.tissue(c.x0, c.y0) > c.r0+15 && p.sec.tissue(x, y) > r+15 && p.index.near(c.x0, c.y0, 20, nil) > 12 {
			p.put(p.nest(shade, caps, c.r0))
		}
	}
	if chance(p.block, 0.5) { // many have a nodular part
		r := clamp(between(p.block, 50, 140), 10, 0.16*p.b.depth)
		x, y := p.sec.place(a, p.sec.at(a).junction+1.3*r)
		if p.sec.tissue(x, y) > r {
			p.put(p.nest(shade, p.lobes(x, y, r), r))
		}
	}
}

func clampInt(v, lo, hi int) int { return min(max(v, lo), hi) }

// note groups nests that lie close together into lesions, takes their outlines, and
// fills them with cells.
func (p *planter) note(nests []*structure) {
	gain := between(p.block, 0.85, 1.25)
	pitch := between(p.block, 7.2, 8.8)
	for _, group := range groups(nests) {
		f := p.fieldOf(group...)
		l := Lesion{Growth: p.growth}
		for _, ring := range f.rings(0) {
			l.AreaUM2 += area(ring)
			l.Rings = append(l.Rings, ring)
		}
		if l.AreaUM2 <= 0 {
			continue
		}
		l.box = f.ringBox(l.Rings)
		p.lesions = append(p.lesions, l)
		inLake := func(x, y float64) bool {
			for _, s := range group {
				if s.lakes > 0 && s.box.has(x, y) {
					if d := s.dist(x, y); d < -8 && math.Min(s.lakeAt(x, y), -d-12) > -2 {
						return true
					}
				}
			}
			return false
		}
		p.pack(f, packing{rim: cellPalisade, rimDepth: 4.8, rimPitch: 5.3, core: cellBasaloid, pitch: pitch,
			from: 10, to: math.Inf(1), gain: gain, whorl: 0.25, bare: inLake})
		p.halo(f)
		for range int(l.AreaUM2 / 9000) { // drops of dead cells
			x, y := between(p.cut, l.box.x0, l.box.x1), between(p.cut, l.box.y0, l.box.y1)
			if f.at(x, y) < -10 {
				p.add(cellApoptotic, x, y, 0, 1)
			}
		}
	}
}

// halo lays the cells of the stroma around nests: spindles along the outline and, in
// places, lymphocytes.
func (p *planter) halo(f *field) {
	crowded := p.block.Float64()
	for iso := 9.0; iso < 50; iso += 10 {
		for _, ring := range f.rings(iso) {
			p.walk(ring, 16+0.4*iso, func(x, y float64) {
				if p.sec.tissue(x, y) < 8 || p.index.near(x, y, 8, nil) < 4 || chance(p.cut, 0.35) {
					return
				}
				p.add(cellFibro, x+3*p.cut.NormFloat64(), y+3*p.cut.NormFloat64(),
					f.normal(x, y)+math.Pi/2+between(p.cut, -0.4, 0.4), between(p.cut, 0.7, 1.1))
				if noise2(p.sec.seed+40, x/160, y/160) > 0.75-0.7*crowded {
					p.crowd(cellLymph, x, y, 12, 1+p.cut.IntN(4))
				}
			})
		}
	}
}

// groups unites structures whose shading meets: one lesion to the eye.
func groups(all []*structure) [][]*structure {
	var out [][]*structure
	var boxes []box
	for _, s := range all {
		g, b := []*structure{s}, s.box
		for i := 0; i < len(out); {
			if boxes[i].meets(b) && anyMeets(out[i], g) {
				g, b = append(out[i], g...), boxes[i].union(b)
				out, boxes = append(out[:i], out[i+1:]...), append(boxes[:i], boxes[i+1:]...)
				i = 0
				continue
			}
			i++
		}
		out, boxes = append(out, g), append(boxes, b)
	}
	return out
}

func anyMeets(a, b []*structure) bool {
	for _, s := range a {
		for _, t := range b {
			if s.box.meets(t.box) {
				return true
			}
		}
	}
	return false
}

func (f *field) ringBox(rings [][]Point) box {
	b := box{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, r := range rings {
		for _, q := range r {
			b = b.union(box{q.X, q.Y, q.X, q.Y})
		}
	}
	return b
}
