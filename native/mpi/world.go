//go:build cgo

package mpi

/*
#cgo CFLAGS: -std=c11 -O2 -Wall -Wextra -Werror=implicit-function-declaration
#include "wait.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"bcc/fault"
	"bcc/native/thread"
)

// threadFunneled asks for a library that other threads of the process do not
// disturb (MPI_THREAD_FUNNELED, both families).
const threadFunneled = 1

// glance is how long the thread waits in C before it looks at the context. Sleeping
// there keeps Go's scheduler out: through it, MPICH's 789k floats took twice as long.
const glance = 2 * time.Millisecond

// finalizePatience bounds MPI_Finalize, which waits for all ranks.
const finalizePatience = 10 * time.Second

// chunk is the most elements one call of the library is given: its counts are C
// ints, and below this it never makes bytes of them that overflow one. A variable
// for the tests.
var chunk = 1 << 28

var (
	errLeft   = errors.New("an earlier call did not end")
	errClosed = errors.New("closed")
)

// World is this process among the ranks of the launcher. It serves one goroutine
// at a time. The library works on its caller's thread, one that World keeps.
type World struct {
	lib        *library
	rank, size int
	thread     *thread.Thread
	left       error // the first call that did not end well: the library holds its request
}

// Open loads the first of the libraries, by default those that belong to the
// launcher, and starts MPI. It may be called once in the life of a process. When
// ctx ends before all ranks are there, Open returns and the world is lost.
func Open(ctx context.Context, l Launcher, libraries ...string) (*World, error) {
	if len(libraries) == 0 {
		libraries = l.Libraries
	}
	restore, err := keepSignals()
	if err != nil {
		return nil, fault.New(fault.Unavailable, "start MPI: %w", err)
	}
	defer restore()
	lib, err := load(libraries)
	if err != nil {
		return nil, err
	}
	w := &World{lib: lib, thread: thread.Start()}
	if err := w.thread.Do(ctx, w.start); err != nil {
		return nil, fmt.Errorf("start MPI (%s): %w", lib.version, err)
	}
	if err := l.agree(w.rank, w.size, lib.version); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Version names the library.
func (w *World) Version() string { return w.lib.version }

// Rank returns this process's place.
func (w *World) Rank() int { return w.rank }

// Size returns the number of ranks.
func (w *World) Size() int { return w.size }

// AllReduce replaces data by its sum over all ranks. When ctx ends first it returns
// ctx's error, and the library may still write to data.
func (w *World) AllReduce(ctx context.Context, data []float64) error {
	for len(data) > 0 {
		part := data[:min(len(data), chunk)]
		data = data[len(part):]
		err := w.wait(ctx, "MPI all-reduce", func(p *pinned, request uintptr) error {
			return w.lib.call("MPI all-reduce", w.lib.iallreduce, w.lib.inPlace, p.address(unsafe.Pointer(&part[0])), uintptr(len(part)),
				w.lib.double, w.lib.sum, w.lib.world, request)
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Broadcast replaces data by that of rank root.
func (w *World) Broadcast(ctx context.Context, data []byte, root int) error {
	for len(data) > 0 {
		part := data[:min(len(data), chunk)]
		data = data[len(part):]
		err := w.wait(ctx, "MPI broadcast", func(p *pinned, request uintptr) error {
			return w.lib.call("MPI broadcast", w.lib.ibcast, p.address(unsafe.Pointer(&part[0])), uintptr(len(part)),
				w.lib.bytes, uintptr(root), w.lib.world, request)
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Barrier returns when every rank has called it.
func (w *World) Barrier(ctx context.Context) error {
	return w.wait(ctx, "MPI barrier", func(_ *pinned, request uintptr) error {
		return w.lib.call("MPI barrier", w.lib.ibarrier, w.lib.world, request)
	})
}

// Abort ends all ranks of the world, this process too, with the exit code. It
// returns only where the library cannot be reached.
func (w *World) Abort(code int) {
	ctx, cancel := context.WithTimeout(context.Background(), finalizePatience)
	defer cancel()
	_ = w.thread.Do(ctx, func() error { return w.lib.call("MPI abort", w.lib.abort, w.lib.world, uintptr(code)) })
}

// Close waits for the other ranks and ends MPI. After a call that did not end well
// it only lets go: the launcher sees a process that left without a word when this
// one ends, and ends the others.
func (w *World) Close() error {
	if w.left != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), finalizePatience)
	defer cancel()
	if err := w.thread.Do(ctx, func() error { return w.lib.call("end MPI", w.lib.finalize) }); err != nil {
		return err
	}
	w.thread.Stop()
	w.left = errClosed
	return nil
}

func (w *World) start() error {
	var p pinned
	defer p.Unpin()
	var rank, size, provided int32
	if err := w.lib.call("MPI_Init_thread", w.lib.initThread, 0, 0, threadFunneled, p.address(unsafe.Pointer(&provided))); err != nil {
		return err
	}
	if provided < threadFunneled {
		return fault.New(fault.Unsupported, "the library gives thread level %d and %d is needed", provided, threadFunneled)
	}
	err := errors.Join(
		w.lib.call("MPI_Comm_set_errhandler", w.lib.setHandler, w.lib.world, w.lib.errorsReturn),
		w.lib.call("MPI_Comm_rank", w.lib.commRank, w.lib.world, p.address(unsafe.Pointer(&rank))),
		w.lib.call("MPI_Comm_size", w.lib.commSize, w.lib.world, p.address(unsafe.Pointer(&size))),
	)
	w.rank, w.size = int(rank), int(size)
	return err
}

// wait starts a call of the library and returns when it is done or ctx ends. In the
// second case the memory it works on stays pinned for good.
func (w *World) wait(ctx context.Context, doing string, begin func(p *pinned, request uintptr) error) error {
	if w.left != nil {
		return fmt.Errorf("%s: %w", doing, w.left)
	}
	err := w.thread.Do(ctx, func() error {
		p := new(pinned)
		request, done := new(uintptr), new(int32) // MPI_Request: a pointer in one family, an int in the other
		at, doneAt := p.address(unsafe.Pointer(request)), p.address(unsafe.Pointer(done))
		if err := begin(p, at); err != nil {
			return err
		}
		for {
			code := C.bcc_mpi_wait(C.uintptr_t(w.lib.test), C.uintptr_t(at), C.uintptr_t(doneAt), C.uintptr_t(w.lib.ignoreStatus), C.long(glance.Microseconds()))
			if code != 0 {
				return fault.New(fault.Unavailable, "%s: %s", doing, w.lib.errorText(int32(code)))
			}
			if *done != 0 {
				p.Unpin()
				return nil
			}
			if err := ctx.Err(); err != nil {
				leaked = append(leaked, p)
				return err
			}
		}
	})
	if err != nil {
		w.left = errLeft
	}
	return err
}

// leaked holds on to the memory of requests that were left: a Pinner that is
// collected while it pins something ends the program. One rank leaves one at most.
var leaked []*pinned
