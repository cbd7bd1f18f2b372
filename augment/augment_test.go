package augment_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	_ "image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"bcc/augment"
	"bcc/fault"
)

// tissue returns a patch that looks a little like H&E: pink ground, dark nuclei,
// white gaps.
func tissue(px int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	pix := make([]byte, 3*px*px)
	for i := range px * px {
		copy(pix[3*i:], []byte{byte(220 + rng.IntN(12)), byte(150 + rng.IntN(12)), byte(190 + rng.IntN(12))})
	}
	for range px / 4 {
		x, y, r, c := rng.IntN(px), rng.IntN(px), 2+rng.IntN(5), []byte{90, 50, 130}
		if rng.IntN(5) == 0 {
			c = []byte{245, 245, 245}
		}
		for j := max(y-r, 0); j < min(y+r, px); j++ {
			for i := max(x-r, 0); i < min(x+r, px); i++ {
				copy(pix[3*(j*px+i):], c)
			}
		}
	}
	return pix
}

func augmenter(t testing.TB, c augment.Config) *augment.Augmenter {
	t.Helper()
	a, err := augment.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func level(t testing.TB, l augment.Level) *augment.Augmenter {
	t.Helper()
	c, err := augment.Of(l)
	if err != nil {
		t.Fatal(err)
	}
	return augmenter(t, c)
}

func apply(a *augment.Augmenter, seed uint64, src []byte, px int) []byte {
	dst := make([]byte, len(src))
	a.Apply(rand.New(rand.NewPCG(seed, 2)), dst, src, px)
	return dst
}

func TestItGivesTheSameBytesForASeed(t *testing.T) {
	t.Parallel()
	a, h := level(t, augment.Full), sha256.New()
	src := tissue(64, 1)
	kept := bytes.Clone(src)
	for seed := range uint64(40) {
		one := apply(a, seed, src, 64)
		done := make(chan []byte)
		for range 2 { // two at once, with scratch that others have used
			go func() { done <- apply(a, seed, src, 64) }()
		}
		for range 2 {
			if other := <-done; !bytes.Equal(one, other) {
				t.Fatalf("seed %d gives other bytes the second time", seed)
			}
		}
		h.Write(one)
	}
	if !bytes.Equal(src, kept) {
		t.Error("the source was changed")
	}
	// Written once on amd64: whatever machine this runs on, the bytes are these.
	const want = "8eff04a71bcf941c"
	if got := hex.EncodeToString(h.Sum(nil)[:8]); got != want {
		t.Errorf("other bytes than on the machine where this was written: %s, want %s", got, want)
	}
}

func TestItLeavesThePatchAtLevelNone(t *testing.T) {
	t.Parallel()
	src := tissue(32, 2)
	for seed := range uint64(20) {
		if got := apply(level(t, augment.None), seed, src, 32); !bytes.Equal(got, src) {
			t.Fatalf("seed %d: changed", seed)
		}
	}
}

func TestItLaysAPatchInEightWays(t *testing.T) {
	t.Parallel()
	a, src := augmenter(t, augment.Config{Orient: true}), tissue(17, 3)
	pixels := func(pix []byte) [][3]byte {
		var out [][3]byte
		for i := 0; i < len(pix); i += 3 {
			out = append(out, [3]byte(pix[i:]))
		}
		slices.SortFunc(out, func(a, b [3]byte) int { return bytes.Compare(a[:], b[:]) })
		return out
	}
	seen, want := map[string]int{}, pixels(src)
	for seed := range uint64(800) {
		got := apply(a, seed, src, 17)
		if seed < 40 && !slices.Equal(pixels(got), want) {
			t.Fatalf("seed %d: other pixels than the patch's", seed)
		}
		seen[string(got)]++
	}
	if len(seen) != 8 {
		t.Fatalf("%d ways, want 8", len(seen))
	}
	for _, n := range seen { // 100 ± 5 standard deviations
		if n < 50 || n > 150 {
			t.Errorf("a way came %d times of 800", n)
		}
	}
}

func TestItKeepsGlassWhiteAndDarkDark(t *testing.T) {
	t.Parallel()
	a := level(t, augment.Full)
	for seed := range uint64(100) {
		src := bytes.Repeat([]byte{243, 243, 243}, 16*16)
		copy(src[3*128:], bytes.Repeat([]byte{80, 45, 120}, 128))
		got := apply(a, seed, src, 16)
		low, high := slices.Min(got), slices.Max(got)
		if high < 205 || low > 110 {
			t.Errorf("seed %d: from %d to %d", seed, low, high)
		}
	}
}

// A dye's amount is what it changes: doubling eosin only must leave haematoxylin.
func TestItChangesEachDyeByItself(t *testing.T) {
	t.Parallel()
	a := augmenter(t, augment.Config{Stain: 0.5})
	od := func(v byte) float64 { return -math.Log10(float64(v) / 255) }
	pure := func(v [3]float64, amount float64) []byte { // one dye alone
		p := make([]byte, 3)
		for i := range p {
			p[i] = byte(math.Round(255 * math.Pow(10, -v[i]*amount)))
		}
		return p
	}
	for _, dye := range [][3]float64{{0.650, 0.704, 0.286}, {0.072, 0.990, 0.105}} {
		src := bytes.Repeat(pure(dye, 0.5), 16)
		var least, most = 9.0, 0.0
		for seed := range uint64(60) {
			got := apply(a, seed, src, 4)[:3]
			var amounts []float64
			for i := range 3 {
				if dye[i] > 0.2 { // a byte is too coarse for less
					amounts = append(amounts, od(got[i])/dye[i]/0.5)
				}
			}
			for _, f := range amounts {
				if math.Abs(f-amounts[0]) > 0.06 {
					t.Errorf("dye %v, seed %d: %v became %v: another colour", dye, seed, src[:3], got)
				}
			}
			least, most = min(least, amounts[0]), max(most, amounts[0])
		}
		if least < 0.45 || least > 0.6 || most < 1.4 || most > 1.55 {
			t.Errorf("dye %v: amounts from %.2f to %.2f, want 0.5 to 1.5", dye, least, most)
		}
	}
}

func TestItZoomsAroundAPlaceInThePatch(t *testing.T) {
	t.Parallel()
	const px = 64
	src := make([]byte, 3*px*px)
	for y := range px {
		for x := range px {
			copy(src[3*(y*px+x):], []byte{byte(4 * x), byte(4 * y), 0})
		}
	}
	a := augmenter(t, augment.Config{Zoom: 1.5})
	in, out := 0, 0
	for seed := range uint64(100) {
		got := apply(a, seed, src, px)
		// What is inside grows or shrinks by one factor in both directions.
		at := func(x, y, c int) float64 { return float64(got[3*(y*px+x)+c]) / 4 }
		across, down := (at(36, 32, 0)-at(28, 32, 0))/8, (at(32, 36, 1)-at(32, 28, 1))/8
		if math.Abs(across-down) > 0.1 || across < 0.6 || across > 1.6 {
			t.Errorf("seed %d: %.2f pixels a pixel across, %.2f down", seed, across, down)
		}
		if across < 1 {
			in++
		} else {
			out++
		}
	}
	if in < 25 || out < 25 {
		t.Errorf("%d enlarged, %d reduced", in, out)
	}
}

func TestItBlursWithoutMovingOrDarkening(t *testing.T) {
	t.Parallel()
	const px = 33
	src := bytes.Repeat([]byte{100}, 3*px*px)
	a := augmenter(t, augment.Config{Blur: 2, BlurChance: 1})
	for seed := range uint64(20) {
		if got := apply(a, seed, src, px); !bytes.Equal(got, src) {
			t.Fatalf("seed %d: an even patch changed", seed)
		}
	}
	dot := make([]byte, 3*px*px)
	copy(dot[3*(16*px+16):], []byte{255, 255, 255})
	spread := 0
	for seed := range uint64(20) {
		got := apply(a, seed, dot, px)
		for y := range px {
			for x := range px {
				if p, q := got[3*(y*px+x)], got[3*((px-1-y)*px+px-1-x)]; max(p, q)-min(p, q) > 1 {
					t.Fatalf("seed %d: a dot is lopsided at (%d,%d)", seed, x, y)
				}
			}
		}
		if got[3*(16*px+16)] < 200 {
			spread++
		}
	}
	if spread < 10 {
		t.Errorf("%d of 20 were blurred", spread)
	}
}

func TestItsNoiseHasNoColourOfItsOwn(t *testing.T) {
	t.Parallel()
	const px = 128
	src := bytes.Repeat([]byte{128}, 3*px*px)
	a := augmenter(t, augment.Config{Noise: 0.05, NoiseChance: 1})
	for seed := range uint64(10) {
		var sum, squares float64
		for _, v := range apply(a, seed, src, px) {
			d := float64(v) - 128
			sum, squares = sum+d, squares+d*d
		}
		n := float64(3 * px * px)
		if math.Abs(sum/n) > 0.5 || math.Sqrt(squares/n) > 0.05*255*1.1 {
			t.Errorf("seed %d: mean %.2f, deviation %.1f", seed, sum/n, math.Sqrt(squares/n))
		}
	}
}

func TestItChangesMoreAtAHigherLevel(t *testing.T) {
	t.Parallel()
	src := tissue(64, 5)
	spread := func(l augment.Level) (sd float64) { // of the mean green over seeds
		var sum, squares float64
		for seed := range uint64(60) {
			var m float64
			got := apply(level(t, l), seed, src, 64)
			for i := 1; i < len(got); i += 3 {
				m += float64(got[i])
			}
			m /= float64(len(got) / 3)
			sum, squares = sum+m, squares+m*m
		}
		return math.Sqrt(squares/60 - sum/60*sum/60)
	}
	none, light, full := spread(augment.None), spread(augment.Light), spread(augment.Full)
	if none > 0.01 || light < 1 || full < 2*light {
		t.Errorf("mean green spreads by %.2f, %.2f and %.2f", none, light, full)
	}
}

func TestItRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	_, err := augment.New(augment.Config{Zoom: 0.5, Stain: math.NaN(), BlurChance: 2})
	if fault.Of(err) != fault.Invalid {
		t.Fatalf("error %v", err)
	}
	for _, word := range []string{"zoom", "stain", "chance of blur"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not name %s", err, word)
		}
	}
	if _, err := augment.Of("much"); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "light") {
		t.Errorf("error %v", err)
	}
	for _, l := range augment.Levels() {
		level(t, l)
	}
}

