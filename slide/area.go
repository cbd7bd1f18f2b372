package slide

import "sync"

// areaBits is the precision of one axis of areaTaps: the weights of an output
// pixel sum to exactly 1<<areaBits, those of both axes to 1<<24, and a byte times
// that still fits 32 bits.
const areaBits = 12

// areaTaps averages an axis of in pixels down to out: every output pixel is the
// mean of the stretch that it covers, pixels that it covers in part counting in
// part. Whole numbers throughout, so that sums do not depend on their order.
type areaTaps struct {
	first  []int32 // first input pixel, one an output pixel
	start  []int32 // where its weights begin; one more than output pixels
	weight []uint16
}

// newAreaTaps maps the stretch that begins at 0 and is extent input pixels long,
// which may reach beyond in by the rounding of sizes; the edge is repeated there.
func newAreaTaps(in int, extent float64, out int) areaTaps {
	t := areaTaps{first: make([]int32, out), start: make([]int32, out+1)}
	scale := extent / float64(out)
	var w []float64
	for i := range out {
		lo, hi := float64(i)*scale, float64(i+1)*scale
		first := min(int(lo), in-1)
		w = w[:0]
		for k := int(lo); k == int(lo) || float64(k) < hi; k++ {
			part := min(float64(k+1), hi) - max(float64(k), lo)
			if at := min(k, in-1) - first; at < len(w) {
				w[at] += part
			} else {
				w = append(w, part)
			}
		}
		t.first[i] = int32(first)
		t.weight = appendWeights(t.weight, w)
		t.start[i+1] = int32(len(t.weight))
	}
	return t
}

// appendWeights appends w in fixed point, summing to exactly 1<<areaBits: each
// ends where the running sum does, so no rounding adds up.
func appendWeights(dst []uint16, w []float64) []uint16 {
	var total, sum float64
	for _, v := range w {
		total += v
	}
	before := 0
	for _, v := range w {
		sum += v
		now := int(sum/total*(1<<areaBits) + 0.5)
		dst = append(dst, uint16(now-before))
		before = now
	}
	return dst
}

// outputs returns the output pixels [lo, hi) that use any input in [from, to).
func (t areaTaps) outputs(from, to int) (lo, hi int) {
	n := len(t.first)
	last := func(i int) int { return int(t.first[i]) + int(t.start[i+1]-t.start[i]) } // one beyond
	for lo < n && last(lo) <= from {                                                  // sides are short: a loop will do
		lo++
	}
	for hi = lo; hi < n && int(t.first[hi]) < to; hi++ {
	}
	return lo, hi
}

// sums accumulates an area average out of pieces that come in any order, from any
// number of goroutines. It holds darkness, 255 minus value, so that what never
// comes is white.
type sums struct {
	x, y areaTaps
	w    int
	acc  []uint32     // 3 an output pixel
	rows []sync.Mutex // one an output row
}

func newSums(x, y areaTaps) *sums {
	w, h := len(x.first), len(y.first)
	return &sums{x: x, y: y, w: w, acc: make([]uint32, 3*w*h), rows: make([]sync.Mutex, h)}
}

// adder is one goroutine's way of adding to sums.
type adder struct {
	*sums
	across, down []uint32 // scratch: a row averaged across, and rows of it added up
}

func (s *sums) adder() *adder {
	return &adder{s, make([]uint32, 3*s.w), make([]uint32, 3*s.w)}
}

// add accounts for the w×h piece at (x0, y0) of the input. stride is in pixels.
func (a *adder) add(pix []byte, x0, y0, w, h, stride int) {
	if w <= 0 || h <= 0 { // all of it is padding
		return
	}
	left, right := a.x.outputs(x0, x0+w)
	top, bottom := a.y.outputs(y0, y0+h)
	n := 3 * (right - left)
	for o := top; o < bottom; o++ {
		down := a.down[:n]
		clear(down)
		first := int(a.y.first[o])
		for k, wy := range a.y.weight[a.y.start[o]:a.y.start[o+1]] {
			y := first + k - y0
			if y < 0 || y >= h || wy == 0 {
				continue
			}
			a.average(pix[3*y*stride:3*(y*stride+w)], x0, left, right)
			for i, v := range a.across[:n] {
				down[i] += uint32(wy) * v
			}
		}
		a.rows[o].Lock()
		acc := a.acc[3*(o*a.w+left):][:n]
		for i, v := range down {
			acc[i] += v
		}
		a.rows[o].Unlock()
	}
}

// average averages one row of a piece across, for the outputs [left, right).
func (a *adder) average(pix []byte, x0, left, right int) {
	n := len(pix) / 3
	for o := left; o < right; o++ {
		weights := a.x.weight[a.x.start[o]:a.x.start[o+1]]
		at := int(a.x.first[o]) - x0
		if at < 0 {
			weights = weights[-at:]
			at = 0
		}
		if over := at + len(weights) - n; over > 0 {
			weights = weights[:len(weights)-over]
		}
		p := pix[3*at : 3*(at+len(weights))]
		var r, g, b uint32
		for _, w := range weights {
			r += uint32(w) * uint32(255-p[0])
			g += uint32(w) * uint32(255-p[1])
			b += uint32(w) * uint32(255-p[2])
			p = p[3:]
		}
		i := 3 * (o - left)
		a.across[i], a.across[i+1], a.across[i+2] = r, g, b
	}
}

// write rounds the sums into pix.
func (s *sums) write(pix []byte) {
	for i, v := range s.acc {
		pix[i] = 255 - byte((v+1<<(2*areaBits-1))>>(2*areaBits))
	}
}
