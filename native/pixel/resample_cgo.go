//go:build cgo

package pixel

/*
#cgo CFLAGS: -O3 -std=c11 -Wall -Wextra
#cgo noescape bcc_resample
#cgo nocallback bcc_resample
#include "resample.h"
*/
import "C"

import (
	"sync"

	"bcc/wsi"
)

// scratch holds the one row and the rearranged weights that a call needs.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

var best = int(C.bcc_resample_kernels()) - 1

// Available reports whether Resample is there.
func Available() bool { return true }

// Resample scales the srcW×srcH RGB picture src to len(x.First)×len(y.First)
// pixels in dst. It panics where the taps do not fit.
func Resample(dst, src []byte, srcW, srcH int, x, y wsi.Taps) {
	resample(dst, src, srcW, srcH, x, y, best)
}

// resample uses the given kernel, 0 (plain C) to best.
func resample(dst, src []byte, srcW, srcH int, x, y wsi.Taps, kernel int) {
	check(dst, src, srcW, srcH, x, y)
	if len(x.First) == 0 || len(y.First) == 0 {
		return
	}
	s := scratch.Get().(*[]byte)
	if n := int(C.bcc_resample_scratch(C.int(srcW), C.int(len(x.First)), C.int(x.N))); len(*s) < n {
		*s = make([]byte, n)
	}
	C.bcc_resample((*C.uint8_t)(&dst[0]), (*C.uint8_t)(&src[0]), C.int(srcW),
		(*C.int32_t)(&x.First[0]), (*C.int16_t)(&x.Weight[0]), C.int(x.N),
		(*C.int32_t)(&y.First[0]), (*C.int16_t)(&y.Weight[0]), C.int(y.N),
		C.int(len(x.First)), C.int(len(y.First)), (*C.uint8_t)(&(*s)[0]), C.int(kernel))
	scratch.Put(s)
}
