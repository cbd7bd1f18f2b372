package tissue_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"bcc/fault"
	"bcc/tissue"
	"bcc/wsi"
)

type colour [3]float64

var (
	glass   = colour{247, 247, 248}
	dermis  = colour{236, 220, 230} // as pale as real dermis gets
	nest    = colour{120, 85, 150}
	dust    = colour{150, 150, 151}
	green   = colour{40, 150, 90}
	blue    = colour{40, 70, 170}
	black   = colour{90, 83, 92}
	oneByOn = wsi.MPP{X: 1, Y: 1}
)

// scene is a painted slide of 4×3 mm; places are in µm. An overview's pixel has
// umX×umY µm and the noise of a camera.
type scene struct {
	umX, umY float64
	*wsi.Overview
}

func newScene(umX, umY float64) *scene {
	s := &scene{umX, umY, &wsi.Overview{Image: wsi.NewImage(int(4000/umX), int(3000/umY)), ScaleX: umX, ScaleY: umY}}
	s.paint(glass, func(x, y float64) bool { return true })
	return s
}

// paint colours what is inside with grain: tissue is never smooth.
func (s *scene) paint(c colour, inside func(x, y float64) bool) {
	rng := rand.New(rand.NewPCG(1, 2))
	for y := range s.H {
		for x := range s.W {
			grain := rng.Float64()*4 - 2
			if inside((float64(x)+0.5)*s.umX, (float64(y)+0.5)*s.umY) {
				for k := range 3 {
					s.Pix[3*(y*s.W+x)+k] = byte(min(max(c[k]+grain, 0), 255))
				}
			}
		}
	}
}

func disc(cx, cy, r float64) func(x, y float64) bool {
	return func(x, y float64) bool { return math.Hypot(x-cx, y-cy) < r }
}

func band(x0, y0, x1, y1 float64) func(x, y float64) bool {
	return func(x, y float64) bool { return x >= x0 && x < x1 && y >= y0 && y < y1 }
}

func (s *scene) find(t *testing.T, cfg tissue.Config) *wsi.Mask {
	t.Helper()
	m, err := tissue.Find(s.Overview, oneByOn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if m.Size != s.Size || m.ScaleX != s.ScaleX || m.ScaleY != s.ScaleY {
		t.Fatalf("mask %v at %v × %v of an overview %v at %v × %v", m.Size, m.ScaleX, m.ScaleY, s.Size, s.ScaleX, s.ScaleY)
	}
	return m
}

// share returns how much of what is inside the mask has.
func (s *scene) share(m *wsi.Mask, inside func(x, y float64) bool) float64 {
	n, all := 0, 0
	for y := range s.H {
		for x := range s.W {
			if inside((float64(x)+0.5)*s.umX, (float64(y)+0.5)*s.umY) {
				all++
				n += int(m.Bits[y*m.W+x])
			}
		}
	}
	return float64(n) / float64(all)
}

// agreement is the intersection over the union of the mask and what is inside.
func (s *scene) agreement(m *wsi.Mask, inside func(x, y float64) bool) float64 {
	both, either := 0, 0
	for y := range s.H {
		for x := range s.W {
			a, b := m.Bits[y*m.W+x] == 1, inside((float64(x)+0.5)*s.umX, (float64(y)+0.5)*s.umY)
			if a && b {
				both++
			}
			if a || b {
				either++
			}
		}
	}
	return float64(both) / float64(either)
}

func TestItFindsASmallPaleBiopsyAtEveryScale(t *testing.T) {
	t.Parallel()
	punch := disc(1500, 1200, 250) // half a millimetre across, a small punch
	for _, um := range [][2]float64{{2, 2}, {4, 4}, {8, 8}, {8.43, 8.43}, {16, 16}, {8, 16}, {16, 4}} {
		s := newScene(um[0], um[1])
		s.paint(dermis, punch)
		m := s.find(t, tissue.DefaultConfig())
		// The border may move by half a pixel: 2/r × 8 µm of the area at 16 µm/px.
		if got := s.agreement(m, punch); got < 0.91 {
			t.Errorf("%v µm/px: agreement with the painted biopsy is %.3f", um, got)
		}
	}
}

func TestItFindsAThinShave(t *testing.T) {
	t.Parallel()
	shave := band(300, 1000, 3500, 1070) // 70 µm
	s := newScene(8, 8)
	s.paint(nest, shave)
	if got := s.share(s.find(t, tissue.DefaultConfig()), shave); got < 0.85 {
		t.Errorf("%.2f of a shave biopsy of 70 µm found", got)
	}
}

func TestItIgnoresDustAndDebris(t *testing.T) {
	t.Parallel()
	s := newScene(8, 8)
	s.paint(dust, disc(800, 800, 300)) // grey, large
	s.paint(colour{255, 255, 255}, disc(2000, 800, 300))
	s.paint(nest, disc(3000, 800, 70))   // stained, smaller than 200² µm²
	s.paint(nest, disc(3000, 2000, 130)) // stained, larger
	m := s.find(t, tissue.DefaultConfig())
	if got := s.agreement(m, disc(3000, 2000, 130)); got < 0.85 {
		t.Errorf("agreement with the one object is %.3f", got)
	}
}

func TestItGivesAnEmptyMaskWhereNothingIsStained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]colour{"white": {255, 255, 255}, "grey": {128, 128, 128}, "black": {2, 2, 2}, "glass": glass} {
		s := newScene(8, 8)
		s.paint(c, func(x, y float64) bool { return true })
		if n := s.find(t, tissue.DefaultConfig()).Count(); n != 0 {
			t.Errorf("%s: %d pixels of tissue", name, n)
		}
	}
}

