//go:build cgo

package nccl

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"

	"bcc/fault"
	"bcc/native/thread"
)

// bufferBytes is the GPU memory that data passes through: enough that a copy runs at
// the bus's full speed. A variable for the tests.
var bufferBytes = 64 << 20

// How long to sleep between two looks at the GPU.
const (
	shortestSleep = 20 * time.Microsecond
	longestSleep  = 200 * time.Microsecond
)

// closePatience bounds what Close waits for.
const closePatience = 10 * time.Second

var (
	errLeft   = errors.New("an earlier call did not end")
	errClosed = errors.New("closed")
)

// World is this process's place among the ranks. It serves one goroutine at a time.
type World struct {
	lib    *Library
	cfg    Config
	thread *thread.Thread
	left   error // why nothing more can be done

	comm, stream, buffer uintptr
}

// Open takes a place in a world and returns when all ranks have. When ctx ends
// first, the world is lost.
func Open(ctx context.Context, lib *Library, cfg Config) (*World, error) {
	if len(cfg.ID) != IDBytes || cfg.Size < 1 || cfg.Rank < 0 || cfg.Rank >= cfg.Size {
		return nil, fault.New(fault.Invalid, "join a world: rank %d of %d with an id of %d bytes", cfg.Rank, cfg.Size, len(cfg.ID))
	}
	n, err := lib.Devices()
	if err != nil {
		return nil, err
	}
	if cfg.Device < 0 || cfg.Device >= n {
		err := fault.New(fault.Invalid, "join a world: rank %d of %d wants GPU %d of %d", cfg.Rank, cfg.Size, cfg.Device, n)
		return nil, fault.Hint(err, "start one process a GPU; LOCAL_RANK says which it takes")
	}
	w := &World{lib: lib, cfg: cfg, thread: thread.Start()}
	if err := w.thread.Do(ctx, w.start); err != nil {
		return nil, fmt.Errorf("rank %d of %d on GPU %d: %w", cfg.Rank, cfg.Size, cfg.Device, err)
	}
	return w, nil
}

func (w *World) start() error {
	var p runtime.Pinner
	defer p.Unpin()
	p.Pin(w)
	if err := w.lib.cuda("take the GPU", w.lib.setDevice, uintptr(w.cfg.Device)); err != nil {
		return err
	}
	if err := w.lib.cuda("take memory of the GPU", w.lib.malloc, address(unsafe.Pointer(&w.buffer)), uintptr(bufferBytes)); err != nil {
		return err
	}
	if err := w.lib.cuda("make a stream", w.lib.newStream, address(unsafe.Pointer(&w.stream))); err != nil {
		return err
	}
	return w.lib.enter(&w.comm, w.cfg)
}

// Rank returns this process's place.
func (w *World) Rank() int { return w.cfg.Rank }

// Size returns the number of ranks.
func (w *World) Size() int { return w.cfg.Size }

// AllReduce replaces data by its sum over all ranks. When ctx ends first it returns
// ctx's error.
func (w *World) AllReduce(ctx context.Context, data []float64) error {
	const size = 8
	for len(data) > 0 {
		part := data[:min(len(data), bufferBytes/size)]
		data = data[len(part):]
		err := w.onGPU(ctx, "NCCL all-reduce", unsafe.Pointer(&part[0]), size*len(part), func() error {
			return w.lib.nccl("NCCL all-reduce", w.lib.allReduce, w.buffer, w.buffer, uintptr(len(part)), ncclFloat64, ncclSum, w.comm, w.stream)
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
		part := data[:min(len(data), bufferBytes)]
		data = data[len(part):]
		err := w.onGPU(ctx, "NCCL broadcast", unsafe.Pointer(&part[0]), len(part), func() error {
			return w.lib.nccl("NCCL broadcast", w.lib.broadcast, w.buffer, w.buffer, uintptr(len(part)), ncclUint8, uintptr(root), w.comm, w.stream)
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Barrier returns when every rank has called it: a sum of one number. NCCL has none.
func (w *World) Barrier(ctx context.Context) error {
	return w.AllReduce(ctx, make([]float64, 1))
}

// Close leaves the world. After a call that did not end well it breaks it off, and
// NCCL lets go of what it waits for.
func (w *World) Close() error {
	if w.left == errClosed {
		return nil
	}
	leave := w.lib.destroy
	if w.left != nil {
		leave = w.lib.abort
	}
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	err := w.thread.Do(ctx, func() error {
		return errors.Join(
			w.lib.nccl("leave the world", leave, w.comm),
			w.lib.cuda("free the stream", w.lib.destroyStream, w.stream),
			w.lib.cuda("free memory of the GPU", w.lib.free, w.buffer),
		)
	})
	w.left = errClosed
	if err == nil {
		w.thread.Stop()
	}
	return err
}

// onGPU copies n bytes to the GPU's buffer, has work done on them there, and copies
// them back.
func (w *World) onGPU(ctx context.Context, doing string, data unsafe.Pointer, n int, work func() error) error {
	if w.left != nil {
		return fmt.Errorf("%s: %w", doing, w.left)
	}
	err := w.thread.Do(ctx, func() error {
		var p runtime.Pinner
		defer p.Unpin() // NCCL itself sees the GPU's memory only
		p.Pin(data)
		if err := w.copy(ctx, doing, w.buffer, address(data), n, hostToDevice); err != nil {
			return err
		}
		if err := work(); err != nil {
			return err
		}
		if err := w.wait(ctx, doing); err != nil {
			return err
		}
		return w.copy(ctx, doing, address(data), w.buffer, n, deviceToHost)
	})
	if err != nil {
		w.left = errLeft
	}
	return err
}

// copy copies n bytes and waits: a copy from the GPU would otherwise block in the
// driver until the ranks have come, out of the context's reach.
func (w *World) copy(ctx context.Context, doing string, to, from uintptr, n int, kind uintptr) error {
	if err := w.lib.cuda(doing, w.lib.copyAsync, to, from, uintptr(n), kind, w.stream); err != nil {
		return err
	}
	return w.wait(ctx, doing)
}

// wait returns when the GPU has done what it was given, when NCCL reports that a
// rank is lost, or when ctx ends.
func (w *World) wait(ctx context.Context, doing string) error {
	var p runtime.Pinner
	defer p.Unpin()
	state := new(int32)
	p.Pin(state)
	for pause := shortestSleep; ; pause = min(2*pause, longestSleep) {
		code, _, _ := purego.SyscallN(w.lib.queryStream, w.stream)
		if int32(code) != cudaNotReady {
			return w.lib.failure(doing, "CUDA", w.lib.cudaErr, int32(code))
		}
		if err := w.lib.nccl(doing, w.lib.asyncError, w.comm, address(unsafe.Pointer(state))); err != nil {
			return err
		}
		if *state != ncclInProgress {
			if err := w.lib.failure(doing, "NCCL", w.lib.ncclErr, *state); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(pause)
	}
}
