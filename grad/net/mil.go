package net

import (
	"bcc/fault"
	"bcc/grad"
)

// Names of what else goes in and out of a slide head.
const (
	Embeddings = "embeddings" // (patches, Features), one slide
	Attention  = "attention"  // (patches, 1), at least 0, summing to 1
	Mask       = "mask"       // of a program: (Bags, Patches), 1 for a patch, 0 for padding
)

// MILConfig is how a slide head is built: attention over a bag of embeddings.
type MILConfig struct {
	Features int    // width of an embedding
	Project  int    // width it is projected to first, default 512, as CLAM's (Lu et al. 2021)
	Attend   int    // width of the attention, default 256, as CLAM's
	Classes  int    // default 2
	Seed     uint64 // of the first weights; default 0

	// Of a program only:
	Bags    int     // slides at a time, default 1
	Patches int     // of a bag; shorter ones are padded
	Dropout float32 // share of the projected elements that training makes 0; default 0
}

func (c MILConfig) check(program bool) (MILConfig, error) {
	c.Project, c.Attend, c.Classes, c.Bags = def(c.Project, 512), def(c.Attend, 256), def(c.Classes, 2), def(c.Bags, 1)
	within := func(v int) bool { return v >= 1 && v <= 1<<16 }
	if !within(c.Features) || !within(c.Project) || !within(c.Attend) || !within(c.Classes) {
		return c, fault.New(fault.Invalid, "build slide head: widths of %d, %d and %d for %d classes, want 1 to 65536 each",
			c.Features, c.Project, c.Attend, c.Classes)
	}
	if program && (!within(c.Bags) || !within(c.Patches) || !(c.Dropout >= 0 && c.Dropout < 1)) {
		return c, fault.New(fault.Invalid, "train slide head: %d bags of %d patches, want 1 to 65536 each; dropout of %v, want 0 to below 1",
			c.Bags, c.Patches, c.Dropout)
	}
	return c, nil
}

// BuildMIL returns DescribeMIL's head with its first weights.
func BuildMIL(c MILConfig) (*Net, error) {
	n, err := DescribeMIL(c)
	if err == nil {
		n.Weights = n.Graph.Init(c.Seed)
	}
	return n, err
}

// DescribeMIL returns the slide head for one slide, without weights: Embeddings go
// in, any number of them, Output (1, Classes), which are logits, and Attention come
// out. It is the gated attention of Ilse et al. 2018 behind a projection.
func DescribeMIL(c MILConfig) (*Net, error) {
	c, err := c.check(false)
	if err != nil {
		return nil, err
	}
	g := grad.New("mil")
	l := layers{g: g}
	h := l.linear(g.Input(Embeddings, grad.Batch, c.Features), "project", c.Project).Relu()
	attention := l.gate(h, c).Softmax(0)
	g.Output(Output, l.linear(attention.Transpose(1, 0).MatMul(h), "head", c.Classes))
	g.Output(Attention, attention)
	return &Net{Name: g.Name(), Classes: c.Classes, Graph: g}, g.Err()
}

// gate returns the attention scores (patches, 1), before the softmax. They have no
// bias: a softmax takes no notice of what is added to all.
func (l layers) gate(h grad.Value, c MILConfig) grad.Value {
	gated := l.linear(h, "tanh", c.Attend).Tanh().Mul(l.linear(h, "gate", c.Attend).Sigmoid())
	return gated.Linear(l.g.Param("attend.weight", grad.Glorot(c.Attend, 1), 1, c.Attend), grad.Value{})
}

// nowhere is taken from the score of padding: its softmax is 0 exactly, and so is
// its gradient.
const nowhere = 1e9

// TrainMIL returns the program that trains DescribeMIL's head, in so many stages:
// Input (Bags, Patches, Features), Mask, Target and Weight go in, grad.LossName and
// Output (Bags, Classes) come out. What stands in padding does not count, but must
// be finite. Its parameters lie as those of DescribeMIL's graph do.
func TrainMIL(c MILConfig, stages int) (*grad.Program, error) {
	c, err := c.check(true)
	if err != nil {
		return nil, err
	}
	g := grad.New("mil")
	l := layers{g: g}
	rows := c.Bags * c.Patches
	bags := g.Input(Input, c.Bags, c.Patches, c.Features)
	mask := g.Input(Mask, c.Bags, c.Patches)

	h := l.linear(bags.Reshape(rows, c.Features), "project", c.Project).Relu()
	h = h.Reshape(c.Bags, c.Patches, c.Project).Dropout("dropout", 1-c.Dropout) // noise has a row a bag
	scores := l.gate(h.Reshape(rows, c.Project), c).Reshape(c.Bags, c.Patches)
	padding := mask.Sub(g.Scalar(1)).Mul(g.Scalar(nowhere))
	attention := scores.Add(padding).Softmax(1)
	pooled := attention.Reshape(c.Bags, 1, c.Patches).MatMul(h).Reshape(c.Bags, c.Project)
	return program(g, l.linear(pooled, "head", c.Classes), stages)
}
