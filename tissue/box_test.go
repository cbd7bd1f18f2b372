package tissue

import (
	"math/rand/v2"
	"slices"
	"testing"

	"bcc/wsi"
)

func TestBoxGivesWhatCountingEveryWindowGives(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		size := wsi.Size{W: 1 + rng.IntN(20), H: 1 + rng.IntN(20)}
		rx, ry := rng.IntN(min(6, size.W)+1), rng.IntN(min(6, size.H)+1)
		src := make([]byte, size.W*size.H)
		for i := range src {
			src[i] = byte(rng.IntN(2))
		}
		for name, keep := range map[string]rule{"majority": majority, "dilate": dilate, "erode": erode} {
			got, want := make([]byte, len(src)), make([]byte, len(src))
			box(got, src, size, rx, ry, keep)
			for y := range size.H {
				for x := range size.W {
					var window []byte
					for j := max(y-ry, 0); j <= min(y+ry, size.H-1); j++ {
						window = append(window, src[j*size.W+max(x-rx, 0):j*size.W+min(x+rx, size.W-1)+1]...)
					}
					slices.Sort(window)
					n := len(window)
					want[y*size.W+x] = map[string]byte{
						"majority": window[(n-1)/2], // the lower median: more than half have to be ones
						"dilate":   window[n-1], "erode": window[0],
					}[name]
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s of %v with radius %d, %d:\nof   %v\ngot  %v\nwant %v", name, size, rx, ry, src, got, want)
			}
		}
	}
}
