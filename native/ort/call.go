//go:build cgo

package ort

/*
#include <stdlib.h>
#include "engine.h"
*/
import "C"

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"bcc/fault"
)

// Call runs a graph over the same memory again and again: nothing is copied on the
// CPU, and values between stages stay with the engine, each until the last stage that
// reads it is done. It serves one goroutine at a time; several Calls of a Graph may
// run at once.
type Call struct {
	graph  *Graph
	steps  []step
	args   []*C.bcc_run_args         // one a step
	given  map[string]unsafe.Pointer // values over the caller's memory
	made   map[string]unsafe.Pointer // values that the engine made, while somebody needs them
	keep   []string                  // those of them that are not for a later stage only
	ending unsafe.Pointer            // the switch that ends a run
	memory []unsafe.Pointer          // all that lies in C's memory
	thread *thread                   // nil on the CPU
}

// NewCall binds tensors to a graph's inputs and outputs. They must lie in memory from
// Floats, which stays until the call is closed; Run reads and writes it. A tensor's
// shape must be the model's, where that is not open. Values that are not asked for are
// not kept, and stages that nothing asked for depends on do not run. Whoever asked for
// the call closes it, before or after the graph. Errors are fault.Invalid and name
// every tensor that is missing, not taken, or of the wrong shape.
func (g *Graph) NewCall(in, out []Tensor) (*Call, error) {
	for _, t := range slices.Concat(in, out) {
		if len(t.Data) > 0 && !ours(t.Data) {
			return nil, fault.New(fault.Internal, "call graph: tensor %q does not lie in memory from Floats", t.Name)
		}
	}
	steps := g.steps(names(out))
	if err := g.check(steps, in, out); err != nil {
		return nil, fault.New(fault.Invalid, "call graph: %w", err)
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Invalid, "call graph: nothing is asked for")
	}
	c, err := g.newCall(steps, slices.Concat(in, out), nil)
	if err != nil {
		return nil, err
	}
	if g.device != cpu {
		c.thread = newThread()
	}
	return c, nil
}

// newCall makes a call over the tensors' memory. The engine makes the values in keep
// on the host, and they are there until the call is closed.
func (g *Graph) newCall(steps []step, tensors []Tensor, keep []string) (*Call, error) {
	if err := g.retain(); err != nil {
		return nil, err
	}
	c := &Call{graph: g, steps: steps, given: map[string]unsafe.Pointer{}, made: map[string]unsafe.Pointer{}, keep: keep}
	if err := c.bind(tensors); err != nil {
		c.Close()
		return nil, fault.New(fault.Internal, "call graph: %w", err)
	}
	return c, nil
}

func (c *Call) bind(tensors []Tensor) error {
	var why reason
	for _, t := range tensors {
		shape := append(slices.Clone(t.Shape), 0) // an address also where there is no dimension
		var v unsafe.Pointer
		rc := C.bcc_tensor_new((*C.float)(&t.Data[0]), C.size_t(len(t.Data)), (*C.int64_t)(&shape[0]), C.size_t(len(t.Shape)), &v, why.at())
		if err := why.of(rc); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		c.given[t.Name] = v
	}
	for _, s := range c.steps {
		a := (*C.bcc_run_args)(c.alloc(C.sizeof_bcc_run_args))
		c.args = append(c.args, a)
		*a = C.bcc_run_args{
			session: c.graph.handles[s.stage],
			ins:     C.size_t(len(s.inputs)), in_names: c.strings(s.inputs), in: c.pointers(len(s.inputs)),
			outs: C.size_t(len(s.outputs)), out_names: c.strings(s.outputs), out: c.pointers(len(s.outputs)), places: c.pointers(len(s.outputs)),
		}
		for i, name := range s.outputs {
			place := c.graph.place
			if slices.Contains(c.keep, name) {
				place = c.graph.host
			}
			unsafe.Slice(a.places, len(s.outputs))[i] = place
		}
		if err := why.of(C.bcc_binding_new(a, why.at())); err != nil {
			return err
		}
	}
	return why.of(C.bcc_switch_new(&c.ending, why.at()))
}

