//go:build cgo

package ort

/*
#include <stdlib.h>
#include "engine.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	engine "github.com/yalue/onnxruntime_go"

	"bcc/fault"
)

// Graph is a chain of ONNX models, its stages, that hand values on by their names:
// one session a stage. It may be shared by goroutines. Whoever opened it closes it.
//
//	OpenGraph ─► NewCall (one a goroutine, over memory from Floats) ─► Run, again and again
//	         └─► Eval (once, shapes as they come)
type Graph struct {
	wiring
	device   string
	fallback string
	sessions []*engine.DynamicAdvancedSession
	handles  []unsafe.Pointer // of the sessions, for engine.c
	place    unsafe.Pointer   // where values between stages lie
	host     unsafe.Pointer   // the CPU

	eval   sync.Mutex // one Eval at a time
	thread *thread    // that Eval runs on; nil on the CPU

	mu     sync.Mutex
	users  int // calls not closed, and one until Close: the last one frees the sessions
	closed bool
}

// OpenGraph makes a session for each stage. Stages may take what earlier ones make;
// what none makes is asked of the caller. A GPU that was asked for and does not work
// is replaced by the CPU, and Fallback says why. Errors: fault.Corrupt when a stage is
// no ONNX model, fault.Unsupported when it needs what we do not have, fault.Invalid
// when stages make the same value or the config makes no sense, fault.Unavailable when
// Load has not succeeded.
func OpenGraph(stages [][]byte, cfg GraphConfig) (*Graph, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "open graph: %w", err)
	}
	if err := loaded(); err != nil {
		return nil, err
	}
	if err := bare(); err != nil {
		return nil, fault.New(fault.Unavailable, "open graph: %w", err)
	}
	w, err := wire(stages)
	if err != nil {
		return nil, fmt.Errorf("open graph: %w", err)
	}
	want, err := parseDevice(cfg.Device)
	if err != nil {
		return nil, err
	}
	fallback := ""
	if want.cuda {
		g, err := openStages(want, stages, w, cfg)
		if err == nil {
			return g, nil
		}
		_, missing := gpuMemory(want.index)
		if !want.auto || missing == nil {
			fallback = fmt.Sprintf("%s cannot be used: %v", want, cause(err))
		}
	}
	g, err := openStages(device{}, stages, w, cfg)
	if err != nil {
		return nil, err
	}
	g.fallback = fallback
	return g, nil
}

// bare finds the engine's own interface, once a process.
var bare = sync.OnceValue(func() error {
	library.Lock()
	path := C.CString(library.path)
	library.Unlock()
	defer C.free(unsafe.Pointer(path))
	var why reason
	return why.of(C.bcc_engine(path, why.at()))
})

// reason is room for what engine.c says of a failure.
type reason [C.BCC_REASON]C.char

func (r *reason) at() *C.char { return &r[0] }

// of turns what a function of engine.c returned into an error.
func (r *reason) of(rc C.int) error {
	if rc == 0 {
		return nil
	}
	return errors.New(C.GoString(r.at()))
}

// openStages makes the sessions on one device.
func openStages(d device, stages [][]byte, w wiring, cfg GraphConfig) (*Graph, error) {
	if cfg.GPUMemory == 0 {
		cfg.GPUMemory = defaultGPUMemory
	}
	cfg.GPUMemory /= float64(len(stages))
	g := &Graph{wiring: w, device: d.String(), users: 1}
	if err := g.open(d, stages, cfg); err != nil {
		g.free()
		return nil, fmt.Errorf("open graph on %s: %w", g.device, err)
	}
	return g, nil
}

func (g *Graph) open(d device, stages [][]byte, cfg GraphConfig) error {
	var why reason
	gpu := -1
	if d.cuda {
		gpu = d.index
	}
	err := errors.Join(
		why.of(C.bcc_place_new(C.int(gpu), &g.place, why.at())),
		why.of(C.bcc_place_new(-1, &g.host, why.at())))
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	options, err := sessionOptions(d, cfg)
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	defer options.Destroy()
	for i, onnx := range stages {
		s := g.stages[i]
		session, err := engine.NewDynamicAdvancedSessionWithONNXData(onnx, names(declared(s.inputs)), names(declared(s.outputs)), options)
		if err != nil {
			return fault.New(fault.Corrupt, "stage %d: %w", i, cause(err))
		}
		g.sessions = append(g.sessions, session)
		h := handle(session)
		if h == nil {
			return fault.New(fault.Internal, "stage %d: the session's handle is not where it was", i)
		}
		g.handles = append(g.handles, h)
	}
	if d.cuda {
		g.thread = newThread()
	}
	return nil
}

// handle returns the engine's own session, which the wrapper keeps in fields that it
// does not export: it can bind tensors or end runs, but not both at once. nil where
// another version of the wrapper keeps it elsewhere.
func handle(s *engine.DynamicAdvancedSession) unsafe.Pointer {
	v := reflect.ValueOf(s).Elem().FieldByName("s")
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil
	}
	v = v.Elem().FieldByName("ortSession")
	if v.Kind() != reflect.Pointer {
		return nil
	}
	return v.UnsafePointer()
}

// Device returns where the graph runs, "cpu" or "cuda:n".
func (g *Graph) Device() string { return g.device }

// Fallback says in one line why Device is not the one asked for; empty when it is.
func (g *Graph) Fallback() string { return g.fallback }

// Inputs returns what a caller must give.
func (g *Graph) Inputs() []Tensor { return declared(g.inputs) }

// Outputs returns what a caller may ask for: all that the stages make.
func (g *Graph) Outputs() []Tensor { return declared(g.outputs()) }

// Close frees the sessions, once the last call is closed too.
func (g *Graph) Close() error {
	g.mu.Lock()
	again := g.closed
	g.closed = true
	g.mu.Unlock()
	if again {
		return nil
	}
	return g.release()
}

func (g *Graph) retain() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return fault.New(fault.Internal, "call graph: it is closed")
	}
	g.users++
	return nil
}

func (g *Graph) release() error {
	g.mu.Lock()
	g.users--
	last := g.users == 0
	g.mu.Unlock()
	if !last {
		return nil
	}
	return g.free()
}

func (g *Graph) free() error {
	var errs []error
	for _, s := range g.sessions {
		errs = append(errs, s.Destroy())
	}
	C.bcc_place_free(g.place)
	C.bcc_place_free(g.host)
	g.thread.close()
	return errors.Join(errs...)
}
