package synth

import (
	"math"
	"math/rand/v2"
)

// marks are what cutting, mounting, people and the scanner add.
type marks struct {
	folds []fold
	pens  []pen
	blurs []blurred
}

// fold is a crease where the tissue lies twice.
type fold struct {
	line []capsule
	seed uint32
	box  box
}

// pen is a stroke of ink on the cover slip.
type pen struct {
	line []capsule
	ink  [3]int32 // transmission of 256
	seed uint32
	box  box
}

// blurred is a round zone out of focus.
type blurred struct {
	x, y, r float64 // µm
	radius  int     // of the blur, pixels
	box     box
}

const maxBlur = 6 // pixels

func newMarks(r *rand.Rand, s *Scene) marks {
	var m marks
	if s.cfg.Clean {
		return m
	}
	w, h := s.extent()
	for _, sec := range s.sections {
		if chance(r, 0.3) {
			m.folds = append(m.folds, newFold(r, sec))
		}
	}
	if chance(r, 0.2) {
		inks := [][3]int32{{60, 80, 175}, {45, 48, 58}, {60, 140, 95}}
		m.pens = append(m.pens, newPen(r, s.sections[0], inks[r.IntN(len(inks))]))
	}
	if chance(r, 0.3) {
		b := blurred{x: between(r, 0.2, 0.8) * w, y: between(r, 0.2, 0.8) * h,
			r: between(r, 0.08, 0.25) * math.Min(w, h), radius: 2 + r.IntN(maxBlur-2)}
		b.box = box{b.x - b.r, b.y - b.r, b.x + b.r, b.y + b.r}.grow(cell8) // the reach of a lattice node
		m.blurs = append(m.blurs, b)
	}
	return m
}

// wander returns a line of capsules from a point, turning a little at each step.
func wander(r *rand.Rand, x, y, angle, step, turn, radius float64, n int) ([]capsule, box) {
	var line []capsule
	b := box{x, y, x, y}
	for range n {
		angle += turn * between(r, -1, 1)
		nx, ny := x+step*math.Cos(angle), y+step*math.Sin(angle)
		line = append(line, capsule{x, y, radius, nx, ny, radius})
		x, y = nx, ny
		b = b.union(box{x, y, x, y})
	}
	return line, b.grow(radius*1.5 + 30) // rough edges, and the reach of a lattice node
}

func newFold(r *rand.Rand, sec *section) fold {
	x, y := sec.place(between(r, -0.4, 0.3)*sec.length, between(r, 0, 0.3)*sec.depth)
	f := fold{seed: r.Uint32()}
	f.line, f.box = wander(r, x, y, sec.slope(0)+between(r, 0.5, 1.9), sec.depth/10, 0.25, between(r, 9, 28), 4+r.IntN(6))
	return f
}

func newPen(r *rand.Rand, sec *section, ink [3]int32) pen {
	p := pen{ink: ink, seed: r.Uint32()}
	x, y := sec.place(between(r, -0.5, 0)*sec.length, sec.depth*between(r, 1.0, 1.3))
	wide := clamp(sec.length/30, 15, between(r, 90, 200))
	p.line, p.box = wander(r, x, y, sec.slope(0)+between(r, -0.3, 0.3), sec.length/12, 0.2, wide, 5+r.IntN(6))
	return p
}

func lineDist(line []capsule, x, y float64) float64 {
	d := math.Inf(1)
	for i := range line {
		d = math.Min(d, line[i].dist(x, y))
	}
	return d
}

// gain returns how much darker the fold makes the tissue at (x, y): 1 outside.
func (f *fold) gain(x, y float64) float64 {
	d := lineDist(f.line, x, y) + 4*noise2(f.seed, x/40, y/40)
	return 1 + 0.85*(1-ramp(-4, 1, d)) + 0.35*(1-ramp(0, 3, math.Abs(d+2)))
}

// density returns how much ink lies at (x, y), 0 to 1.
func (p *pen) density(x, y float64) float64 {
	d := lineDist(p.line, x, y) + 7*noise2(p.seed, x/60, y/60)
	streak := 0.85 + 0.15*noise2(p.seed+1, x/90, y/14)
	return (1 - ramp(-10, 4, d)) * streak * (0.85 + 0.3*ramp(-30, -4, d))
}
