package train

import (
	"context"
	"fmt"
	"slices"

	"bcc/fault"
	"bcc/grad"
)

// Names of the inputs that this package fills itself. All others are noise or
// come from the Samples.
const (
	TargetInput = "target" // (m, classes): 1 at the sample's class
	WeightInput = "weight" // (m): the sample's share of the loss; 0 for one that only fills the micro-batch
)

// Engine readies programs to run.
type Engine interface {
	// Open readies a program. Its parameters are zero until the caller writes them.
	Open(p *grad.Program) (Machine, error)
}

// Machine is a program ready to run: parameters in memory that all its steppers
// read.
type Machine interface {
	// Params returns the parameters' memory, flat, as Program.Params. It may be
	// written while no stepper runs.
	Params() []float32
	// Workers returns how many steppers are best run at once here, of those wanted: a
	// GPU has one queue.
	Workers(wanted int) int
	// Stepper makes a stepper; the caller closes it before the machine.
	Stepper() (Stepper, error)
	Close() error
}

// Stepper computes one micro-batch at a time; it serves one goroutine.
type Stepper interface {
	// Input returns the memory of an input, to be filled before Run.
	Input(name string) []float32
	// Output returns the memory of an output, valid after Run.
	Output(name string) []float32
	// Gradient returns the gradient by every parameter, flat, as Program.Params.
	Gradient() []float32
	// Statistics returns the micro-batch's statistic of every state, flat, as Program.State.
	Statistics() []float32
	// Run computes the micro-batch. done is called as each stage ends: its gradients
	// are final then. When ctx ends it returns soon, with ctx's error.
	Run(ctx context.Context, done func(stage int)) error
	Close() error
}

// micro returns the number of samples that a program takes at once, and the
// number of its classes. It refuses a program that this package cannot drive.
func micro(p *grad.Program) (m, classes int, err error) {
	shape := func(name string) grad.Shape {
		for _, in := range p.Inputs {
			if in.Name == name {
				return in.Shape
			}
		}
		return nil
	}
	weight, target := shape(WeightInput), shape(TargetInput)
	if len(weight) != 1 || len(target) != 2 || weight[0] < 1 || target[0] != weight[0] || target[1] < 1 {
		return 0, 0, fault.New(fault.Internal, "program: inputs %s %v and %s %v, want (m) and (m, classes)", WeightInput, weight, TargetInput, target)
	}
	for _, in := range p.Inputs {
		if len(in.Shape) == 0 || in.Shape[0] != weight[0] || in.Shape.Len() < 1 {
			return 0, 0, fault.New(fault.Internal, "program: input %s of %v, want a row for each of %d samples", in.Name, in.Shape, weight[0])
		}
	}
	if !slices.ContainsFunc(p.Outputs, func(o grad.Port) bool { return o.Name == grad.LossName }) {
		return 0, 0, fault.New(fault.Internal, "program: no output %s", grad.LossName)
	}
	return weight[0], target[1], once(p)
}

// once proves that each gradient and each statistic comes out of one stage.
func once(p *grad.Program) error {
	gradients, states := make([]int, len(p.Params)), make([]int, len(p.State))
	for _, s := range p.Stages {
		for _, i := range s.Gradients {
			gradients[i]++
		}
		for _, i := range s.States {
			states[i]++
		}
	}
	check := func(what string, list []grad.Param, n []int) error {
		for i, n := range n {
			if n != 1 {
				return fault.New(fault.Internal, "program: %s of %s comes out of %d stages", what, list[i].Name, n)
			}
		}
		return nil
	}
	if err := check("the gradient", p.Params, gradients); err != nil {
		return err
	}
	return check("the statistic", p.State, states)
}

// size returns the length of a flat slice.
func size(list []grad.Param) int {
	n := 0
	for _, p := range list {
		n += p.Shape.Len()
	}
	return n
}

// describe writes a program's parameters and state in one line each, for digests.
func describe(p *grad.Program) string {
	var text []byte
	for _, list := range [][]grad.Param{p.Params, p.State} {
		for _, t := range list {
			text = fmt.Appendf(text, "%s %v\n", t.Name, []int(t.Shape))
		}
		text = append(text, '\n')
	}
	return string(text)
}