// alloc returns zeroes that C may keep pointers in.
func (c *Call) alloc(bytes int) unsafe.Pointer {
	p := C.calloc(1, C.size_t(max(bytes, 1)))
	c.memory = append(c.memory, p)
	return p
}

func (c *Call) pointers(n int) *unsafe.Pointer {
	return (*unsafe.Pointer)(c.alloc(n * int(unsafe.Sizeof(uintptr(0)))))
}

func (c *Call) strings(all []string) **C.char {
	p := (**C.char)(c.alloc(len(all) * int(unsafe.Sizeof(uintptr(0)))))
	for i, s := range all {
		text := C.CString(s)
		c.memory = append(c.memory, unsafe.Pointer(text))
		unsafe.Slice(p, len(all))[i] = text
	}
	return p
}

// Run computes the outputs from what lies in the inputs' memory, stage after stage.
// done, unless nil, is called after each stage that ran: its outputs are final then.
// When ctx ends it stops within about 30 ms and returns ctx's cause; outputs are then
// anything, and the call can be used again.
func (c *Call) Run(ctx context.Context, done func(stage int)) error {
	if c.graph == nil {
		return fault.New(fault.Internal, "run graph: call is closed")
	}
	defer c.drop()
	return c.until(ctx, func() error { return c.run(done) })
}

// until runs f, and ends the engine's work in it when ctx ends.
func (c *Call) until(ctx context.Context, f func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		c.end(true) // fails only on a freed handle
	})
	err := f()
	if !stop() {
		<-ended // the switch is on or about to be: wait, and turn it off for the next run
		if off := c.end(false); off != nil {
			return fault.New(fault.Internal, "run graph: %w", off)
		}
		if err != nil {
			return context.Cause(ctx)
		}
	}
	return err
}

func (c *Call) end(on bool) error {
	var why reason
	n := C.int(0)
	if on {
		n = 1
	}
	return why.of(C.bcc_switch_set(c.ending, n, why.at()))
}

func (c *Call) run(done func(stage int)) error {
	for i, s := range c.steps {
		var err error
		c.thread.do(func() { err = c.step(c.args[i], s) })
		if err != nil {
			return fault.New(c.graph.kindOf(err), "run graph on %s: stage %d: %w", c.graph.device, s.stage, err)
		}
		if done != nil {
			done(s.stage)
		}
	}
	return nil
}

// step runs one stage, keeps what it made and frees what was needed for it only.
func (c *Call) step(a *C.bcc_run_args, s step) error {
	in, out := unsafe.Slice(a.in, len(s.inputs)), unsafe.Slice(a.out, len(s.outputs))
	for i, name := range s.inputs {
		in[i] = c.given[name]
		if v, ok := c.made[name]; ok {
			in[i] = v
		}
	}
	for i, name := range s.outputs {
		out[i] = c.given[name]
	}
	var why reason
	if err := why.of(C.bcc_run(a, c.ending, why.at())); err != nil {
		return err
	}
	for i, name := range s.outputs {
		if c.given[name] == nil {
			c.made[name] = out[i]
		}
	}
	for _, name := range s.last {
		if slices.Contains(c.keep, name) {
			continue
		}
		C.bcc_value_free(c.made[name])
		delete(c.made, name)
	}
	return nil
}

// drop frees the values that the engine made and that are left.
func (c *Call) drop() {
	for name, v := range c.made {
		C.bcc_value_free(v)
		delete(c.made, name)
	}
}

// kindOf tells a lost GPU from a fault of the graph, as Runner.kindOf does.
func (g *Graph) kindOf(err error) fault.Kind {
	if g.device != cpu && (strings.Contains(err.Error(), "CUDA") || strings.Contains(err.Error(), "CUDNN")) {
		return fault.Unavailable
	}
	return fault.Internal
}

// Close frees the call, not the memory that it was made over; closing again does
// nothing.
func (c *Call) Close() error {
	if c.graph == nil {
		return nil
	}
	for _, a := range c.args {
		C.bcc_binding_free(a)
	}
	c.drop()
	for _, v := range c.given {
		C.bcc_value_free(v)
	}
	C.bcc_switch_free(c.ending)
	for _, p := range c.memory {
		C.free(p)
	}
	c.thread.close()
	err := c.graph.release()
	*c = Call{}
	return err
}