func TestItTakesPatchesOfOnePixel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		for px := 1; px < 6; px++ {
			apply(level(t, augment.Full), seed, tissue(px, seed), px)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	src := tissue(224, 6)
	dst := make([]byte, len(src))
	for _, l := range augment.Levels() {
		b.Run("level="+string(l), func(b *testing.B) {
			a, rng := level(b, l), rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				a.Apply(rng, dst, src, 224)
			}
		})
	}
}

// A contact sheet to look at: BCC_SHEET=out.png BCC_TILES=dir of PNG tiles.
func TestItDrawsASheet(t *testing.T) {
	out := os.Getenv("BCC_SHEET")
	if out == "" {
		t.Skip("BCC_SHEET names no file to draw to")
	}
	const px, across = 224, 8
	tiles := strings.Split(os.Getenv("BCC_TILES"), ",")
	sheet := image.NewNRGBA(image.Rect(0, 0, px*across, px*len(tiles)))
	a := level(t, augment.Level(os.Getenv("BCC_LEVEL")))
	for row, name := range tiles {
		src := decode(t, name)
		for col := range across {
			pix := src
			if col > 0 {
				pix = apply(a, uint64(100*row+col), src, px)
			}
			for y := range px {
				for x := range px {
					i := sheet.PixOffset(col*px+x, row*px+y)
					copy(sheet.Pix[i:], pix[3*(y*px+x):][:3])
					sheet.Pix[i+3] = 255
				}
			}
		}
	}
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, sheet); err != nil {
		t.Fatal(err)
	}
}

func decode(t *testing.T, name string) []byte {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	b := m.Bounds()
	var pix []byte
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := m.At(x, y).RGBA()
			pix = append(pix, byte(r>>8), byte(g>>8), byte(bl>>8))
		}
	}
	return pix
}
