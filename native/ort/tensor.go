package ort

import (
	"errors"
	"fmt"

	"bcc/fault"
)

// Tensor is a named array of float32 values, row by row. In what a Graph says of
// itself Data is nil and an open dimension is -1.
type Tensor struct {
	Name  string
	Shape []int64 // empty: one value
	Data  []float32
}

// GraphConfig says how a graph is run. The zero GraphConfig runs on the best device.
type GraphConfig struct {
	// Device is "auto", "cpu", "cuda" or "cuda:n". Default auto.
	Device string
	// GPUMemory is the part of a GPU's memory that the engine's arena may take.
	// Default 0.8; all stages share it, for each has a session and an arena of its own.
	GPUMemory float64
	// Optimisation is how far the graph is rewritten. Default all.
	Optimisation Optimisation
	// MemoryPattern lays out all memory of a run at once. Default off: it is faster for
	// inference, and costs half as much memory again where a backward pass keeps
	// activations (1254 against 800 MB measured).
	MemoryPattern bool
}

// Validate returns every problem at once. Zero values stand for defaults.
func (c GraphConfig) Validate() error {
	return Config{Device: c.Device, GPUMemory: c.GPUMemory, Optimisation: c.Optimisation}.Validate()
}

// fits says what keeps a tensor from standing where the model declares v.
func (t Tensor) fits(v value) error {
	if v.dtype != float32Type {
		return fmt.Errorf("tensor %q is %s in the model, want float32", t.Name, typeName(v.dtype))
	}
	n := int64(1)
	for _, d := range t.Shape {
		if d < 1 || n > maxTensor/d {
			return fmt.Errorf("tensor %q: shape %v is empty or too large", t.Name, t.Shape)
		}
		n *= d
	}
	if int64(len(t.Data)) != n {
		return fmt.Errorf("tensor %q: %d values, want %d for shape %v", t.Name, len(t.Data), n, t.Shape)
	}
	if v.shape == nil {
		return nil
	}
	ok := len(v.shape) == len(t.Shape)
	for i := 0; ok && i < len(v.shape); i++ {
		ok = v.shape[i] == -1 || v.shape[i] == t.Shape[i]
	}
	if !ok {
		return fmt.Errorf("tensor %q: shape %v, want %v", t.Name, t.Shape, v.shape)
	}
	return nil
}

// maxTensor is the most values a tensor may have: 16 GB.
const maxTensor = 1 << 32

// wiring says how the stages of a graph hang together: by the names of values.
type wiring struct {
	stages []signature
	made   map[string]int // the stage that makes a value
	inputs []value        // what no stage makes, each once
}

// wire reads the stages' headers. Each stage may take what earlier ones make.
func wire(stages [][]byte) (wiring, error) {
	if len(stages) == 0 {
		return wiring{}, fault.New(fault.Invalid, "graph: it has no stage")
	}
	w := wiring{made: map[string]int{}}
	taken := map[string]bool{}
	for i, onnx := range stages {
		s, err := describe(onnx)
		if err != nil {
			return wiring{}, fmt.Errorf("stage %d: %w", i, err)
		}
		if s.external {
			return wiring{}, fault.New(fault.Unsupported, "stage %d: its weights lie in other files; a model in one file is needed", i)
		}
		for _, v := range s.inputs {
			if _, earlier := w.made[v.name]; earlier || taken[v.name] {
				continue
			}
			taken[v.name] = true
			w.inputs = append(w.inputs, v)
		}
		for _, v := range s.outputs {
			if _, twice := w.made[v.name]; twice || taken[v.name] {
				return wiring{}, fault.New(fault.Invalid, "stage %d: it makes %q, which an earlier stage makes or takes from outside", i, v.name)
			}
			w.made[v.name] = i
		}
		w.stages = append(w.stages, s)
	}
	return w, nil
}

// outputs returns all that the stages make, in their order.
func (w wiring) outputs() []value {
	var all []value
	for _, s := range w.stages {
		all = append(all, s.outputs...)
	}
	return all
}

func (w wiring) output(name string) (value, error) {
	for _, v := range w.outputs() {
		if v.name == name {
			return v, nil
		}
	}
	return value{}, fmt.Errorf("the graph makes no %q", name)
}

// step is one stage's part of a call.
type step struct {
	stage   int
	inputs  []string
	outputs []string // those that somebody reads
	last    []string // values between stages that nobody reads after this one
}

// steps returns the stages that must run for the wanted values, and no other: a
// graph asked only for what its forward stage makes runs no backward stage.
func (w wiring) steps(wanted []string) []step {
	readers := map[string]int{} // the last stage that reads a value, in the order of stages
	needed := map[string]bool{}
	for _, name := range wanted {
		needed[name] = true
	}
	var steps []step
	for i := len(w.stages) - 1; i >= 0; i-- {
		s := step{stage: i}
		for _, v := range w.stages[i].outputs {
			if needed[v.name] {
				s.outputs = append(s.outputs, v.name)
			}
		}
		if len(s.outputs) == 0 {
			continue
		}
		for _, v := range w.stages[i].inputs {
			s.inputs = append(s.inputs, v.name)
			needed[v.name] = true
			if _, between := w.made[v.name]; !between {
				continue
			}
			if _, later := readers[v.name]; !later {
				readers[v.name] = i
				s.last = append(s.last, v.name)
			}
		}
		steps = append([]step{s}, steps...)
	}
	return steps
}

// check says all that is wrong with the tensors of a call, and which are missing.
// Only the inputs that the steps read are asked for; more of the graph's may be given.
func (w wiring) check(steps []step, in, out []Tensor) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	given := map[string]Tensor{}
	for _, t := range in {
		if _, twice := given[t.Name]; twice {
			bad("tensor %q is given twice", t.Name)
		}
		given[t.Name] = t
	}
	for _, t := range in {
		if !w.takes(t.Name) {
			bad("the graph takes no %q", t.Name)
		}
	}
	told := map[string]bool{}
	for _, s := range steps {
		for _, v := range w.stages[s.stage].inputs {
			if _, between := w.made[v.name]; between || told[v.name] {
				continue
			}
			err := fmt.Errorf("tensor %q of shape %v is missing", v.name, v.shape)
			if t, ok := given[v.name]; ok {
				err = t.fits(v)
			}
			errs = append(errs, err)
			told[v.name] = err != nil
		}
	}
	wanted := map[string]bool{}
	for _, t := range out {
		v, err := w.output(t.Name)
		if err == nil && wanted[t.Name] {
			err = fmt.Errorf("tensor %q is wanted twice", t.Name)
		}
		if err == nil {
			err = t.fits(v)
		}
		wanted[t.Name] = true
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (w wiring) takes(name string) bool {
	for _, v := range w.inputs {
		if v.name == name {
			return true
		}
	}
	return false
}

// declared turns values into the tensors that a Graph shows.
func declared(values []value) []Tensor {
	all := make([]Tensor, len(values))
	for i, v := range values {
		all[i] = Tensor{Name: v.name, Shape: v.shape}
	}
	return all
}

func names(tensors []Tensor) []string {
	all := make([]string, len(tensors))
	for i, t := range tensors {
		all[i] = t.Name
	}
	return all
}
