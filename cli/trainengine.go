package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bcc/fault"
	"bcc/grad"
	"bcc/native/ort"
	"bcc/train"
)

// trainEngine runs training programs with the engine that detect uses.
type trainEngine struct {
	device string
	notes  io.Writer // hears of a device that cannot be had
}

var _ train.Engine = trainEngine{}

// Open makes one session a stage; the engine must have been loaded.
func (e trainEngine) Open(p *grad.Program) (train.Machine, error) {
	var stages [][]byte
	for _, s := range p.Stages {
		stages = append(stages, s.Model.Marshal())
	}
	graph, err := ort.OpenGraph(stages, ort.GraphConfig{Device: e.device})
	if err != nil {
		return nil, err
	}
	if why := graph.Fallback(); why != "" && e.notes != nil {
		fmt.Fprintf(e.notes, "bcc: note: %s; going on with %s\n", why, graph.Device())
	}
	m := &trainMachine{program: p, graph: graph}
	if m.params, err = floats(flat(p.Params)); err != nil {
		return nil, errors.Join(err, graph.Close())
	}
	return m, nil
}

// flat returns the length of a flat slice.
func flat(list []grad.Param) int {
	n := 0
	for _, p := range list {
		n += p.Shape.Len()
	}
	return n
}

// floats returns memory that the engine may keep.
func floats(n int) ([]float32, error) {
	if n == 0 {
		return nil, nil
	}
	if data := ort.Floats(n); data != nil {
		return data, nil
	}
	return nil, fault.New(fault.Unavailable, "no memory for %d numbers", n)
}

// trainMachine is a program's sessions, and its parameters in memory that all
// steppers read.
type trainMachine struct {
	program *grad.Program
	graph   *ort.Graph
	params  []float32
}

func (m *trainMachine) Params() []float32 { return m.params }

// Workers is what is wanted on a CPU. On a GPU one batch at a time fills it, and each
// stepper has activations of its own in its memory.
func (m *trainMachine) Workers(wanted int) int {
	if m.graph.Device() != "cpu" {
		return 1
	}
	return wanted
}

func (m *trainMachine) Close() error {
	err := m.graph.Close()
	ort.FreeFloats(m.params)
	m.params = nil
	return err
}

// Stepper binds a call to memory of its own, parameters apart.
func (m *trainMachine) Stepper() (train.Stepper, error) {
	s := &trainStepper{named: map[string][]float32{}}
	if err := s.open(m); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// trainStepper is one call of a program, over its own inputs, outputs and gradient.
type trainStepper struct {
	call       *ort.Call
	named      map[string][]float32 // inputs and outputs
	gradient   []float32
	statistics []float32
}

func (s *trainStepper) open(m *trainMachine) error {
	var in, out []ort.Tensor
	for _, p := range m.program.Inputs {
		data, err := s.memory(p)
		if err != nil {
			return err
		}
		in = append(in, tensor(p.Name, p.Shape, data))
	}
	for _, p := range m.program.Outputs {
		data, err := s.memory(p)
		if err != nil {
			return err
		}
		out = append(out, tensor(p.Name, p.Shape, data))
	}
	var err error
	if s.gradient, err = floats(flat(m.program.Params)); err != nil {
		return err
	}
	if s.statistics, err = floats(flat(m.program.State)); err != nil {
		return err
	}
	for _, p := range m.program.Params {
		at, end := p.Offset, p.Offset+p.Shape.Len()
		in = append(in, tensor(p.Name, p.Shape, m.params[at:end]))
		out = append(out, tensor(grad.GradientName(p.Name), p.Shape, s.gradient[at:end]))
	}
	for _, p := range m.program.State {
		out = append(out, tensor(grad.BatchName(p.Name), p.Shape, s.statistics[p.Offset:p.Offset+p.Shape.Len()]))
	}
	s.call, err = m.graph.NewCall(in, out)
	return err
}

// memory returns new memory of a port.
func (s *trainStepper) memory(p grad.Port) ([]float32, error) {
	data, err := floats(p.Shape.Len())
	if err == nil {
		s.named[p.Name] = data
	}
	return data, err
}

func tensor(name string, shape grad.Shape, data []float32) ort.Tensor {
	t := ort.Tensor{Name: name, Data: data}
	for _, d := range shape {
		t.Shape = append(t.Shape, int64(d))
	}
	return t
}

func (s *trainStepper) Input(name string) []float32  { return s.named[name] }
func (s *trainStepper) Output(name string) []float32 { return s.named[name] }
func (s *trainStepper) Gradient() []float32          { return s.gradient }
func (s *trainStepper) Statistics() []float32        { return s.statistics }

func (s *trainStepper) Run(ctx context.Context, done func(stage int)) error {
	return s.call.Run(ctx, done)
}

// Close closes the call first: it reads and writes the memory.
func (s *trainStepper) Close() error {
	var err error
	if s.call != nil {
		err = s.call.Close()
	}
	for _, data := range s.named {
		ort.FreeFloats(data)
	}
	ort.FreeFloats(s.gradient)
	ort.FreeFloats(s.statistics)
	*s = trainStepper{}
	return err
}
