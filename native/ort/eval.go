//go:build cgo

package ort

/*
#include "engine.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"bcc/fault"
)

// Eval runs the graph once over tensors in any memory and returns the named outputs,
// in that order and in new memory: for shapes that are not known before, and where
// speed does not matter. Several goroutines may call it. Errors as NewCall and Run.
func (g *Graph) Eval(ctx context.Context, in []Tensor, wanted []string) ([]Tensor, error) {
	steps := g.steps(wanted)
	if err := errors.Join(g.check(steps, in, nil), g.evaluable(wanted)); err != nil {
		return nil, fault.New(fault.Invalid, "run graph: %w", err)
	}
	var pinned runtime.Pinner // the engine keeps pointers while it runs
	defer pinned.Unpin()
	in = slices.DeleteFunc(slices.Clone(in), func(t Tensor) bool { return len(t.Data) == 0 }) // not read: check would have said so
	for _, t := range in {
		pinned.Pin(&t.Data[0])
	}
	c, err := g.newCall(steps, in, wanted)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if g.thread != nil { // calls make one each; here one serves all, so that the GPU's memory does not grow
		g.eval.Lock()
		defer g.eval.Unlock()
		defer func() { c.thread = nil }()
		c.thread = g.thread
	}
	if err := c.until(ctx, func() error { return c.run(nil) }); err != nil {
		return nil, err
	}
	out := make([]Tensor, len(wanted))
	for i, name := range wanted {
		if out[i], err = floats(name, c.made[name]); err != nil {
			return nil, fault.New(fault.Unsupported, "run graph: tensor %q: %w", name, err)
		}
	}
	return out, nil
}

// evaluable says what is wrong with the names of wanted outputs.
func (g *Graph) evaluable(wanted []string) error {
	var errs []error
	if len(wanted) == 0 {
		errs = append(errs, errors.New("nothing is asked for"))
	}
	for i, name := range wanted {
		v, err := g.output(name)
		switch {
		case err != nil:
		case v.dtype != float32Type:
			err = fmt.Errorf("tensor %q is %s in the model, want float32", name, typeName(v.dtype))
		case slices.Contains(wanted[:i], name):
			err = fmt.Errorf("tensor %q is wanted twice", name)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// floats copies a value that the engine made.
func floats(name string, v unsafe.Pointer) (Tensor, error) {
	var why reason
	var data *C.float
	var shape [C.BCC_RANK]C.int64_t
	var rank C.size_t
	if err := why.of(C.bcc_tensor_floats(v, &data, &shape[0], &rank, why.at())); err != nil {
		return Tensor{}, err
	}
	t := Tensor{Name: name}
	n := 1
	for _, d := range shape[:rank] {
		t.Shape = append(t.Shape, int64(d))
		n *= int(d)
	}
	t.Data = make([]float32, n)
	copy(t.Data, unsafe.Slice((*float32)(unsafe.Pointer(data)), n))
	return t, nil
}
