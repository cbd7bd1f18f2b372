package synth

import (
	"math"
	"sync"

	"bcc/wsi"
)

// chunk is the side of the squares a rectangle is rendered in; it bounds the memory
// of a call and changes no pixel.
const chunk = 512

// plate holds the stains and classes of the pixels being rendered.
type plate struct {
	x, y, w, ht int // on the slide; w also is the length of a row
	hema, eos   []uint8
	class       []uint8
	rows        []uint32 // scratch of expose
	rgb         []byte   // light, without the outermost pixels
	tmp         []byte   // scratch of defocus
	base        lattice
	dist        lattice
}

var plates = sync.Pool{New: func() any { return new(plate) }}

// Render writes the colours of the rectangle r of level 0 to rgb (3 bytes a pixel)
// and its classes to mask (1 byte a pixel); either may be nil. What lies beyond the
// slide is clear glass. It returns false where nothing but glass was drawn.
// Goroutines may call it at the same time; the bytes of a pixel do not depend on r.
func (s *Scene) Render(r wsi.Rect, rgb, mask []byte) (touched bool) {
	for y := 0; y < r.H; y += chunk {
		for x := 0; x < r.W; x += chunk {
			c := wsi.Rect{X: r.X + x, Y: r.Y + y, W: min(chunk, r.W-x), H: min(chunk, r.H-y)}
			if s.renderChunk(r, c, rgb, mask) {
				touched = true
			}
		}
	}
	return touched
}

// renderChunk renders c, a part of r, into the pictures of r.
func (s *Scene) renderChunk(r, c wsi.Rect, rgb, mask []byte) bool {
	p := plates.Get().(*plate)
	defer plates.Put(p)

	margin := 1 // the lens's spread
	if s.meetsBlur(c) {
		margin += 2 * maxBlur
	}
	p.reset(c.X-margin, c.Y-margin, c.W+2*margin, c.H+2*margin)
	stained := s.stain(p)
	inked := s.meetsPen(c)
	if !stained && !inked {
		for y := range c.H {
			at := (c.Y-r.Y+y)*r.W + c.X - r.X
			if rgb != nil {
				fill(rgb[3*at:3*(at+c.W)], s.optics.white)
			}
			if mask != nil {
				clear(mask[at : at+c.W])
			}
		}
		return false
	}
	w, h := p.w-2, p.ht-2 // exposing costs one pixel on every side
	if rgb != nil {
		p.rgb = grown(p.rgb, 3*w*h)
		p.rows = grown(p.rows, 3*w)
		s.optics.expose(p, s.tex, p.rgb, p.x+1, p.y+1, w, h)
		if inked {
			s.ink(p, w, h)
		}
		if margin > 1 {
			s.defocus(p, w, h)
		}
	}
	for y := range c.H {
		at := (c.Y-r.Y+y)*r.W + c.X - r.X
		if rgb != nil {
			from := 3 * ((margin-1+y)*w + margin - 1)
			copy(rgb[3*at:3*(at+c.W)], p.rgb[from:])
		}
		if mask != nil {
			copy(mask[at:at+c.W], p.class[(margin+y)*p.w+margin:])
		}
	}
	s.cropToSlide(r, c, rgb, mask)
	return true
}

// stain fills the plate: layers, then structures, then cells, then folds.
func (s *Scene) stain(p *plate) bool {
	b := p.box(s.cfg.MPP)
	touched := false
	for _, sec := range s.sections {
		if sec.box.meets(b) && s.layers(p, sec) {
			touched = true
		}
	}
	if !touched {
		return false
	}
	for _, st := range s.structs {
		if st.box.meets(b) {
			s.paint(p, st)
		}
	}
	s.stampCells(p)
	for i := range s.marks.folds {
		if f := &s.marks.folds[i]; f.box.meets(b) {
			s.crease(p, f)
		}
	}
	return true
}

// cropToSlide makes glass of what lies beyond the slide's edge.
func (s *Scene) cropToSlide(r, c wsi.Rect, rgb, mask []byte) {
	in := c.Intersect(s.bounds())
	if in == c {
		return
	}
	for y := range c.H {
		for x := range c.W {
			if px, py := c.X+x, c.Y+y; px < 0 || py < 0 || px >= s.cfg.Size.W || py >= s.cfg.Size.H {
				at := (py-r.Y)*r.W + px - r.X
				if rgb != nil {
					fill(rgb[3*at:3*at+3], s.optics.white)
				}
				if mask != nil {
					mask[at] = ClassBackground
				}
			}
		}
	}
}

func (p *plate) reset(x, y, w, h int) {
	p.x, p.y, p.w, p.ht = x, y, w, h
	p.hema, p.eos, p.class = grown(p.hema, w*h), grown(p.eos, w*h), grown(p.class, w*h)
	clear(p.hema)
	clear(p.eos)
	clear(p.class)
}

func (p *plate) box(mpp float64) box {
	return box{float64(p.x) * mpp, float64(p.y) * mpp, float64(p.x+p.w) * mpp, float64(p.y+p.ht) * mpp}
}

func grown[T any](b []T, n int) []T {
	if cap(b) < n {
		return make([]T, n)
	}
	return b[:n]
}

func fill(rgb []byte, px uint32) {
	for i := 0; i+2 < len(rgb); i += 3 {
		rgb[i], rgb[i+1], rgb[i+2] = byte(px>>16), byte(px>>8), byte(px)
	}
}

// lattice holds slowly changing values at nodes cell pixels apart, which lie at
// multiples of cell on the slide. Values are fixed point, 8 bits of fraction, so
// that what lies between is exact in integers and the same on every machine.
type lattice struct {
	i0, j0 int // first node
	nx, ny int
	v      []node
}

const (
	cell8  = 8 // pixels between nodes
	fields = 10
	one    = 256
)

type node [fields]int32

func fixed(v float64) int32 { return int32(math.Round(clamp(v, -30000, 30000) * one)) }

// cover lays the lattice over a rectangle of pixels and fills it.
func (l *lattice) cover(x0, y0, x1, y1 int, f func(x, y float64, n *node), mpp float64) {
	l.i0, l.j0 = floorDiv(x0, cell8), floorDiv(y0, cell8)
	l.nx, l.ny = floorDiv(x1-1, cell8)+2-l.i0, floorDiv(y1-1, cell8)+2-l.j0
	l.v = grown(l.v, l.nx*l.ny)
	for j := range l.ny {
		for i := range l.nx {
			f(float64((l.i0+i)*cell8)*mpp, float64((l.j0+j)*cell8)*mpp, &l.v[j*l.nx+i])
		}
	}
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
