//go:build cgo

package nvml

/*
#cgo CFLAGS: -std=c11 -O2 -Wall -Wextra -Werror=implicit-function-declaration
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "driver.h"
*/
import "C"

import (
	"sync"
	"unsafe"
)

// Library is the driver's library, loaded when it is first asked. It may be shared by
// goroutines; whoever made it closes it.
type Library struct {
	path string

	mu     sync.Mutex
	driver *C.bcc_driver
	why    string // it cannot be loaded; that is not tried again
}

// New returns the library at path; empty: where the driver puts it.
func New(path string) *Library {
	if path == "" {
		path = "libnvidia-ml.so.1"
	}
	return &Library{path: path}
}

// GPUs reads all that the driver shows. Where there are none, why says in a few words
// how that is known. What one of them does not tell is zero.
func (l *Library) GPUs() (all []GPU, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var reason [C.BCC_REASON]C.char
	if l.driver == nil && l.why == "" {
		path := C.CString(l.path)
		defer C.free(unsafe.Pointer(path))
		if l.driver = C.bcc_driver_open(path, &reason[0]); l.driver == nil {
			l.why = C.GoString(&reason[0])
		}
	}
	if l.driver == nil {
		return nil, l.why
	}
	n := C.bcc_driver_count(l.driver, &reason[0])
	if n == 0 {
		return nil, "the driver shows none"
	}
	for i := range n {
		var g C.bcc_gpu
		if C.bcc_driver_read(l.driver, C.uint(i), &g, &reason[0]) != 0 {
			continue // the others work
		}
		all = append(all, GPU{
			Index: int(i), Name: C.GoString(&g.name[0]), UUID: C.GoString(&g.uuid[0]),
			MemoryTotal: uint64(g.memory_total), MemoryUsed: uint64(g.memory_used),
			UsePercent: float64(g.use_percent), TemperatureC: float64(g.temperature_c),
		})
	}
	return all, C.GoString(&reason[0])
}

// Close gives the library back; it is loaded again when it is asked again.
func (l *Library) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.driver != nil {
		C.bcc_driver_close(l.driver)
		l.driver = nil
	}
}
