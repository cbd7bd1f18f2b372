package synth

import "math"

// kind is what a structure is.
type kind uint8

const (
	kindNest     kind = iota // of a BCC
	kindFollicle             // hair follicle: the classic mimic
	kindBulb                 // its matrix, as dark as a nest
	kindGland                // sebaceous lobule
	kindDuct                 // eccrine duct or coil
	kindVessel
	kindMuscle
	kindNevus     // nests of rounded cells, no palisade
	kindKeratosis // benign thickening of the epidermis
	kindLymphoid  // crowd of lymphocytes
)

// class returns the value of the structure's pixels in the mask.
func (k kind) class() uint8 {
	switch k {
	case kindNest:
		return ClassBCC
	case kindVessel, kindMuscle:
		return ClassTissue
	}
	return ClassMimic
}

// capsule is a line with a radius at each end, micrometres on the slide.
type capsule struct{ x0, y0, r0, x1, y1, r1 float64 }

func (c *capsule) dist(x, y float64) float64 {
	dx, dy := c.x1-c.x0, c.y1-c.y0
	px, py := x-c.x0, y-c.y0
	t := 0.0
	if n := dx*dx + dy*dy; n > 0 {
		t = clamp((px*dx+py*dy)/n, 0, 1)
	}
	px, py = px-t*dx, py-t*dy
	return math.Sqrt(px*px+py*py) - (c.r0 + (c.r1-c.r0)*t)
}

// structure is anything drawn over the layers: a smooth union of capsules whose
// outline wobbles, shaded by the distance from that outline.
type structure struct {
	kind   kind
	caps   []capsule
	blend  float64  // how softly the capsules run together
	wobble float64  // height of the outline's bumps
	grain  float64  // their size
	seed   uint32   // of bumps, clefts and lakes
	clip   *section // where set, the structure ends inside this tissue
	cleft  float64  // widest retraction cleft around it
	lakes  float64  // 0 to 1: how much of its inside is mucin
	shade  *profile // by distance from the outline
	box    box      // with everything it shades
}

// finish sets the box from the capsules; reach is how far the shading goes.
func (s *structure) finish(reach float64) *structure {
	s.box = box{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, c := range s.caps {
		r := math.Max(c.r0, c.r1) + s.wobble + reach + s.blend/2
		s.box = s.box.union(box{math.Min(c.x0, c.x1) - r, math.Min(c.y0, c.y1) - r,
			math.Max(c.x0, c.x1) + r, math.Max(c.y0, c.y1) + r})
	}
	return s
}

// dist returns the distance from the outline, negative inside.
func (s *structure) dist(x, y float64) float64 {
	d := math.Inf(1)
	for i := range s.caps {
		e := s.caps[i].dist(x, y)
		if h := s.blend - math.Abs(d-e); h > 0 { // polynomial smooth minimum, Quilez
			d = math.Min(d, e) - h*h/(4*s.blend)
		} else {
			d = math.Min(d, e)
		}
	}
	if s.wobble > 0 && d < 4*s.wobble {
		d += s.wobble * (0.7*noise2(s.seed, x/s.grain, y/s.grain) + 0.45*noise2(s.seed+1, 2.7*x/s.grain, 2.7*y/s.grain))
	}
	if s.clip != nil && d < 20 {
		d = math.Max(d, 12-s.clip.tissue(x, y))
	}
	return d
}

// cleftAt returns the width of the retraction cleft near (x, y); 0 over long stretches.
func (s *structure) cleftAt(x, y float64) float64 {
	if s.cleft == 0 {
		return 0
	}
	return s.cleft * ramp(-0.1, 0.75, noise2(s.seed+7, x/110, y/110)+0.25*noise2(s.seed+8, x/30, y/30))
}

// lakeAt returns how far (x, y) lies in a lake of mucin, positive within, micrometres.
func (s *structure) lakeAt(x, y float64) float64 {
	if s.lakes == 0 {
		return -50
	}
	return 55 * (noise2(s.seed+9, x/75, y/75) + 0.3*noise2(s.seed+10, x/22, y/22) - (1 - s.lakes))
}

// tone is one step of a profile: stain, how much of it covers what lies below, and
// how much the texture shows.
type tone struct{ h, e, cover, grain uint8 }

// profile is a shading by distance from the outline, half a micrometre a step.
type profile [512]tone

const profileZero = 256 // the step of the outline itself

// newProfile fills a profile from a function of the distance in micrometres.
func newProfile(f func(d float64) (h, e, cover, grain float64)) *profile {
	var p profile
	for i := range p {
		h, e, c, g := f((float64(i-profileZero) + 0.5) / 2)
		p[i] = tone{byteOf(h), byteOf(e), byteOf(255 * c), byteOf(g)}
	}
	return &p
}

// index holds structures by place, for questions during planning.
type index struct {
	cells map[[2]int32][]*structure
}

const indexCell = 200.0 // µm

func (ix *index) add(s *structure) {
	if ix.cells == nil {
		ix.cells = map[[2]int32][]*structure{}
	}
	for y := int32(math.Floor(s.box.y0 / indexCell)); y <= int32(math.Floor(s.box.y1/indexCell)); y++ {
		for x := int32(math.Floor(s.box.x0 / indexCell)); x <= int32(math.Floor(s.box.x1/indexCell)); x++ {
			ix.cells[[2]int32{x, y}] = append(ix.cells[[2]int32{x, y}], s)
		}
	}
}

// near returns the distance to the nearest structure that is not skipped, at most far.
func (ix *index) near(x, y, far float64, skip func(*structure) bool) float64 {
	d := far
	for _, s := range ix.cells[[2]int32{int32(math.Floor(x / indexCell)), int32(math.Floor(y / indexCell))}] {
		if s.box.has(x, y) && (skip == nil || !skip(s)) {
			d = math.Min(d, s.dist(x, y))
		}
	}
	return d
}
