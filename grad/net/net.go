// Package net holds the networks that the program knows by name, each described
// once with the graph builder of package grad.
//
// In: a name, the number of classes, a patch size, a seed. Out: a graph with its
// first weights, and the program that trains it (Train). Training changes the
// weights; Model writes what is deployed.
package net

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"bcc/fault"
	"bcc/grad"
	"bcc/onnx"
)

// Names of what goes in and out of every network's model file.
const (
	Input     = "input"     // (batch, 3, PatchPx, PatchPx), RGB
	Output    = "output"    // (batch, Classes)
	Embedding = "embedding" // (batch, width): what the last linear layer takes; not of every network
)

// Config is how a network is built. The zero Config is good.
type Config struct {
	Classes int    // default 2
	PatchPx int    // side of the input, default 224
	Batch   int    // patches a call; default 0: open, of a program 8
	Seed    uint64 // of the first weights; default 0
	// Dropout is the share of an embedding's elements that training makes 0; default 0.
	Dropout float32
	// Standardise brings each channel of each patch to mean 0 and deviation 1 before
	// anything else, inside of the network: colour alone says nothing then.
	Standardise bool
}

// Net is a network with weights.
type Net struct {
	Name    string
	PatchPx int
	Classes int
	// Probabilities says that the outputs are probabilities already; else they are logits.
	Probabilities bool
	// Mean and Std normalise an input: (v/255 - Mean)/Std for each of R, G, B.
	Mean, Std [3]float32
	Graph     *grad.Graph
	Weights   grad.Weights
}

// Model returns the model file's contents for inference.
func (n *Net) Model() (*onnx.Model, error) { return n.Graph.Deploy(n.Weights) }

// recipe describes one network on the graph: from the input to the output.
type recipe struct {
	name          string
	minPx         int // smallest input
	classes       int // where the network has no choice; 0: as configured
	probabilities bool
	mean, std     [3]float32
	body          body
}

// body describes a network. embedding is what its last linear layer takes, the
// zero Value where a network has none.
type body func(g *grad.Graph, x grad.Value, c Config) (embedding, output grad.Value)

// Means and deviations of ImageNet, which networks trained elsewhere expect.
var (
	imageNetMean = [3]float32{0.485, 0.456, 0.406}
	imageNetStd  = [3]float32{0.229, 0.224, 0.225}
	one          = [3]float32{1, 1, 1}
)

var recipes = []recipe{
	{"baseline", 128, 2, true, [3]float32{}, one, baseline},
	{"mobilenetv3-small", 32, 0, false, imageNetMean, imageNetStd, mobileNetV3Small},
	{"resnet10-slim", 32, 0, false, imageNetMean, imageNetStd, slim(1, 1, 1, 1)},
	{"resnet18-slim", 32, 0, false, imageNetMean, imageNetStd, slim(2, 2, 2, 2)},
	{"resnet18", 32, 0, false, imageNetMean, imageNetStd, resNet(basic, 64, 2, 2, 2, 2)},
	{"resnet34", 32, 0, false, imageNetMean, imageNetStd, resNet(basic, 64, 3, 4, 6, 3)},
	{"resnet50", 32, 0, false, imageNetMean, imageNetStd, resNet(bottleneck, 64, 3, 4, 6, 3)},
}

// Names returns the names that Build knows.
func Names() []string {
	var names []string
	for _, r := range recipes {
		names = append(names, r.name)
	}
	return names
}

// Build returns the network called name with its first weights.
func Build(name string, c Config) (*Net, error) {
	n, err := Describe(name, c)
	if err == nil {
		n.Weights = n.Graph.Init(c.Seed)
	}
	return n, err
}

// Describe returns the network called name without weights, for a caller who has them.
func Describe(name string, c Config) (*Net, error) {
	r, err := find(name)
	if err != nil {
		return nil, err
	}
	n, embedding, output, err := r.describe(c)
	if err != nil {
		return nil, err
	}
	n.Graph.Output(Output, output) // first: who asks for no name gets it
	if embedding != (grad.Value{}) {
		n.Graph.Output(Embedding, embedding)
	}
	return n, n.Graph.Err()
}

func find(name string) (recipe, error) {
	i := slices.IndexFunc(recipes, func(r recipe) bool { return r.name == name })
	if i < 0 {
		return recipe{}, fault.Hint(fault.New(fault.NotFound, "build network %q: no such network", name),
			"the networks are %s", strings.Join(Names(), ", "))
	}
	return recipes[i], nil
}

// check returns every problem at once.
func (c Config) check(r recipe) error {
	var errs []error
	between := func(what string, v, lo, hi int) {
		if v < lo || v > hi {
			errs = append(errs, fmt.Errorf("%s %d: want %d to %d", what, v, lo, hi))
		}
	}
	between("classes", c.Classes, 1, 10000)
	between("side of a patch in pixels", c.PatchPx, r.minPx, 4096)
	between("patches a batch", c.Batch, 0, 4096)
	if !(c.Dropout >= 0 && c.Dropout < 1) {
		errs = append(errs, fmt.Errorf("dropout %v: want 0 to below 1", c.Dropout))
	}
	return errors.Join(errs...)
}

// describe builds the graph and names no outputs.
func (r recipe) describe(c Config) (n *Net, embedding, output grad.Value, err error) {
	c.Classes, c.PatchPx = def(c.Classes, 2), def(c.PatchPx, 224)
	if r.classes > 0 && c.Classes != r.classes {
		return nil, embedding, output, fault.New(fault.Invalid, "build network %s: %d classes, it has %d", r.name, c.Classes, r.classes)
	}
	if err := c.check(r); err != nil {
		return nil, embedding, output, fault.New(fault.Invalid, "build network %s: %w", r.name, err)
	}
	g := grad.New(r.name)
	batch := grad.Batch
	if c.Batch > 0 {
		batch = c.Batch
	}
	x := g.Input(Input, batch, 3, c.PatchPx, c.PatchPx)
	if c.Standardise {
		x = standardised(g, x)
	}
	embedding, output = r.body(g, x, c)
	return &Net{
		Name: r.name, PatchPx: c.PatchPx, Classes: c.Classes, Probabilities: r.probabilities,
		Mean: r.mean, Std: r.std, Graph: g,
	}, embedding, output, g.Err()
}

// standardised brings each channel of each patch to mean 0 and deviation 1. What has
// less contrast than a fiftieth of the full range stays flat: noise is no picture.
func standardised(g *grad.Graph, x grad.Value) grad.Value {
	x = x.Sub(x.ReduceMean(2, 3))
	deviation := x.Mul(x).ReduceMean(2, 3).Add(g.Scalar(0.01)).Sqrt() // in units of about a fifth of the range
	return x.Div(deviation)
}

func def(v, d int) int {
	if v == 0 {
		return d
	}
	return v
}
