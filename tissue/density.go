package tissue

import (
	"math"

	"bcc/wsi"
)

// Density is how much light tissue takes, as optical density (base 10) in red, green
// and blue: 0 is glass, 1 is a tenth of the light. Haematoxylin takes most of the red,
// eosin of the green, so a slide that was stained, cut or scanned otherwise has another.
type Density [3]float64

// Stain returns the mean density of what the mask covers; ok is false where that is
// nothing. The mask is of the overview's size, as Find makes it.
func Stain(o *wsi.Overview, m *wsi.Mask) (d Density, ok bool) {
	if o == nil || m == nil || m.Size != o.Size || len(m.Bits) != o.Size.W*o.Size.H {
		return d, false
	}
	var counts [3][256]int // of each value: a logarithm a value, not a pixel
	n := 0
	for i, in := range m.Bits {
		if in == 0 {
			continue
		}
		n++
		for c := range 3 {
			counts[c][o.Pix[3*i+c]]++
		}
	}
	if n == 0 {
		return d, false
	}
	for c := range 3 {
		sum := 0.
		for v, k := range counts[c] {
			sum += float64(k) * density[v]
		}
		d[c] = sum / float64(n)
	}
	return d, true
}

// density of each value; 0 counts as half a step, so that black has an end.
var density = func() (t [256]float64) {
	for v := range t {
		t[v] = -math.Log10(max(float64(v), 0.5) / 255)
	}
	return t
}()
