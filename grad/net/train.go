package net

import (
	"strings"

	"bcc/fault"
	"bcc/grad"
)

// Names of what else a training program takes.
const (
	Target = "target" // (m, Classes): each row sums to 1
	Weight = "weight" // (m): what a sample counts; 0 for one that only fills the batch
)

// microBatch is how many samples a program computes at a time where nothing is said.
const microBatch = 8

// Train returns the program that trains the network called name, in so many stages:
// Input, normalised already, Target and Weight go in, grad.LossName (the cross-entropy,
// summed as Weight says) and Output come out. Its parameters and state lie as those of
// Describe's graph do. Errors: fault.Invalid for a network that has nothing to learn,
// and as Describe.
func Train(name string, c Config, stages int) (*grad.Program, error) {
	r, err := find(name)
	if err != nil {
		return nil, err
	}
	if r.probabilities {
		return nil, fault.Hint(fault.New(fault.Invalid, "train network %s: it has nothing to learn", name),
			"networks that learn are %s", strings.Join(learners(), ", "))
	}
	c.Batch = def(c.Batch, microBatch)
	n, _, output, err := r.describe(c)
	if err != nil {
		return nil, err
	}
	return program(n.Graph, output, stages)
}

// program puts the loss behind logits (m, classes).
func program(g *grad.Graph, logits grad.Value, stages int) (*grad.Program, error) {
	g.Output(Output, logits)
	s := logits.Shape()
	if len(s) != 2 {
		return nil, g.Err()
	}
	return g.Program(logits.CrossEntropy(g.Input(Target, s...), g.Input(Weight, s[0])), stages)
}

// learners returns the names of the networks that Train takes: those that give
// logits, as a loss wants them.
func learners() []string {
	var names []string
	for _, r := range recipes {
		if !r.probabilities {
			names = append(names, r.name)
		}
	}
	return names
}
