//go:build cgo

package mpi

import (
	"runtime"
	"unsafe"
)

// pinned keeps Go memory where it is while the library holds its address.
type pinned struct{ runtime.Pinner }

func (p *pinned) address(at unsafe.Pointer) uintptr {
	p.Pin(at)
	return uintptr(at)
}
