package augment

import "math"

// maxSigma bounds a blur: its window is 2·radius+1 pixels.
const (
	maxSigma = 2.0
	radius   = 4
)

// blur blurs pix with a Gaussian of standard deviation sigma, in pixels: first down,
// then across. The edge pixels repeat.
func blur(pix []byte, px int, sigma float64, s *scratch) {
	w, reach := kernel(sigma)
	if reach == 0 {
		return
	}
	n := 3 * px
	s.a = grown(s.a, len(pix))
	s.steps = grown(s.steps, n)
	for y := range px {
		sums := s.steps
		for i, v := range pix[n*y : n*(y+1)] {
			sums[i] = int32(v)*w[0] + 1<<15
		}
		for k := 1; k <= reach; k++ {
			up, low := pix[n*max(y-k, 0):][:n], pix[n*min(y+k, px-1):][:n]
			wk := w[k]
			for i := range sums {
				sums[i] += (int32(up[i]) + int32(low[i])) * wk
			}
		}
		row := s.a[n*y : n*(y+1)]
		for i, v := range sums {
			row[i] = byte(v >> 16)
		}
	}
	// Across, each row with its edge repeated on both sides.
	s.b = grown(s.b, n+6*radius)
	for y := range px {
		row, wide := s.a[n*y:n*(y+1)], s.b
		copy(wide[3*radius:], row)
		for k := range radius {
			copy(wide[3*k:3*k+3], row[:3])
			copy(wide[3*radius+n+3*k:][:3], row[n-3:])
		}
		sums := s.steps
		for i, v := range row {
			sums[i] = int32(v)*w[0] + 1<<15
		}
		for k := 1; k <= reach; k++ {
			left, right := wide[3*(radius-k):][:n], wide[3*(radius+k):][:n]
			wk := w[k]
			for i := range sums {
				sums[i] += (int32(left[i]) + int32(right[i])) * wk
			}
		}
		out := pix[n*y : n*(y+1)]
		for i, v := range sums {
			out[i] = byte(v >> 16)
		}
	}
}

// kernel returns the weights of the middle and of each neighbour on one side, 16
// bits of fraction, that sum to one, and how many neighbours count.
func kernel(sigma float64) (w [radius + 1]int32, reach int) {
	if !(sigma > 0.1) { // nothing would be seen
		return w, 0
	}
	var v [radius + 1]float64
	sum := 1.0
	v[0] = 1
	for k := 1; k <= radius; k++ {
		v[k] = math.Exp(-float64(k*k) / float64(2*sigma*sigma))
		sum += 2 * v[k]
	}
	left := int32(65536)
	for k := 1; k <= radius; k++ {
		w[k] = fixed(v[k] / sum)
		if w[k] > 0 {
			reach = k
		}
		left -= 2 * w[k]
	}
	w[0] = left
	return w, reach
}
