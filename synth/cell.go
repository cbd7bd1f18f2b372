package synth

import "math"

// cellKind is what a cell looks like.
type cellKind uint8

const (
	cellBasaloid  cellKind = iota // dark, crowded, hardly any cytoplasm
	cellPalisade                  // the same, elongated, standing on an outline
	cellBasal                     // lowest row of normal epithelium
	cellSpinous                   // pale vesicular nucleus, often with a halo
	cellLymph                     // small, round, very dark
	cellFibro                     // spindle of the stroma
	cellSebocyte                  // foam with a small nucleus
	cellRound                     // ducts, nevus: round and of middling darkness
	cellRed                       // red blood cell
	cellApoptotic                 // bright drop with dark crumbs
	cellKinds
)

const (
	cellVariants = 8
	cellAngles   = 16 // over half a turn
)

// cell is one cell, drawn as a stamp.
type cell struct {
	x, y    float32 // centre, µm on the slide
	kind    cellKind
	variant uint8
	angle   uint8
	gain    uint8 // of the haematoxylin, 128 is 1
}

// look says how the stamp of a kind is drawn; lengths are half axes in µm.
type look struct {
	rx, ry  float64 // of the nucleus
	vary    float64 // of both, relative
	bumps   float64 // of the outline, relative
	h, e    float64 // stain
	coarse  float64 // chromatin texture, relative
	rim     float64 // extra stain at the nuclear membrane
	body    float64 // width of the cytoplasm drawn around the nucleus
	bh, be  float64 // its stain
	cover   float64 // how much of what lies below it hides
	halo    float64 // pale crescent on one side, µm
	nucleol bool
}

var looks = [cellKinds]look{
	cellBasaloid:  {rx: 4.1, ry: 3.0, vary: 0.17, bumps: 0.10, h: 122, e: 50, coarse: 0.42, rim: 20},
	cellPalisade:  {rx: 5.0, ry: 2.4, vary: 0.16, bumps: 0.09, h: 136, e: 48, coarse: 0.36, rim: 18},
	cellBasal:     {rx: 4.6, ry: 2.8, vary: 0.17, bumps: 0.10, h: 124, e: 55, coarse: 0.38, rim: 18, halo: 0.7},
	cellSpinous:   {rx: 5.0, ry: 3.7, vary: 0.18, bumps: 0.07, h: 90, e: 62, coarse: 0.40, rim: 30, halo: 1.2, nucleol: true},
	cellLymph:     {rx: 3.1, ry: 2.8, vary: 0.14, bumps: 0.08, h: 168, e: 45, coarse: 0.36, rim: 8, body: 0.8, bh: 40, be: 40, cover: 0.4},
	cellFibro:     {rx: 6.6, ry: 1.15, vary: 0.34, bumps: 0.22, h: 128, e: 60, coarse: 0.22, rim: 8},
	cellSebocyte:  {rx: 2.7, ry: 2.4, vary: 0.20, bumps: 0.20, h: 132, e: 55, coarse: 0.2, rim: 10, body: 7.2, bh: 17, be: 34, cover: 0.93},
	cellRound:     {rx: 3.9, ry: 3.6, vary: 0.15, bumps: 0.06, h: 112, e: 60, coarse: 0.25, rim: 26, body: 1.2, bh: 45, be: 75, cover: 0.5},
	cellRed:       {rx: 3.3, ry: 3.0, vary: 0.10, bumps: 0.06, h: 4, e: 205, coarse: 0.08},
	cellApoptotic: {rx: 1.8, ry: 1.5, vary: 0.30, bumps: 0.30, h: 200, e: 90, coarse: 0.30, body: 2.6, bh: 30, be: 175, cover: 0.9, halo: 1.0},
}

// stamp is a cell ready to be laid over the stains: cover and both stains a pixel.
type stamp struct {
	half int // it is 2*half+1 pixels a side
	pix  []stampPixel
}

type stampPixel struct{ cover, h, e uint8 }

// atlas holds the stamps of a slide.
type atlas [cellKinds][cellVariants][cellAngles]stamp

// newAtlas draws the stamps that the cells use.
func newAtlas(seed uint32, mpp float64, cells []cell) *atlas {
	var at atlas
	var drawn [cellKinds][cellVariants]original
	for _, c := range cells {
		s := &at[c.kind][c.variant][c.angle]
		if s.pix != nil {
			continue
		}
		o := &drawn[c.kind][c.variant]
		if o.pix == nil {
			*o = looks[c.kind].draw(hash(seed, int32(c.kind), int32(c.variant)), mpp)
		}
		*s = o.turned(math.Pi*float64(c.angle)/cellAngles, mpp)
	}
	return &at
}

// original is a stamp drawn once, finer than the slide, for all its angles.
type original struct {
	stamp
	step  float64 // µm a pixel
	reach float64 // nothing lies farther from the centre, µm
}

// draw makes one variant of a look.
func (l look) draw(seed uint32, mpp float64) original {
	unit := func(i int32) float64 { return float64(hash(seed, i, -1)>>8)/(1<<23) - 1 } // -1 to 1
	rx, ry := l.rx*(1+l.vary*unit(0)), l.ry*(1+l.vary*unit(1))
	edge := 0.45 + 0.5*mpp // µm over which the outline fades
	o := original{step: 0.75 * mpp, reach: math.Max(rx, ry)*(1+2*l.bumps) + l.body + l.halo + edge}
	o.half = int(math.Ceil(o.reach/o.step)) + 1
	n := 2*o.half + 1
	o.pix = make([]stampPixel, n*n)
	wide := ry*(1+2*l.bumps) + l.body + 2*l.halo + edge // spindles leave most of the square empty
	for j := range n {
		for i := range n {
			x, y := float64(i-o.half)*o.step, float64(j-o.half)*o.step
			if math.Abs(y) < math.Max(wide, 2) && x*x+y*y < o.reach*o.reach {
				o.pix[j*n+i] = l.pixel(seed, unit, rx, ry, edge, x, y)
			}
		}
	}
	return o
}

