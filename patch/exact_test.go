package patch_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"bcc/patch"
	"bcc/wsi"
)

// overlaps are all that are tested; with -short, as under the race detector, two.
func overlaps() []float64 {
	if testing.Short() {
		return []float64{0, 0.5}
	}
	return []float64{0, 0.25, 0.5, 0.75}
}

func config(size int, mpp, overlap float64) patch.Config {
	cfg := patch.DefaultConfig(size, mpp)
	cfg.Overlap, cfg.MinTissue = overlap, 0
	return cfg
}

// Where the model's scale is that of a level, every byte of every patch is the
// byte of that level's pixel, and white outside.
func TestItCopiesPixelsWhereTheScaleIsThatOfALevel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		level0 wsi.Size
		downs  []float64
		model  float64 // the slide has 0.25 µm/px
		level  int
	}{
		{wsi.Size{W: 301, H: 233}, []float64{1}, 0.25, 0},
		{wsi.Size{W: 301, H: 233}, []float64{1, 2, 4}, 0.25, 0},
		{wsi.Size{W: 603, H: 467}, []float64{1, 2, 4}, 0.5, 1},
		{wsi.Size{W: 603, H: 467}, []float64{1, 2, 4}, 1, 2},
		{wsi.Size{W: 1100, H: 1049}, []float64{1, 4, 16}, 1, 1},
		{wsi.Size{W: 1601, H: 1199}, []float64{1, 4, 16}, 4, 2},
		{wsi.Size{W: 601, H: 599}, []float64{1, 3, 9}, 0.75, 1},
	} {
		src := coded(c.level0, c.downs...)
		down := c.downs[c.level]
		for _, overlap := range overlaps() {
			cfg := config(48, c.model, overlap) // 48 × down × overlap are whole level pixels
			g := plan(t, c.level0, square(0.25), full(c.level0, 16), cfg)
			all := readAll(t, src, g, cfg)
			inside := wsi.Rect{W: src.pix[c.level].W, H: src.pix[c.level].H}
			for i, pix := range all {
				at := g.Rect(i)
				x0, y0 := at.X/int(down), at.Y/int(down)
				for k := range 48 * 48 {
					x, y := x0+k%48, y0+k/48
					want := [3]byte{255, 255, 255}
					if x < inside.W && y < inside.H {
						want = code(c.level, x, y)
					}
					if got := [3]byte(pix[3*k : 3*k+3]); got != want {
						t.Fatalf("%v, downs %v, overlap %v: patch %v has %v at (%d,%d), want pixel (%d,%d) of level %d: %v",
							c.level0, c.downs, overlap, at, got, k%48, k/48, x, y, c.level, want)
					}
				}
			}
		}
	}
}

// dots paints dark round dots at known places, in level-0 coordinates in which
// pixel (x, y) covers [x, x+1) × [y, y+1).
func dots(level0 wsi.Size, radius float64, seed uint64) (*wsi.Image, [][2]float64) {
	rng := rand.New(rand.NewPCG(seed, seed))
	m := wsi.NewImage(level0.W, level0.H)
	m.Fill(255)
	var places [][2]float64
	room := 2*radius + 8
	for y := room; y < float64(level0.H)-room; y += 2 * room {
		for x := room; x < float64(level0.W)-room; x += 2 * room {
			cx, cy := x+rng.Float64()*4-2, y+rng.Float64()*4-2
			places = append(places, [2]float64{cx, cy})
			for j := int(cy - room + 3); float64(j) < cy+room-3; j++ {
				for i := int(cx - room + 3); float64(i) < cx+room-3; i++ {
					d := math.Hypot(float64(i)+0.5-cx, float64(j)+0.5-cy) / radius
					v := 255 - 230*math.Max(0, 1-d*d) // a smooth hill, so that the centroid is that of the place
					p := m.Pix[3*(j*m.W+i):]
					p[0], p[1], p[2] = byte(math.Round(v)), byte(math.Round(v)), byte(math.Round(v))
				}
			}
		}
	}
	return m, places
}

