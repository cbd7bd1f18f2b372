//go:build cgo

package pixel_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"bcc/native/pixel"
	"bcc/patch"
	"bcc/wsi"
)

func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
		if rng.IntN(4) == 0 {
			b[i] = byte(255 * rng.IntN(2)) // the ends of the range, where clamping shows
		}
	}
	return b
}

func TestItGivesTheBytesOfTheReference(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	taps := func(in, out int) wsi.Taps {
		from := (rng.Float64() - 0.5) * 3
		extent := float64(in) * (0.7 + 0.6*rng.Float64())
		return wsi.NewTaps(in, from, extent, out)
	}
	sides := []int{1, 2, 3, 5, 7, 8, 9, 11, 15, 16, 17, 24, 31, 32, 33, 40, 64, 100, 224}
	for range 1500 {
		side := func() int { return sides[rng.IntN(len(sides))] }
		w, h, outW, outH := side(), side(), side(), side()
		x, y := taps(w, outW), taps(h, outH)
		src := noise(rng, 3*w*h)
		n := 3 * outW * outH
		want := make([]byte, n)
		patch.Resample(want, src, w, h, x, y)
		for name, resample := range pixel.Kernels() {
			got := bytes.Repeat([]byte{0xA5}, n+64) // what lies behind dst has to stay
			resample(got[:n:n], src, w, h, x, y)
			name = fmt.Sprintf("%s: %dx%d with %d, %d taps to %dx%d", name, w, h, x.N, y.N, outW, outH)
			for i, v := range want {
				if got[i] != v {
					t.Fatalf("%s: byte %d is %d, want %d", name, i, got[i], v)
				}
			}
			if !bytes.Equal(got[n:], bytes.Repeat([]byte{0xA5}, 64)) {
				t.Fatalf("%s: it wrote past the end", name)
			}
		}
	}
}

func TestItPanicsWhereTapsDoNotFit(t *testing.T) {
	t.Parallel()
	good := wsi.NewTaps(8, 0, 8, 8)
	far := wsi.NewTaps(8, 0, 8, 8)
	far.First = append([]int32(nil), far.First...)
	far.First[3] = 8
	for name, call := range map[string]func(){
		"a tap beyond the picture": func() { pixel.Resample(make([]byte, 192), make([]byte, 192), 8, 8, far, good) },
		"a short source":           func() { pixel.Resample(make([]byte, 192), make([]byte, 191), 8, 8, good, good) },
		"a short destination":      func() { pixel.Resample(make([]byte, 191), make([]byte, 192), 8, 8, good, good) },
		"taps of a larger picture": func() { pixel.Resample(make([]byte, 192), make([]byte, 192), 8, 8, good, wsi.NewTaps(9, 0, 9, 8)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

func BenchmarkResample(b *testing.B) {
	for _, c := range []struct{ in, out int }{{212, 224}, {448, 224}, {230, 224}} {
		x, w := wsi.NewTaps(c.in+4, 2, float64(c.in), c.out), c.in+4
		src, dst := noise(rand.New(rand.NewPCG(1, 1)), 3*w*w), make([]byte, 3*c.out*c.out)
		all := pixel.Kernels()
		all["go"] = patch.Resample
		for name, f := range all {
			b.Run(fmt.Sprintf("%dto%d/%s", c.in, c.out, name), func(b *testing.B) {
				for b.Loop() {
					f(dst, src, w, w, x, x)
				}
			})
		}
	}
}