// turned returns the stamp at an angle, at the slide's scale.
func (o *original) turned(angle, mpp float64) stamp {
	s := stamp{half: int(math.Ceil(o.reach / mpp))}
	n, m := 2*s.half+1, 2*o.half+1
	s.pix = make([]stampPixel, n*n)
	sin, cos := math.Sincos(angle)
	for j := range n {
		for i := range n {
			x, y := float64(i-s.half)*mpp/o.step, float64(j-s.half)*mpp/o.step
			x, y = x*cos+y*sin+float64(o.half), y*cos-x*sin+float64(o.half)
			u, v := int32(x*256), int32(y*256)
			k, l := int(u>>8), int(v>>8)
			if x < 0 || y < 0 || k+1 >= m || l+1 >= m {
				continue
			}
			s.pix[j*n+i] = mixed(o.pix[l*m+k:], o.pix[(l+1)*m+k:], u&255, v&255)
		}
	}
	return s
}

// mixed interpolates between two neighbours in each of two rows; stains count by
// their cover, since an empty pixel has none.
func mixed(a, b []stampPixel, u, v int32) stampPixel {
	w := [4]int32{(256 - u) * (256 - v), u * (256 - v), (256 - u) * v, u * v}
	var cover, h, e int32
	for i, p := range [4]stampPixel{a[0], a[1], b[0], b[1]} {
		c := w[i] >> 4 * int32(p.cover) >> 4
		cover, h, e = cover+c, h+c*int32(p.h)>>8, e+c*int32(p.e)>>8
	}
	if cover < 256 {
		return stampPixel{}
	}
	c := cover >> 8
	return stampPixel{uint8(min(c, 255)), uint8(min(h/c, 255)), uint8(min(e/c, 255))}
}

// pixel shades one place of a stamp, in the cell's own frame.
func (l look) pixel(seed uint32, unit func(int32) float64, rx, ry, edge, x, y float64) stampPixel {
	th := math.Atan2(y/ry, x/rx)
	out := 1 + l.bumps*(unit(2)*math.Cos(2*th+3*unit(3))+unit(4)*math.Cos(3*th+3*unit(5))+0.5*unit(6)*math.Cos(5*th+3*unit(7)))
	q := math.Hypot(x/rx, y/ry) / out
	small := math.Min(rx, ry)
	d := (q - 1) * math.Hypot(x, y) / math.Max(q, 0.05) // µm outside the nucleus
	if q < 0.3 {
		d = -small
	}
	nuc := 1 - ramp(-edge, edge/2, d)
	chroma := 1 + l.coarse*(0.7*noise2(seed, x/1.3, y/1.3)+0.5*noise2(seed+1, x/0.6, y/0.6))
	h := l.h*chroma + l.rim*ramp(-1.3, -0.3, d)
	if l.nucleol {
		h += 55 * (1 - ramp(0.5, 1.0, math.Hypot(x-0.35*rx*unit(8), y-0.35*ry*unit(9))))
	}
	cover, e := nuc, l.e
	switch {
	case l.body > 0:
		body := l.cover * (1 - ramp(l.body-0.8, l.body, d+0.9*noise2(seed+2, x/5, y/5)))
		foam := 1 + 0.45*noise2(seed+3, x/1.4, y/1.4)
		bh, be := l.bh*foam, l.be*foam*(1+0.9*ramp(l.body-1.8, l.body-0.6, d))
		cover = nuc + (1-nuc)*body
		if cover > 0 {
			t := nuc / cover
			h, e = bh+(h-bh)*t, be+(e-be)*t
		}
	case l.halo > 0:
		side := 0.5 + 0.5*math.Cos(th-3*unit(10))
		wide := l.halo * (0.3 + math.Max(0, unit(11)) + 0.4*unit(12)) * side
		pale := 0.7 * (1 - ramp(wide*0.6, wide+0.5, d)) * ramp(0.1, 0.5, wide)
		cover = nuc + (1-nuc)*pale
		if cover > 0 {
			t := nuc / cover
			h, e = 18+(h-18)*t, 26+(e-26)*t
		}
	}
	return stampPixel{byteOf(255 * cover), byteOf(h), byteOf(e)}
}

// herd holds all cells of a slide by place, for the renderer.
type herd struct {
	nx, ny int
	first  []int32 // of each bucket, and the end
	cells  []cell
	reach  float64 // of the widest stamp, µm
}

const bucketUM = 64.0

// newHerd sorts the cells into buckets, keeping their order inside each: two cells
// that overlap are always drawn in the same order, however the slide is cut.
func newHerd(cells []cell, w, h float64) *herd {
	g := &herd{nx: int(w/bucketUM) + 1, ny: int(h/bucketUM) + 1, reach: 14}
	g.first = make([]int32, g.nx*g.ny+1)
	bucket := func(c *cell) int {
		x, y := int(c.x/bucketUM), int(c.y/bucketUM)
		return min(max(y, 0), g.ny-1)*g.nx + min(max(x, 0), g.nx-1)
	}
	for i := range cells {
		g.first[bucket(&cells[i])+1]++
	}
	for i := 1; i < len(g.first); i++ {
		g.first[i] += g.first[i-1]
	}
	g.cells = make([]cell, len(cells))
	at := append([]int32(nil), g.first...)
	for i := range cells {
		b := bucket(&cells[i])
		g.cells[at[b]] = cells[i]
		at[b]++
	}
	return g
}