func TestItKeepsAPictureThatIsAllTissue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]colour{"pale": dermis, "dark": nest} {
		s := newScene(8, 8)
		s.paint(c, func(x, y float64) bool { return true })
		if n := s.find(t, tissue.DefaultConfig()).Count(); n != s.W*s.H {
			t.Errorf("%s: %d of %d pixels", name, n, s.W*s.H)
		}
	}
}

func TestItDoesNotMindTheLamp(t *testing.T) {
	t.Parallel()
	piece := disc(2000, 1500, 900)
	for name, light := range map[string]func(x, y float64) colour{
		"fading to a corner": func(x, y float64) colour { f := 1 - 0.4*(x/4000+y/3000)/2; return colour{f, f, f} },
		"dim":                func(x, y float64) colour { return colour{0.7, 0.7, 0.7} },
		"warm":               func(x, y float64) colour { return colour{1, 0.97, 0.90} },
		"cold":               func(x, y float64) colour { return colour{0.92, 0.97, 1} },
	} {
		s := newScene(8, 8)
		s.paint(colour{228, 196, 216}, piece)
		for y := range s.H {
			for x := range s.W {
				l := light(float64(x)*8, float64(y)*8)
				for k := range 3 {
					p := &s.Pix[3*(y*s.W+x)+k]
					*p = byte(float64(*p) * l[k])
				}
			}
		}
		if got := s.agreement(s.find(t, tissue.DefaultConfig()), piece); got < 0.97 {
			t.Errorf("%s: agreement is %.3f", name, got)
		}
	}
}