// A dot painted at a known place is found again there, to a small part of a
// level-0 pixel, whatever the pyramid, the scales and the overlap.
func TestItFindsAPaintedDotAgainWhereItIs(t *testing.T) {
	t.Parallel()
	const size = 64
	level0 := wsi.Size{W: 491, H: 353}
	pyramids := map[string]func(s *source){
		"flat":                 func(s *source) {},
		"factor 2, floored":    func(s *source) { s.shrink(2, 2, math.Floor); s.shrink(4, 4, math.Floor); s.shrink(8, 8, math.Floor) },
		"factor 4, rounded up": func(s *source) { s.shrink(4, 4, math.Ceil); s.shrink(16, 16, math.Ceil) },
		"stretched": func(s *source) { // the whole slide squeezed into whole pixels
			s.shrink(491.0/245, 353.0/176, math.Round)
			s.shrink(491.0/122, 353.0/88, math.Round)
		},
		"odd factors": func(s *source) { s.shrink(1.5, 1.5, math.Floor); s.shrink(3, 3, math.Ceil); s.shrink(7, 7, math.Ceil) },
	}
	scales := []struct {
		slide  wsi.MPP
		model  float64
		radius float64 // of the dots, in level-0 pixels: some pixels as the model sees it
	}{
		{square(0.25), 0.25, 7}, {square(0.25), 0.5, 7}, {square(0.25), 1, 16},
		{square(0.48507), 0.5, 7}, {square(0.527), 0.5, 7}, {square(0.2637), 0.5, 7},
		{square(0.25), 0.9, 16}, {square(0.25), 1.3, 16},
		{wsi.MPP{X: 0.25, Y: 0.31}, 0.5, 7}, {wsi.MPP{X: 0.5, Y: 0.25}, 1, 16},
	}
	for name, build := range pyramids {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slides, places := map[float64]*source{}, map[float64][][2]float64{}
			for _, radius := range []float64{7, 16} {
				m, at := dots(level0, radius, 9)
				src := &source{}
				src.add(m, 1, 1)
				build(src)
				slides[radius], places[radius] = src, at
			}
			for _, c := range scales {
				for _, overlap := range overlaps() {
					cfg := config(size, c.model, overlap)
					g := plan(t, level0, c.slide, full(level0, 16), cfg)
					where := fmt.Sprintf("slide %v, model %v, overlap %v", c.slide, c.model, overlap)
					all := readAll(t, slides[c.radius], g, cfg)
					// 0.1 was seen where a patch pixel is 5 level-0 pixels; half a
					// pixel of any level would be 0.25 or more.
					if off := findDots(t, where, g, all, size, places[c.radius], c.radius); off > 0.15 {
						t.Errorf("%s: a dot is found %.3f level-0 pixels beside its place", where, off)
					}
				}
			}
		})
	}
}

// findDots returns how far the worst dot lies from its place, in level-0 pixels.
func findDots(t *testing.T, where string, g *wsi.Grid, all [][]byte, size int, places [][2]float64, radius float64) float64 {
	worst, found := 0.0, 0
	for i, pix := range all {
		at := g.Rect(i)
		sx, sy := float64(at.W)/float64(size), float64(at.H)/float64(size) // level-0 pixels per patch pixel
		rx, ry := radius+2*sx+2, radius+2*sy+2
		for _, p := range places {
			px, py := p[0]-float64(at.X), p[1]-float64(at.Y)
			if px-rx < 0 || py-ry < 0 || px+rx >= float64(at.W) || py+ry >= float64(at.H) {
				continue // cut by the patch's edge
			}
			var sum, x, y float64
			for j := int((py - ry) / sy); float64(j)*sy < py+ry && j < size; j++ {
				for k := int((px - rx) / sx); float64(k)*sx < px+rx && k < size; k++ {
					w := 255 - float64(pix[3*(j*size+k)])
					sum += w
					x += w * (float64(k) + 0.5) * sx
					y += w * (float64(j) + 0.5) * sy
				}
			}
			if sum == 0 {
				t.Fatalf("%s: patch %v has no dot at (%.1f,%.1f)", where, at, px, py)
			}
			worst = max(worst, math.Hypot(x/sum-px, y/sum-py))
			found++
		}
	}
	if found == 0 {
		t.Fatalf("%s: no dot lies inside a patch", where)
	}
	return worst
}

