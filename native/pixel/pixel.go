// Package pixel scales pixels in C, with the vector instructions that Go's
// compiler does not use. It gives the bytes of bcc/patch.Resample, whose comment
// specifies the arithmetic. Nothing has to be freed, no thread is started, and
// any number of goroutines may call it at once.
package pixel

import "bcc/wsi"

// check panics where the taps do not fit the pictures, as Go code that indexes
// out of range would: C would read or write elsewhere instead.
func check(dst, src []byte, srcW, srcH int, x, y wsi.Taps) {
	if srcW < 0 || srcH < 0 || len(src) < 3*srcW*srcH || len(dst) < 3*len(x.First)*len(y.First) ||
		!fits(x, srcW) || !fits(y, srcH) {
		panic("pixel: taps or buffers do not fit the picture")
	}
}

func fits(t wsi.Taps, in int) bool {
	if t.N < 1 || t.N > in || len(t.Weight) < t.N*len(t.First) {
		return false
	}
	for _, f := range t.First {
		if f < 0 || int(f) > in-t.N {
			return false
		}
	}
	return true
}
