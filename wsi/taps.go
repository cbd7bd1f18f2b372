package wsi

import "math"

// TapBits is the fixed-point precision of Taps.Weight: a weight of 1 is 1<<TapBits.
const TapBits = 14

// Taps is one axis of a separable resampling filter, in fixed point so that every
// implementation gives the same bytes: output pixel i is the sum over k of
// Weight[i*N+k] × input pixel First[i]+k, plus half, shifted right by TapBits and
// clamped to 0..255. The weights of a pixel sum to exactly 1<<TapBits, and every
// First[i]+k lies inside the input.
type Taps struct {
	N      int     // taps a pixel
	First  []int32 // first input pixel, one an output pixel
	Weight []int16 // N an output pixel
}

// NewTaps returns the triangle filter that maps the interval [from, from+extent)
// of an input axis of in pixels onto out pixels. When it shrinks, the triangle
// widens with the scale, which keeps it from aliasing; when it enlarges, it is
// linear interpolation. Positions beyond the input are clamped to its edge pixels.
func NewTaps(in int, from, extent float64, out int) Taps {
	scale := extent / float64(out)
	support := math.Max(scale, 1)
	span := func(i int) (centre float64, lo, hi int) { // pixels whose centre lies under the triangle
		centre = from + (float64(i)+0.5)*scale - 0.5
		lo = int(math.Floor(centre-support)) + 1
		hi = int(math.Ceil(centre+support)) - 1
		return centre, lo, hi
	}
	clamp := func(k int) int { return min(max(k, 0), in-1) }

	t := Taps{N: 1, First: make([]int32, out)}
	for i := range out {
		_, lo, hi := span(i)
		t.N = max(t.N, clamp(hi)-clamp(lo)+1)
	}
	t.Weight = make([]int16, out*t.N)
	w := make([]float64, t.N)
	for i := range out {
		centre, lo, hi := span(i)
		first := min(clamp(lo), in-t.N)
		clear(w)
		var sum float64
		for k := lo; k <= hi; k++ {
			v := 1 - math.Abs(float64(k)-centre)/support
			w[clamp(k)-first] += v
			sum += v
		}
		t.First[i] = int32(first)
		quantise(t.Weight[i*t.N:(i+1)*t.N], w, sum)
	}
	return t
}

// quantise writes w/sum in fixed point so that the whole is exactly 1<<TapBits:
// what rounding leaves over goes to the largest weight.
func quantise(dst []int16, w []float64, sum float64) {
	const one = 1 << TapBits
	left, big := one, 0
	for k, v := range w {
		q := int(math.Round(v / sum * one))
		dst[k] = int16(q)
		left -= q
		if dst[k] > dst[big] {
			big = k
		}
	}
	dst[big] += int16(left)
}

// Identity reports whether the taps copy the input unchanged.
func (t Taps) Identity() bool {
	for i, f := range t.First {
		for k := range t.N {
			if t.Weight[i*t.N+k] != 0 && (int(f)+k != i || t.Weight[i*t.N+k] != 1<<TapBits) {
				return false
			}
		}
	}
	return true
}
