package quantize

import "math"

// span is the range of an activation: what 0 and 255 stand for, about.
type span struct{ low, high float32 }

// step returns the scale and the zero point of an unsigned byte over the range. Zero
// is always one of the 256 values, as padding needs it.
func (s span) step() (scale float32, zero uint8) {
	low, high := float64(min(s.low, 0)), float64(max(s.high, 0))
	scale = float32((high - low) / 255)
	if scale < 1e-30 { // nothing but zeroes was seen
		return 1, 0
	}
	return scale, uint8(math.RoundToEven(min(255, -low/float64(scale))))
}

// half is the number of bins on each side of zero.
const half = 4096

// histogram counts values in bins whose width is a power of two and doubles when a
// value lies outside: what it holds does not depend on the order of the values.
type histogram struct {
	bins      [2 * half]int64
	width     int // bins are 2^width wide
	n         int64
	low, high float32
}

// add counts the values; false where one is not finite.
func (h *histogram) add(values []float32) bool {
	low, high := h.low, h.high
	for _, v := range values {
		if v-v != 0 {
			return false
		}
		low, high = min(low, v), max(high, v)
	}
	if h.n == 0 {
		h.width = math.MinInt16
	}
	h.low, h.high = low, high
	h.widen(float64(max(-low, high)))
	scale := math.Ldexp(1, -h.width)
	for _, v := range values {
		h.bins[half+int(math.Floor(float64(v)*scale))]++
	}
	h.n += int64(len(values))
	return true
}

// widen makes the bins reach beyond most on both sides.
func (h *histogram) widen(most float64) {
	_, exponent := math.Frexp(most) // most < 2^exponent
	width := max(exponent-12, -140) // half is 2^12
	if width <= h.width {
		return
	}
	if h.n > 0 {
		var wide [2 * half]int64
		shift := min(width-h.width, 62)
		for i, n := range h.bins {
			wide[half+(i-half)>>shift] += n
		}
		h.bins = wide
	}
	h.width = width
}

// span returns a range that holds the share keep of the values on each side of it.
func (h *histogram) span(keep float64) span {
	most := int64((1 - keep) * float64(h.n)) // that may be clipped
	edge := func(i int) float32 { return float32(math.Ldexp(float64(i-half), h.width)) }
	s := span{h.low, h.high}
	for i, gone := 0, int64(0); i < len(h.bins); i++ {
		if gone += h.bins[i]; gone > most {
			s.low = max(s.low, edge(i))
			break
		}
	}
	for i, gone := len(h.bins)-1, int64(0); i >= 0; i-- {
		if gone += h.bins[i]; gone > most {
			s.high = min(s.high, edge(i+1))
			break
		}
	}
	return s
}
