package dataset

import (
	"math"

	"bcc/fault"
)

// Normal turns RGB pixels into what a network takes in: (v/255 - mean)/std of each
// channel, the channels one after the other. Goroutines may share it.
type Normal struct{ value [3][256]float32 }

// NewNormal prepares the normalisation of a card. std zero in all channels: 1.
func NewNormal(mean, std [3]float32) (*Normal, error) {
	n := new(Normal)
	if std == [3]float32{} {
		std = [3]float32{1, 1, 1}
	}
	for c := range 3 {
		// One multiplication and one addition in float32, as native/ort has it.
		scale, bias := float32(1.0/255/float64(std[c])), float32(-float64(mean[c])/float64(std[c]))
		for v := range 256 {
			n.value[c][v] = float32(float32(v)*scale) + bias
		}
		if last := float64(n.value[c][255]); math.IsNaN(last) || math.IsInf(last, 0) {
			return nil, fault.New(fault.Invalid, "normalisation by mean %v and standard deviation %v gives no finite numbers", mean, std)
		}
	}
	return n, nil
}

// Write writes the picture pix, 3 bytes a pixel, to dst: len(pix) values.
func (n *Normal) Write(dst []float32, pix []byte) error {
	if len(dst) != len(pix) || len(pix)%3 != 0 {
		return fault.New(fault.Invalid, "normalise %d bytes of pixels into %d values", len(pix), len(dst))
	}
	area := len(pix) / 3
	r, g, b := dst[:area], dst[area:][:area], dst[2*area:][:area]
	for i := range r {
		r[i], g[i], b[i] = n.value[0][pix[3*i]], n.value[1][pix[3*i+1]], n.value[2][pix[3*i+2]]
	}
	return nil
}
