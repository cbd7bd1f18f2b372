package synth_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/synth"
	"bcc/wsi"
)

func config(seed uint64, w, h int) synth.Config {
	c := synth.DefaultConfig()
	c.Seed, c.Size = seed, wsi.Size{W: w, H: h}
	return c
}

func scene(t testing.TB, c synth.Config) *synth.Scene {
	t.Helper()
	s, err := synth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func render(s *synth.Scene, r wsi.Rect) (rgb, mask []byte) {
	rgb, mask = make([]byte, 3*r.W*r.H), make([]byte, r.W*r.H)
	s.Render(r, rgb, mask)
	return rgb, mask
}

func TestItGivesTheSamePixelsHoweverTheSlideIsCut(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) { // among them folds, pen marks and blur
		c := config(seed, 900, 700)
		c.BCC = seed%2 == 0
		s := scene(t, c)
		whole, classes := render(s, wsi.Rect{W: 900, H: 700})
		r := rand.New(rand.NewPCG(seed, 1))
		for range 12 {
			x, y := r.IntN(800), r.IntN(600)
			cut := wsi.Rect{X: x, Y: y, W: 1 + r.IntN(900-x), H: 1 + r.IntN(min(700-y, 90))}
			rgb, mask := render(s, cut)
			for row := range cut.H {
				at := (y+row)*900 + x
				if !bytes.Equal(rgb[3*row*cut.W:3*(row+1)*cut.W], whole[3*at:3*(at+cut.W)]) {
					t.Fatalf("seed %d: colours of row %d of %v depend on the cut", seed, row, cut)
				}
				if !bytes.Equal(mask[row*cut.W:(row+1)*cut.W], classes[at:at+cut.W]) {
					t.Fatalf("seed %d: classes of row %d of %v depend on the cut", seed, row, cut)
				}
			}
		}
	}
}

func TestItShowsGlassBeyondTheSlide(t *testing.T) {
	t.Parallel()
	s := scene(t, config(1, 600, 500))
	in, _ := render(s, wsi.Rect{W: 600, H: 500})
	rgb, mask := render(s, wsi.Rect{X: -20, Y: 480, W: 660, H: 40})
	glass := in[:3] // a corner
	for y := range 40 {
		for x := range 660 {
			px, py := x-20, 480+y
			if px >= 0 && px < 600 && py < 500 {
				continue
			}
			if i := y*660 + x; mask[i] != 0 || !bytes.Equal(rgb[3*i:3*i+3], glass) {
				t.Fatalf("(%d,%d) is %v class %d, want glass", px, py, rgb[3*i:3*i+3], mask[i])
			}
		}
	}
}

func TestItsTruthAgreesWithItsMask(t *testing.T) {
	t.Parallel()
	for i, g := range synth.Growths() {
		c := config(uint64(20+i), 1800, 1500)
		c.BCC, c.Growth = true, g
		s := scene(t, c)
		truth := s.Truth()
		if truth.Label != 1 || truth.Growth != g || len(truth.Lesions) == 0 {
			t.Fatalf("%s: label %d, growth %q, %d lesions", g, truth.Label, truth.Growth, len(truth.Lesions))
		}
		_, mask := render(s, wsi.Rect{W: 1800, H: 1500})
		got := float64(bytes.Count(mask, []byte{synth.ClassBCC})) * c.MPP * c.MPP / 1e6
		if math.Abs(got-truth.AreaMM2) > 0.05*truth.AreaMM2 { // outlines are smooth, pixels have a grain
			t.Errorf("%s: mask says %.5f mm², outlines %.5f mm²", g, got, truth.AreaMM2)
		}
		for _, l := range truth.Lesions {
			b := l.BoundsPx
			box := wsi.Rect{X: b[0], Y: b[1], W: b[2], H: b[3]}
			if box.Empty() || box.Intersect(wsi.Rect{W: 1800, H: 1500}) != box {
				t.Errorf("%s: lesion at %v reaches beyond the slide", g, box)
			}
		}
	}
}

func TestItKeepsCarcinomaOffNegativeSlides(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		s := scene(t, config(seed, 1000, 900))
		truth := s.Truth()
		_, mask := render(s, wsi.Rect{W: 1000, H: 900})
		if n := bytes.Count(mask, []byte{synth.ClassBCC}); n != 0 || truth.Label != 0 || len(truth.Lesions) != 0 || truth.Growth != "" {
			t.Errorf("seed %d: %d BCC pixels, truth %+v", seed, n, truth)
		}
	}
}

