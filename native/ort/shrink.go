//go:build cgo

package ort

/*
#include <stdlib.h>
#include "engine.h"
*/
import "C"

import (
	"context"
	"strings"
	"sync"
	"unsafe"

	"bcc/fault"
)

// shrinker gives back what a session holds and does not use. The zero value is ready.
type shrinker struct {
	mu     sync.Mutex
	thread *thread // of a GPU: its provider keeps handles for every thread that ever ran it
}

// Shrink gives memory that runs left behind back to the system: the engine's arena,
// which otherwise stays as large as the largest batches made it, and the C heap's free
// pages. It runs the model once on black pixels, beside whatever the runners do; what is
// in use stays. The next batches take some memory anew, which costs them a few
// milliseconds.
func (m *Model) Shrink(ctx context.Context) error {
	if err := m.retain(); err != nil {
		return err
	}
	defer m.release()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := &m.shrinks
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.info.Device != cpu && s.thread == nil {
		s.thread = newThread()
	}
	var err error
	s.thread.do(func() { err = m.shrink() })
	C.bcc_heap_trim(0)
	if err != nil {
		return fault.New(fault.Internal, "shrink the engine's memory on %s: %w", m.info.Device, err)
	}
	return nil
}

func (m *Model) shrink() error {
	if err := bare(); err != nil {
		return err
	}
	session := handle(m.session)
	if session == nil {
		return fault.New(fault.Internal, "the session's handle is not where it was")
	}
	info, outShape := m.info, m.outShape
	if m.alone {
		info.Batch, outShape = 1, m.outShapeAlone
	}
	c := &Call{} // its memory
	defer func() {
		for _, p := range c.memory {
			C.free(p)
		}
	}()
	var why reason
	var options unsafe.Pointer
	if err := why.of(C.bcc_switch_new(&options, why.at())); err != nil {
		return err
	}
	defer C.bcc_switch_free(options)
	arena := C.CString(strings.Replace(arenaOf(m.info.Device), "cuda", "gpu", 1))
	defer C.free(unsafe.Pointer(arena))
	if err := why.of(C.bcc_switch_shrink(options, arena, why.at())); err != nil {
		return err
	}
	shape, n := info.shape(), info.values()
	black := (*C.float)(c.alloc(4 * n))
	var value unsafe.Pointer
	if err := why.of(C.bcc_tensor_new(black, C.size_t(n), (*C.int64_t)(&shape[0]), C.size_t(len(shape)), &value, why.at())); err != nil {
		return err
	}
	defer C.bcc_value_free(value)
	a := (*C.bcc_run_args)(c.alloc(int(unsafe.Sizeof(C.bcc_run_args{}))))
	a.session, a.ins, a.outs = session, 1, 1
	a.in_names, a.out_names = c.strings([]string{m.info.Input}), c.strings([]string{m.info.Output})
	a.in, a.out, a.places = c.pointers(1), c.pointers(1), c.pointers(1)
	*a.in = value
	// A place of our own: what the engine makes lies in the arena until it is freed, and
	// a piece of the arena that anything lies in is not given back.
	outs := info.Batch * info.Outputs
	scores := (*C.float)(c.alloc(4 * outs))
	if err := why.of(C.bcc_tensor_new(scores, C.size_t(outs), (*C.int64_t)(&outShape[0]), C.size_t(len(outShape)), a.out, why.at())); err != nil {
		return err
	}
	defer C.bcc_value_free(*a.out)
	if err := why.of(C.bcc_binding_new(a, why.at())); err != nil {
		return err
	}
	defer C.bcc_binding_free(a)
	if err := why.of(C.bcc_run(a, options, why.at())); err != nil {
		return err
	}
	return nil
}

// arenaOf names the arena of a device.
func arenaOf(device string) string {
	if device == cpu {
		return "cpu:0"
	}
	return device
}

func (s *shrinker) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thread.close()
	s.thread = nil
}
