package net

import "bcc/grad"

// layers names and makes the layers that the networks share.
type layers struct {
	g       *grad.Graph
	epsilon float32 // of the batch norms
}

// conv is a convolution with batch norm: out channels, a k×k window that keeps
// the extent at stride 1. gain is the batch norm's first scale.
func (l layers) conv(x grad.Value, name string, out, k, stride, groups int, gain float32) grad.Value {
	shape := x.Shape()
	if len(shape) != 4 {
		return grad.Value{}
	}
	in := shape[1] / groups
	w := l.g.Param(name+".weight", grad.He(in*k*k), out, in, k, k)
	x = x.Conv(w, grad.Value{}, grad.ConvConfig{Stride: stride, Pad: k / 2, Groups: groups})
	return x.BatchNorm(
		l.g.Param(name+".norm.scale", grad.Fill(gain), out), l.g.Param(name+".norm.shift", grad.Fill(0), out),
		l.g.State(name+".norm.mean", grad.Fill(0), out), l.g.State(name+".norm.variance", grad.Fill(1), out), l.epsilon)
}

// point is a 1×1 convolution with a bias and no batch norm.
func (l layers) point(x grad.Value, name string, out int) grad.Value {
	shape := x.Shape()
	if len(shape) != 4 {
		return grad.Value{}
	}
	w := l.g.Param(name+".weight", grad.He(shape[1]), out, shape[1], 1, 1)
	return x.Conv(w, l.g.Param(name+".bias", grad.Fill(0), out), grad.ConvConfig{})
}

// linear is a dense layer with a bias.
func (l layers) linear(x grad.Value, name string, out int) grad.Value {
	shape := x.Shape()
	if len(shape) != 2 {
		return grad.Value{}
	}
	w := l.g.Param(name+".weight", grad.Glorot(shape[1], out), out, shape[1])
	return x.Linear(w, l.g.Param(name+".bias", grad.Fill(0), out))
}

// head is the last linear layer, behind dropout; it returns what it takes, too.
func (l layers) head(embedding grad.Value, c Config) (grad.Value, grad.Value) {
	return embedding, l.linear(embedding.Dropout("dropout", 1-c.Dropout), "head", c.Classes)
}