func TestItDoesNotTakeJPEGNoiseForTissue(t *testing.T) {
	t.Parallel()
	piece := disc(2000, 1500, 900)
	s := newScene(8, 8)
	s.paint(nest, piece)
	rgba := image.NewRGBA(image.Rect(0, 0, s.W, s.H))
	for i := range s.W * s.H {
		copy(rgba.Pix[4*i:], append(s.Pix[3*i:3*i+3:3*i+3], 255))
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, rgba, &jpeg.Options{Quality: 30}); err != nil { // halves the chroma: a halo of some pixels
		t.Fatal(err)
	}
	back, err := jpeg.Decode(&file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.W * s.H {
		r, g, b, _ := back.At(i%s.W, i/s.W).RGBA()
		s.Pix[3*i], s.Pix[3*i+1], s.Pix[3*i+2] = byte(r>>8), byte(g>>8), byte(b>>8)
	}
	if got := s.agreement(s.find(t, tissue.DefaultConfig()), piece); got < 0.93 {
		t.Errorf("agreement is %.3f", got)
	}
}

func TestItIgnoresInkAndLosesNoTissueToIt(t *testing.T) {
	t.Parallel()
	piece := disc(2000, 1500, 800)
	for name, ink := range map[string]colour{"green": green, "blue": blue, "thin blue": {108, 121, 186}, "black": black} {
		stroke := band(100, 200, 3900, 400) // on glass, wide enough to pass for tissue
		ring := func(x, y float64) bool { d := math.Hypot(x-2000, y-1500); return d > 900 && d < 1050 }
		s := newScene(8, 8)
		s.paint(dermis, piece)
		s.paint(nest, disc(2000, 1500, 300))
		s.paint(ink, stroke)
		s.paint(ink, ring)
		m := s.find(t, tissue.DefaultConfig())
		if got := s.agreement(m, piece); got < 0.97 {
			t.Errorf("%s: agreement with the tissue is %.3f", name, got)
		}
		keep := tissue.DefaultConfig()
		keep.KeepInk = true
		if got := s.share(s.find(t, keep), stroke); got < 0.9 && name != "black" {
			t.Errorf("%s: %.2f of the stroke found when ink is to be kept", name, got)
		}
	}
}

func TestItClosesTheCleftsBetweenBundles(t *testing.T) {
	t.Parallel()
	for _, turned := range []bool{false, true} {
		bundles := func(x, y float64) bool { // 160 µm apart, joined at one end, open at the other
			if turned {
				x, y = y, x
			}
			return x > 500 && x < 2500 && y > 500 && y < 2500 && (x < 1000 || math.Mod(y, 160) > 40)
		}
		clefts := func(x, y float64) bool {
			return x > 1000 && x < 2400 && y > 1000 && y < 2400 && !bundles(x, y)
		}
		s := newScene(8, 8)
		s.paint(dermis, bundles)
		if got := s.share(s.find(t, tissue.DefaultConfig()), clefts); got < 0.99 {
			t.Errorf("turned %v: %.2f of the clefts closed", turned, got)
		}
		open := tissue.DefaultConfig()
		open.CloseUM = 0
		if got := s.share(s.find(t, open), clefts); got > 0.5 {
			t.Errorf("turned %v: %.2f of the clefts closed without closing", turned, got)
		}
	}
}

func TestItFillsFatAndLeavesTheGlassInARing(t *testing.T) {
	t.Parallel()
	outer, fat, lumen := disc(2000, 1500, 1400), disc(1000, 1500, 150), disc(2400, 1500, 800)
	s := newScene(8, 8)
	s.paint(dermis, outer)
	s.paint(glass, fat)
	s.paint(glass, lumen)
	m := s.find(t, tissue.DefaultConfig())
	if got := s.share(m, fat); got != 1 {
		t.Errorf("%.2f of a hole of 0.07 mm² filled", got)
	}
	if got := s.share(m, lumen); got > 0.05 {
		t.Errorf("%.2f of a lumen of 2 mm² filled", got)
	}
}

func TestItKeepsTheNestsOfBlueAndBrownStains(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]colour{
		"blue haematoxylin":              {105, 103, 165},
		"haematoxylin under a cold lamp": {107, 111, 183}, "dense nuclei": {75, 60, 120}, "melanin": {95, 70, 55}, "eosin": {225, 120, 150}, "red cells": {200, 90, 70},
		"faded pigment": {150, 139, 127},
	} {
		s := newScene(8, 8)
		s.paint(c, disc(2000, 1500, 500))
		if got := s.agreement(s.find(t, tissue.DefaultConfig()), disc(2000, 1500, 500)); got < 0.95 {
			t.Errorf("%s: agreement is %.3f", name, got)
		}
	}
}

func TestItRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	good := newScene(50, 50).Overview
	short := *good
	short.Image = &wsi.Image{Size: good.Size, Pix: good.Pix[:30]}
	flat := *good
	flat.ScaleX = math.NaN()
	for name, c := range map[string]struct {
		ov  *wsi.Overview
		mpp wsi.MPP
		cfg func(*tissue.Config)
	}{
		"no overview":    {nil, oneByOn, nil},
		"no picture":     {&wsi.Overview{ScaleX: 1, ScaleY: 1}, oneByOn, nil},
		"short picture":  {&short, oneByOn, nil},
		"scale NaN":      {&flat, oneByOn, nil},
		"no mpp":         {good, wsi.MPP{}, nil},
		"saturation 255": {good, oneByOn, func(c *tissue.Config) { c.MinSaturation = 255 }},
		"area NaN":       {good, oneByOn, func(c *tissue.Config) { c.MinAreaUM2 = math.NaN() }},
		"radius Inf":     {good, oneByOn, func(c *tissue.Config) { c.CloseUM = math.Inf(1) }},
	} {
		cfg := tissue.DefaultConfig()
		if c.cfg != nil {
			c.cfg(&cfg)
		}
		if _, err := tissue.Find(c.ov, c.mpp, cfg); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkFind(b *testing.B) { // an overview of 16 mm² at 8 µm/px has 188,000 pixels
	s := newScene(8, 8)
	s.paint(dermis, disc(2000, 1500, 1200))
	s.paint(nest, disc(1500, 1500, 200))
	b.SetBytes(int64(len(s.Pix)))
	for b.Loop() {
		if _, err := tissue.Find(s.Overview, oneByOn, tissue.DefaultConfig()); err != nil {
			b.Fatal(err)
		}
	}
}