// Patches that overlap by whole model pixels agree on what they share, to the
// byte: nothing is clamped at a patch's edge.
func TestItGivesTheSamePixelsToOverlappingPatches(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 900, H: 700}
	m, _ := dots(level0, 9, 4)
	src := &source{}
	src.add(m, 1, 1)
	for _, mpp := range []float64{0.25, 0.125} { // twice and four times finer than the model
		cfg := config(64, 0.5, 0.5)
		g := plan(t, level0, square(mpp), full(level0, 16), cfg)
		all := readAll(t, src, g, cfg)
		for i, c := range g.Cells[1:] {
			if c.Col == 0 {
				continue
			}
			left, right := all[i], all[i+1]
			for y := range 64 {
				if a, b := left[3*(64*y+32):3*64*(y+1)], right[3*64*y:3*(64*y+32)]; string(a) != string(b) {
					t.Fatalf("at %v µm/px, row %d of patches %v and %v differ where they overlap", mpp, y, g.Rect(i), g.Rect(i+1))
				}
			}
		}
	}
}

// A patch is a window of the whole slide resampled at once, to the byte.
func TestItGivesAWindowOfTheSlideResampledAtOnce(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 301, H: 259}
	src := coded(level0, 1)
	const size, margin = 64, 20
	around := wsi.Rect{X: -margin, Y: -margin, W: 700, H: 700} // white around the slide
	whole := make([]byte, 3*around.W*around.H)
	if err := src.Read(t.Context(), 0, around, whole); err != nil {
		t.Fatal(err)
	}
	for _, extent := range []int{31, 62, 63, 64, 65, 66, 100, 128, 161, 256} {
		cfg := config(size, float64(extent)/size, 0.25)
		g := plan(t, level0, square(1), full(level0, 16), cfg)
		if g.Patch.W != extent {
			t.Fatalf("patches of %v, want %d", g.Patch, extent)
		}
		want := make([]byte, 3*size*size)
		for i, pix := range readAll(t, src, g, cfg) {
			at := g.Rect(i)
			x := wsi.NewTaps(around.W, float64(at.X+margin), float64(extent), size)
			y := wsi.NewTaps(around.H, float64(at.Y+margin), float64(extent), size)
			patch.Resample(want, whole, around.W, around.H, x, y)
			if !bytes.Equal(pix, want) {
				t.Fatalf("patch %v differs", at)
			}
		}
	}
}

// Stripes finer than the model can see come out grey and not as new stripes.
func TestItDoesNotAlias(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 700, H: 700}
	m := wsi.NewImage(level0.W, level0.H)
	for i := range m.Pix {
		if i/3%level0.W%2 == 0 {
			m.Pix[i] = 255
		}
	}
	src := &source{}
	src.add(m, 1, 1)
	for _, model := range []float64{0.5, 0.55, 0.75, 1} {
		cfg := config(50, model, 0)
		g := plan(t, level0, square(0.25), full(level0, 10), cfg)
		for i, pix := range readAll(t, src, g, cfg) {
			if r := g.Rect(i); r.X == 0 || r.Y == 0 || r.X+r.W+2 > level0.W || r.Y+r.H+2 > level0.H {
				continue // white comes in
			}
			for _, v := range pix {
				if v < 127-20 || v > 128+20 {
					t.Fatalf("model %v: stripes of a slide at 0.25 leave a value of %d", model, v)
				}
			}
		}
	}
}
