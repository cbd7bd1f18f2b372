package augment

import (
	"math"
	"math/rand/v2"
)

// grain is a Gaussian of standard deviation 1 with 8 bits of fraction, drawn once:
// a normal number a pixel would cost more than all other changes together. A prime
// length keeps rows of the picture from meeting the same stretch.
var grain = func() (t [16381]int32) {
	rng := rand.New(rand.NewPCG(0x6772, 0x6169))
	for i := range t {
		t[i] = int32(math.Round(256 * min(max(rng.NormFloat64(), -4), 4)))
	}
	return t
}()

// addNoise adds noise of standard deviation sigma, as a part of 255, to every byte.
func addNoise(pix []byte, sigma float64, start uint32) {
	scale := fixed(255*sigma) >> 4 // 12 bits of fraction
	at := int(start % uint32(len(grain)))
	for len(pix) > 0 {
		run := min(len(pix), len(grain)-at)
		for i, g := range grain[at : at+run] {
			v := int32(pix[i]) + (g*scale+1<<19)>>20
			pix[i] = byte(min(max(v, 0), 255))
		}
		pix, at = pix[run:], 0
	}
}