func TestItLooksLikeStainedTissueOnWhiteGlass(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		c := config(seed, 1100, 900)
		c.Clean, c.BCC = true, seed%2 == 0
		rgb, mask := render(scene(t, c), wsi.Rect{W: 1100, H: 900})
		var sum [6][4]float64 // by class: red, green, blue, count
		dark := 0
		for i, m := range mask {
			for k := range 3 {
				sum[m][k] += float64(rgb[3*i+k])
			}
			sum[m][3]++
			if m != 0 && rgb[3*i] < 130 && rgb[3*i+2] > rgb[3*i] {
				dark++
			}
		}
		mean := func(class, k int) float64 { return sum[class][k] / sum[class][3] }
		if share := sum[0][3] / float64(len(mask)); share < 0.25 || share > 0.95 {
			t.Errorf("seed %d: %.0f %% of the slide is glass", seed, 100*share)
		}
		if g := mean(0, 1); g < 235 {
			t.Errorf("seed %d: glass has green %.0f", seed, g)
		}
		if r, g, b := mean(1, 0), mean(1, 1), mean(1, 2); !(r > b && b > g && r > 170 && g < 225) {
			t.Errorf("seed %d: dermis is %.0f,%.0f,%.0f, want pink", seed, r, g, b)
		}
		if r, g, b := mean(4, 0), mean(4, 1), mean(4, 2); !(g < r && g < b && g < mean(1, 1)) {
			t.Errorf("seed %d: epidermis is %.0f,%.0f,%.0f, want purple and darker than dermis", seed, r, g, b)
		}
		if dark < 500 {
			t.Errorf("seed %d: %d dark blue pixels, want nuclei", seed, dark)
		}
		if c.BCC && mean(2, 0) > mean(4, 0) {
			t.Errorf("seed %d: carcinoma is lighter than epidermis", seed)
		}
	}
}

// A change of these bytes is a change for everyone who trained or tested on them:
// raise synth.Version with the hash.
func TestItGivesTheBytesOfItsVersion(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("floating point is fused differently on other processors")
	}
	c := config(7, 640, 512)
	c.BCC = true
	rgb, mask := render(scene(t, c), wsi.Rect{W: 640, H: 512})
	sum := sha256.Sum256(append(rgb, mask...))
	if got, want := hex.EncodeToString(sum[:8]), "1e17507ec8d07c80"; got != want || synth.Version != 1 {
		t.Errorf("version %d renders %s, want %s of version 1", synth.Version, got, want)
	}
}

func TestItSaysEverythingThatIsWrongWithAConfig(t *testing.T) {
	t.Parallel()
	_, err := synth.New(synth.Config{Size: wsi.Size{W: 1, H: 50_000}, MPP: math.NaN(), Growth: "wild", Variant: "x"})
	if fault.Of(err) != fault.Invalid {
		t.Fatalf("error %v is %v, want invalid", err, fault.Of(err))
	}
	for _, part := range []string{"size 1x50000", "mpp NaN", `growth "wild"`, "without BCC", `variant "x"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	c := config(1, 20_000, 20_000)
	c.Variant = synth.PNG
	if err := c.Validate(); err == nil {
		t.Error("a PNG of 400 million pixels is accepted")
	}
	for _, v := range synth.Variants() {
		c := config(1, 1000, 800)
		c.Variant = v
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", v, err)
		}
	}
	if err := (synth.SetConfig{Count: 0, BCC: 2}).Validate(); err == nil || errors.Unwrap(err) == nil {
		t.Errorf("a bad set gives %v", err)
	}
}

func TestItsGeoJSONClosesEveryRing(t *testing.T) {
	t.Parallel()
	c := config(5, 1500, 1300)
	c.BCC, c.Growth = true, synth.Nodular
	truth := scene(t, c).Truth()
	b, err := truth.GeoJSON()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Features []struct {
			Geometry struct {
				Type        string
				Coordinates [][][][2]float64
			}
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Features) != len(truth.Lesions) || len(doc.Features) == 0 {
		t.Fatalf("%d features for %d lesions", len(doc.Features), len(truth.Lesions))
	}
	for i, f := range doc.Features {
		var px float64
		for _, polygon := range f.Geometry.Coordinates {
			for k, ring := range polygon {
				if len(ring) < 4 || ring[0] != ring[len(ring)-1] {
					t.Fatalf("lesion %d: ring of %d points is open", i, len(ring))
				}
				var a float64
				for j := range len(ring) - 1 {
					a += ring[j][0]*ring[j+1][1] - ring[j+1][0]*ring[j][1]
				}
				if k == 0 {
					px += math.Abs(a) / 2
				} else {
					px -= math.Abs(a) / 2
				}
			}
		}
		if got, want := px*c.MPP*c.MPP/1e6, truth.Lesions[i].AreaMM2; math.Abs(got-want) > 0.02*want+1e-5 {
			t.Errorf("lesion %d: polygons cover %.5f mm², truth says %.5f", i, got, want)
		}
	}
}

func TestItFindsRoomForEveryGrowthOnSmallSlides(t *testing.T) {
	t.Parallel()
	for i, g := range synth.Growths() {
		c := config(uint64(i), 420, 420)
		c.BCC, c.Growth = true, g
		_, mask := render(scene(t, c), wsi.Rect{W: 420, H: 420})
		if n := bytes.Count(mask, []byte{synth.ClassBCC}); n < 100 {
			t.Errorf("%s: %d pixels of BCC", g, n)
		}
	}
}
