package synth

import (
	"math"
	"math/rand/v2"
)

// section is one piece of tissue on the glass. In its own frame a runs along the
// skin's surface and b into the tissue; both are micrometres, as is all below.
type section struct {
	cx, cy   float64 // the frame's origin on the slide
	cos, sin float64
	length   float64
	depth    float64
	seed     uint32
	gaps     float64 // how far bundles of collagen part, steps of the texture
	sun      int32   // elastosis, 0 to 100
	layers   []layer // every layerStep along a
	box      box     // on the slide, with all that belongs to it
}

// layer is the section's build at one place along the surface. All but surface are
// depths below it.
type layer struct {
	surface  float64 // b of the skin's surface
	corneum  float64 // height of the horny layer above the surface
	junction float64 // where epidermis ends and dermis begins
	papilla  float64 // where papillary dermis turns reticular
	fat      float64 // where fat begins
	bottom   float64 // the cut edge
}

const layerStep = 2.0

// build is what all sections of one block share.
type build struct {
	length, depth   float64
	bend            float64 // height of the arc
	epidermis       float64 // thickness between the ridges
	ridge, ridgeGap float64 // depth of the rete ridges and their distance
	corneum         float64
	papilla         float64
	fat             float64
	gaps            float64
	sun             int32
	seed            uint32
}

func newBuild(r *rand.Rand, length, depth float64) build {
	small := clamp(depth/900, 0.15, 1) // a scrap of tissue gets thin layers
	return build{
		length: length, depth: depth,
		bend:      between(r, -0.05, 0.14) * length,
		epidermis: between(r, 45, 85) * small,
		ridge:     between(r, 20, 115) * small,
		ridgeGap:  between(r, 80, 190),
		corneum:   between(r, 12, 45) * small,
		papilla:   between(r, 60, 180) * small,
		fat:       depth * between(r, 0.62, 1.5),
		gaps:      between(r, 4, 26),
		sun:       max(0, int32(between(r, -60, 100))),
		seed:      r.Uint32(),
	}
}

// newSection cuts a section of the block; cut varies from section to section.
func newSection(b build, cut uint32, cx, cy, angle float64) *section {
	s := &section{cx: cx, cy: cy, cos: math.Cos(angle), sin: math.Sin(angle),
		length: b.length, depth: b.depth, gaps: b.gaps, sun: b.sun, seed: b.seed ^ cut*0x9e3779b9}
	n := int(b.length/layerStep) + 2
	s.layers = make([]layer, n)
	shift := 40 * float64(cut%7) // the next section lies a little further along every ridge
	for i := range s.layers {
		a := float64(i)*layerStep - b.length/2
		t := clamp(2*a/b.length, -1, 1)
		p := a + shift
		thick := b.epidermis * (1 + 0.3*noise1(b.seed+1, p/350))
		r := noise1(b.seed+2, p/b.ridgeGap*1.6)
		r = math.Max(0, 0.25+r) * (1 + 0.5*noise1(b.seed+3, p/500))
		top := -b.depth/2 - b.bend*(0.5-t*t)
		s.layers[i] = layer{
			surface:  top + 0.045*b.depth*noise1(b.seed+4, p/700) + 9*noise1(b.seed+5, p/70),
			corneum:  b.corneum * (1 + 0.5*noise1(b.seed+6, p/160)),
			junction: thick + b.ridge*r,
			papilla:  thick + b.ridge + b.papilla*(1+0.4*noise1(b.seed+7, p/220)),
			fat:      b.fat * (1 + 0.13*noise1(b.seed+8, p/240)),
			bottom: b.depth*math.Pow(1-math.Pow(math.Abs(t), 5), 0.4)*(1+0.14*noise1(s.seed+9, a/420)) +
				0.02*b.depth*noise1(s.seed+10, a/60),
		}
	}
	reach := math.Abs(b.bend) + 0.2*b.depth + 120
	hw, hh := b.length/2+30, b.depth/2+reach
	w := hw*math.Abs(s.cos) + hh*math.Abs(s.sin)
	h := hw*math.Abs(s.sin) + hh*math.Abs(s.cos)
	s.box = box{cx - w, cy - h, cx + w, cy + h}
	return s
}

// local turns a place on the slide into the section's frame.
func (s *section) local(x, y float64) (a, b float64) {
	x, y = x-s.cx, y-s.cy
	return x*s.cos + y*s.sin, y*s.cos - x*s.sin
}

// place turns a place along the surface and a depth below it into one on the slide.
func (s *section) place(a, depth float64) (x, y float64) {
	b := s.at(a).surface + depth
	return s.cx + a*s.cos - b*s.sin, s.cy + a*s.sin + b*s.cos
}

// at returns the build at a, linear between the steps.
func (s *section) at(a float64) layer {
	f := clamp((a+s.length/2)/layerStep, 0, float64(len(s.layers)-1)-1e-6)
	i := int(f)
	t := f - float64(i)
	p, q := &s.layers[i], &s.layers[i+1]
	return layer{
		p.surface + (q.surface-p.surface)*t,
		p.corneum + (q.corneum-p.corneum)*t,
		p.junction + (q.junction-p.junction)*t,
		p.papilla + (q.papilla-p.papilla)*t,
		p.fat + (q.fat-p.fat)*t,
		p.bottom + (q.bottom-p.bottom)*t,
	}
}

// inside returns how far (a, b) lies within the cut edges (the surface is not one).
func (s *section) inside(a, depth float64, l layer) float64 {
	ends := s.length/2 - math.Abs(a) - 6*noise2(s.seed+11, depth/25, 0)
	return math.Min(l.bottom-depth, ends)
}

// tissue returns how far the place lies inside the tissue, below the surface too.
func (s *section) tissue(x, y float64) float64 {
	a, b := s.local(x, y)
	l := s.at(a)
	return math.Min(s.inside(a, b-l.surface, l), b-l.surface)
}

// slope returns the angle of the surface at a, on the slide.
func (s *section) slope(a float64) float64 {
	x0, y0 := s.place(a-15, 0)
	x1, y1 := s.place(a+15, 0)
	return math.Atan2(y1-y0, x1-x0)
}

// box is a rectangle in micrometres.
type box struct{ x0, y0, x1, y1 float64 }

func (b box) meets(c box) bool { return b.x0 < c.x1 && c.x0 < b.x1 && b.y0 < c.y1 && c.y0 < b.y1 }

func (b box) has(x, y float64) bool { return x >= b.x0 && x < b.x1 && y >= b.y0 && y < b.y1 }

func (b box) grow(d float64) box { return box{b.x0 - d, b.y0 - d, b.x1 + d, b.y1 + d} }

func (b box) union(c box) box {
	return box{math.Min(b.x0, c.x0), math.Min(b.y0, c.y0), math.Max(b.x1, c.x1), math.Max(b.y1, c.y1)}
}
