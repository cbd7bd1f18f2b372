package patch

import (
	"math"
	"sync"

	"bcc/wsi"
)

// phases is how finely a patch's edge is placed inside a level pixel: 1/256 of
// it, so that few different filters serve a whole slide. Positions that are
// multiples of a power of two, as in nearly every pyramid, stay exact.
const phases = 256

// axis maps patches to pixels of the level they are read from, in one direction.
type axis struct {
	down   float64 // level-0 pixels per level pixel
	extent float64 // of a patch, level pixels
	out    int     // pixels of a patch
	filter [phases]struct {
		once sync.Once
		window
	}
}

// window is what one patch needs of a level in one direction.
type window struct {
	offset int      // first pixel, from the whole pixel the patch begins in
	n      int      // pixels
	taps   wsi.Taps // from those n pixels to the patch's
	copies bool     // the taps change nothing
}

func newAxis(patch int, down float64, out int) *axis {
	return &axis{down: down, extent: float64(patch) / down, out: out}
}

// at returns the first level pixel to read for a patch at level-0 position x,
// how many, and the filter. Several goroutines may ask at once.
func (a *axis) at(x int) (from int, w *window) {
	k := int(math.Round(float64(x) / a.down * phases))
	whole, phase := floorDiv(k, phases)
	f := &a.filter[phase]
	f.once.Do(func() { f.window = newWindow(float64(phase)/phases, a.extent, a.out) })
	return whole + f.offset, &f.window
}

// newWindow finds the pixels under the triangle filter of wsi.NewTaps when a
// patch covers [phase, phase+extent): a little more than the patch itself, so
// that patches that touch agree along their edge. Nothing is clamped.
func newWindow(phase, extent float64, out int) window {
	scale := extent / float64(out)
	support := math.Max(scale, 1)
	lo := int(math.Floor(phase+0.5*scale-0.5-support)) + 1
	hi := int(math.Ceil(phase+extent-0.5*scale-0.5+support)) - 1
	w := window{offset: lo, n: hi - lo + 1}
	w.taps = wsi.NewTaps(w.n, phase-float64(lo), extent, out)
	w.copies = w.n == out && w.taps.Identity()
	return w
}

func floorDiv(a, b int) (quotient, rest int) {
	quotient, rest = a/b, a%b
	if rest < 0 {
		quotient, rest = quotient-1, rest+b
	}
	return quotient, rest
}
