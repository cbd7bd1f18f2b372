package synth

import (
	"math"
	"math/rand/v2"

	"bcc/fault"
	"bcc/wsi"
)

// Classes of the mask's pixels.
const (
	ClassBackground = 0
	ClassTissue     = 1 // dermis and all that is none of the below
	ClassBCC        = 2
	ClassMimic      = 3 // follicles, glands, ducts, nevus nests, keratoses, lymphoid crowds
	ClassEpidermis  = 4
	ClassFat        = 5
)

// Scene is a slide, planned to the last cell. It does not change after New, so
// goroutines may share it.
type Scene struct {
	cfg      Config
	growth   Growth
	sections []*section
	structs  []*structure // in drawing order
	herd     *herd
	atlas    *atlas
	tex      *textures
	optics   *optics
	marks    marks
	lesions  []Lesion

	index index
	cells []cell // until they are sorted into herd
}

// New plans the slide.
func New(cfg Config) (*Scene, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := stream(cfg.Seed, 1)
	s := &Scene{cfg: cfg, growth: cfg.Growth, tex: sharedTextures()}
	if cfg.BCC && s.growth == Any {
		s.growth = Growths()[r.IntN(3)]
	}
	s.optics = newOptics(stream(cfg.Seed, 2))
	b, places := s.layout(r)
	for i, p := range places {
		sec := newSection(b, uint32(i), p.x, p.y, p.angle)
		s.sections = append(s.sections, sec)
		s.plant(b, sec, uint64(i))
	}
	if cfg.BCC && len(s.lesions) == 0 { // a label without a lesion would be a lie
		return nil, fault.Hint(fault.New(fault.Invalid, "plan slide of %v: no room for a carcinoma", cfg.Size), "ask for a larger slide")
	}
	s.marks = newMarks(stream(cfg.Seed, 4), s)
	w, h := s.extent()
	s.herd = newHerd(s.cells, w, h)
	s.atlas = newAtlas(uint32(stream(cfg.Seed, 3).Uint64()), cfg.MPP, s.herd.cells)
	s.cells, s.index = nil, index{} // planning is over
	return s, nil
}

// Config returns what the scene was made from, with the growth pattern filled in.
func (s *Scene) Config() Config {
	c := s.cfg
	c.Growth = s.growth
	return c
}

// extent returns the slide's size in micrometres.
func (s *Scene) extent() (w, h float64) {
	return float64(s.cfg.Size.W) * s.cfg.MPP, float64(s.cfg.Size.H) * s.cfg.MPP
}

// bounds returns the slide's rectangle in pixels.
func (s *Scene) bounds() wsi.Rect { return wsi.Rect{W: s.cfg.Size.W, H: s.cfg.Size.H} }

type pose struct{ x, y, angle float64 }

// layout chooses the block and where its sections lie: a few cells of a loose grid,
// most of the glass left white.
func (s *Scene) layout(r *rand.Rand) (build, []pose) {
	w, h := s.extent()
	length := between(r, 3000, math.Max(7500, 0.45*math.Min(w, h)))
	depth := length * between(r, 0.28, 0.55)
	tilt := between(r, -0.3, 0.3)
	if s.cfg.Variant == Rotated {
		tilt = between(r, 0.4, 5.9)
	} else if chance(r, 0.25) {
		tilt += math.Pi * between(r, 0.3, 1.7)
	}
	boxW := func() float64 { return length*math.Abs(math.Cos(tilt)) + 1.25*depth*math.Abs(math.Sin(tilt)) }
	boxH := func() float64 { return length*math.Abs(math.Sin(tilt)) + 1.25*depth*math.Abs(math.Cos(tilt)) }
	if f := math.Min(0.93*w/boxW(), 0.93*h/boxH()); f < 1 {
		length, depth = f*length, f*depth
	}
	cols, rows := max(int(w/(1.12*boxW())), 1), max(int(h/(1.2*boxH())), 1)
	want := min(1+r.IntN(4), cols*rows)
	if cols*rows >= 6 {
		want = min(4+r.IntN(9), cols*rows)
	}
	var places []pose
	for _, i := range r.Perm(cols * rows)[:want] {
		cw, ch := w/float64(cols), h/float64(rows)
		dx, dy := math.Max(0, cw-boxW())/2, math.Max(0, ch-boxH())/2
		places = append(places, pose{
			(float64(i%cols)+0.5)*cw + 0.7*dx*between(r, -1, 1),
			(float64(i/cols)+0.5)*ch + 0.7*dy*between(r, -1, 1),
			tilt + between(r, -0.07, 0.07),
		})
	}
	return newBuild(r, length, depth), places
}
