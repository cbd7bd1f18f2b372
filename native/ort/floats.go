//go:build cgo

package ort

/*
#include <stdlib.h>
#include "pixels.h"
*/
import "C"

import (
	"maps"
	"slices"
	"sync"
	"unsafe"
)

// allocated is the memory that Floats gave out: where each piece starts, and its
// length in values.
var allocated struct {
	sync.Mutex
	pieces map[uintptr]int
}

// Floats returns n zeroes outside Go's heap, at the start of a cache line: memory
// that a Call may keep. Whoever asked for it gives it to FreeFloats. nil where n is
// not positive or there is no memory.
func Floats(n int) []float32 {
	if n <= 0 || n > maxTensor {
		return nil
	}
	p := C.bcc_alloc(C.size_t(4 * n))
	if p == nil {
		return nil
	}
	data := unsafe.Slice((*float32)(p), n)
	clear(data)
	allocated.Lock()
	defer allocated.Unlock()
	if allocated.pieces == nil {
		allocated.pieces = map[uintptr]int{}
	}
	allocated.pieces[uintptr(p)] = n
	return data
}

// FreeFloats frees what Floats returned, once no call uses it; nil is fine. Memory
// that is not from Floats, or not the start of a piece, is a panic.
func FreeFloats(data []float32) {
	if len(data) == 0 {
		return
	}
	p := unsafe.Pointer(&data[0])
	allocated.Lock()
	defer allocated.Unlock()
	if _, ok := allocated.pieces[uintptr(p)]; !ok {
		panic("ort: FreeFloats of memory that is not from Floats")
	}
	delete(allocated.pieces, uintptr(p))
	C.free(p)
}

// ours reports whether data lies in one piece from Floats.
func ours(data []float32) bool {
	first := uintptr(unsafe.Pointer(&data[0]))
	allocated.Lock()
	defer allocated.Unlock()
	return slices.ContainsFunc(slices.Collect(maps.Keys(allocated.pieces)), func(start uintptr) bool {
		return start <= first && first+4*uintptr(len(data)) <= start+4*uintptr(allocated.pieces[start])
	})
}
