package patch_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"bcc/patch"
	"bcc/wsi"
)

func TestItRoundsAfterEachDirection(t *testing.T) {
	t.Parallel()
	mean := wsi.Taps{N: 2, First: []int32{0}, Weight: []int16{1 << 13, 1 << 13}}
	// Down: (0+1)/2 is 0.5, which rounds to 1; (1+3)/2 is 2; (0+0)/2 is 0.
	// Then across: (1+2)/2 is 1.5, which rounds to 2. In one step it would be 5/4.
	src := []byte{0, 9, 0, 1, 9, 0, 1, 9, 0, 3, 9, 255}
	got := make([]byte, 3)
	patch.Resample(got, src, 2, 2, mean, mean)
	if want := []byte{2, 9, 64}; !bytes.Equal(got, want) { // 255/2 is 127.5, 128; 128/2 is 64
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestItClampsWhatStrangeWeightsGive(t *testing.T) {
	t.Parallel()
	one := wsi.Taps{N: 1, First: []int32{0}, Weight: []int16{1 << 14}}
	sharp := wsi.Taps{N: 2, First: []int32{0}, Weight: []int16{1<<14 + 1<<13, -1 << 13}}
	got := make([]byte, 3)
	patch.Resample(got, []byte{255, 10, 100, 0, 200, 100}, 2, 1, sharp, one)
	if want := []byte{255, 0, 100}; !bytes.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestItStaysWithinRoundingOfTheExactFilter(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 9))
	for _, c := range []struct {
		in, out int
		extent  float64
	}{{50, 64, 47.3}, {60, 50, 55}, {100, 32, 96.2}} {
		src := make([]byte, 3*c.in*c.in)
		for i := range src {
			src[i] = byte(rng.Uint32())
		}
		taps := wsi.NewTaps(c.in, 1.7, c.extent, c.out)
		got := make([]byte, 3*c.out*c.out)
		patch.Resample(got, src, c.in, c.in, taps, taps)
		var bias float64
		for j := range c.out {
			for i := range c.out {
				var want float64
				for m := range taps.N {
					for k := range taps.N {
						w := float64(taps.Weight[j*taps.N+m]) * float64(taps.Weight[i*taps.N+k]) / (1 << (2 * wsi.TapBits))
						want += w * float64(src[3*((int(taps.First[j])+m)*c.in+int(taps.First[i])+k)])
					}
				}
				d := float64(got[3*(j*c.out+i)]) - want
				if math.Abs(d) > 1.01 { // half a level in each direction
					t.Fatalf("%d to %d: (%d,%d) is %.2f off", c.in, c.out, i, j, d)
				}
				bias += d / float64(c.out*c.out)
			}
		}
		if math.Abs(bias) > 0.05 {
			t.Errorf("%d to %d: %.3f too bright on average", c.in, c.out, bias)
		}
	}
}
