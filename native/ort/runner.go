//go:build cgo

package ort

/*
#include <stdlib.h>
#include "pixels.h"
*/
import "C"

import (
	"context"
	"errors"
	"strings"
	"unsafe"

	engine "github.com/yalue/onnxruntime_go"

	"bcc/fault"
)

// Runner runs batches on a model's session with tensors of its own, made once. It
// serves one goroutine at a time; several Runners of a Model may run at once.
type Runner struct {
	model  *Model
	batch  int
	affine C.bcc_affine

	memory  unsafe.Pointer // both tensors', outside Go's heap: the engine keeps pointers into it
	input   []float32
	output  []float32
	full    binding
	alone   binding // its first place only; empty where a lone patch is padded
	options *engine.RunOptions
	thread  *thread // nil on the CPU
}

// binding is what one run reads and writes.
type binding struct {
	inputs, outputs []engine.Value
}

// NewRunner returns a runner; whoever asked for it closes it, before or after the model.
func (m *Model) NewRunner() (*Runner, error) {
	if err := m.retain(); err != nil {
		return nil, err
	}
	r := &Runner{model: m, batch: m.info.Batch}
	if m.info.Device != cpu {
		r.thread = newThread()
	}
	if err := r.allocate(); err != nil {
		r.Close()
		return nil, fault.New(fault.Of(err), "new runner: %w", err)
	}
	return r, nil
}

func (r *Runner) allocate() error {
	info := r.model.info
	for i := range 3 {
		r.affine.scale[i] = C.float(r.model.scale[i])
		r.affine.bias[i] = C.float(r.model.bias[i])
	}
	in, out := info.values(), info.Batch*info.Outputs
	gap := (in + 15) / 16 * 16 // the output begins at a cache line too
	r.memory = C.bcc_alloc(C.size_t(4 * (gap + out)))
	if r.memory == nil {
		return fault.New(fault.Unavailable, "no memory for %d MB of input", 4*gap>>20)
	}
	all := unsafe.Slice((*float32)(r.memory), gap+out)
	clear(all)
	r.input, r.output = all[:in], all[gap:]

	if err := r.full.bind(info.shape(), r.input, r.model.outShape, r.output); err != nil {
		return err
	}
	if r.model.alone {
		shape := info.shape()
		shape[0] = 1
		if err := r.alone.bind(shape, r.input[:info.pictureValues()], r.model.outShapeAlone, r.output[:info.Outputs]); err != nil {
			return err
		}
	}
	var err error
	r.options, err = engine.NewRunOptions()
	return err
}

// bind makes tensors over the memory.
func (b *binding) bind(inShape []int64, in []float32, outShape engine.Shape, out []float32) error {
	input, err := engine.NewTensor(engine.NewShape(inShape...), in)
	if err != nil {
		return err
	}
	b.inputs = []engine.Value{input}
	output, err := engine.NewTensor(outShape, out)
	if err != nil {
		return err
	}
	b.outputs = []engine.Value{output}
	return nil
}

func (b *binding) destroy() error {
	var errs []error
	for _, v := range append(b.inputs, b.outputs...) {
		errs = append(errs, v.Destroy())
	}
	return errors.Join(errs...)
}

// Run scores the patches (RGB bytes, PatchPx×PatchPx×3 each, at most Batch) and
// writes Outputs values for each to out. When ctx ends it stops within about
// 30 ms and returns ctx's cause; the runner can be used again.
func (r *Runner) Run(ctx context.Context, patches [][]byte, out []float32) error {
	if err := r.check(patches, out); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	bound := r.full
	if len(patches) == 1 && r.model.alone {
		bound = r.alone
	}
	r.fill(patches)
	if err := r.run(ctx, bound); err != nil {
		return err
	}
	copy(out, r.output)
	return nil
}

// Again runs the engine once more on a full batch, whatever lies in the runner's
// input: black before the first Run. No pixel is converted: it is the engine alone,
// for comparison.
func (r *Runner) Again(ctx context.Context) error {
	if r.memory == nil {
		return fault.New(fault.Internal, "run model: runner is closed")
	}
	return r.run(ctx, r.full)
}

// run computes the outputs of what lies in b's input, and ends early with ctx.
func (r *Runner) run(ctx context.Context, b binding) error {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		r.options.Terminate() // fails only on a freed handle
	})
	var err error
	r.thread.do(func() { err = r.model.session.RunWithOptions(b.inputs, b.outputs, r.options) })
	if !stop() {
		<-ended // the flag is set or about to be: wait, and clear it for the next run
		if unset := r.options.UnsetTerminate(); unset != nil {
			return fault.New(fault.Internal, "run model: %w", unset)
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fault.New(r.kindOf(err), "run model on %s: %w", r.model.info.Device, cause(err))
	}
	return nil
}

// kindOf tells a lost GPU from a fault of the model: every failure of CUDA
// itself leaves the device's context unusable.
func (r *Runner) kindOf(err error) fault.Kind {
	if r.model.info.Device != cpu && (strings.Contains(err.Error(), "CUDA") || strings.Contains(err.Error(), "CUDNN")) {
		return fault.Unavailable
	}
	return fault.Internal
}

func (r *Runner) check(patches [][]byte, out []float32) error {
	if r.memory == nil {
		return fault.New(fault.Internal, "run model: runner is closed")
	}
	info := r.model.info
	if n := len(patches); n == 0 || n > info.Batch || len(out) != n*info.Outputs {
		return fault.New(fault.Internal, "run model: %d patches and %d outputs, want 1 to %d patches with %d outputs each", n, len(out), info.Batch, info.Outputs)
	}
	for i, p := range patches {
		if want := 3 * info.PatchPx * info.PatchPx; len(p) != want {
			return fault.New(fault.Internal, "run model: patch %d has %d bytes, want %d", i, len(p), want)
		}
	}
	return nil
}

// Batch returns the number of patches a run takes.
func (r *Runner) Batch() int { return r.batch }

// Least returns the fewest patches that take less memory than a full batch: 1 where a
// lone one may be run by itself; else Batch, for fewer are padded.
func (r *Runner) Least() int {
	if r.model.alone {
		return 1
	}
	return r.batch
}

// Device says where it runs: cpu, cuda:0.
func (r *Runner) Device() string { return r.model.info.Device }

// fill writes the patches to the input, and black where there is none.
func (r *Runner) fill(patches [][]byte) {
	info := r.model.info
	pixels := info.PatchPx * info.PatchPx
	for i, p := range patches {
		src, dst := (*C.uint8_t)(&p[0]), (*C.float)(&r.input[i*3*pixels])
		if info.Layout == NHWC {
			C.bcc_rgb_to_triples(src, dst, C.size_t(pixels), r.affine)
		} else {
			C.bcc_rgb_to_planes(src, dst, C.size_t(pixels), r.affine)
		}
	}
	if len(patches) > 1 || !r.model.alone {
		clear(r.input[len(patches)*3*pixels:])
	}
}

// Close frees the runner; closing again does nothing.
func (r *Runner) Close() error {
	if r.model == nil {
		return nil
	}
	errs := []error{r.full.destroy(), r.alone.destroy()}
	if r.options != nil {
		errs = append(errs, r.options.Destroy())
	}
	C.free(r.memory)
	r.thread.close()
	errs = append(errs, r.model.release())
	*r = Runner{}
	return errors.Join(errs...)
}
