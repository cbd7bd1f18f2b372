package net

import (
	"fmt"

	"bcc/grad"
)

// residual is the first scale of a block's last batch norm. Small, so that a
// fresh network of any depth neither fades nor grows (the idea of zero first
// scales, Goyal et al. 2017), not zero, so that every weight counts in a test.
const residual = 0.2

// block is a residual block with an output of out channels.
type block func(l layers, x grad.Value, name string, width, stride int) grad.Value

// resNet is the residual network of He et al. 2016 with the given number of
// blocks in its four stages (the stride lies on the 3×3 convolution), the first of
// which is so many channels wide.
func resNet(b block, width int, blocks ...int) body {
	return func(g *grad.Graph, x grad.Value, c Config) (embedding, output grad.Value) {
		l := layers{g, 1e-5}
		x = l.conv(x, "stem", width, 7, 2, 1, 1)
		// The ReLU behind the pool: the same numbers, a quarter of the work.
		x = x.MaxPool(grad.PoolConfig{Size: 3, Stride: 2, Pad: 1}).Relu()
		return l.residual(x, b, width, blocks, c)
	}
}

// slim is a residual network for laptops: a quarter as wide as resNet, and with two
// small convolutions in the place of its 7×7 and its pool, which would take a third
// of the time of so narrow a network.
func slim(blocks ...int) body {
	return func(g *grad.Graph, x grad.Value, c Config) (embedding, output grad.Value) {
		l := layers{g, 1e-5}
		x = l.conv(x, "stem1", 16, 3, 2, 1, 1).Relu()
		x = l.conv(x, "stem2", 16, 3, 2, 1, 1).Relu()
		return l.residual(x, basic, 16, blocks, c)
	}
}

// residual is all of a network behind its stem.
func (l layers) residual(x grad.Value, b block, width int, blocks []int, c Config) (embedding, output grad.Value) {
	for s, n := range blocks {
		for i := range n {
			stride := 1
			if i == 0 && s > 0 {
				stride = 2
			}
			x = b(l, x, fmt.Sprintf("stage%d.%d", s+1, i), width<<s, stride)
		}
	}
	return l.head(x.GlobalAvgPool().Flatten(1), c)
}

// basic is two 3×3 convolutions.
func basic(l layers, x grad.Value, name string, width, stride int) grad.Value {
	y := l.conv(x, name+".conv1", width, 3, stride, 1, 1).Relu()
	y = l.conv(y, name+".conv2", width, 3, 1, 1, residual)
	return y.Add(shortcut(l, x, name, width, stride)).Relu()
}

// bottleneck is 1×1, 3×3, 1×1, the last four times as wide.
func bottleneck(l layers, x grad.Value, name string, width, stride int) grad.Value {
	y := l.conv(x, name+".conv1", width, 1, 1, 1, 1).Relu()
	y = l.conv(y, name+".conv2", width, 3, stride, 1, 1).Relu()
	y = l.conv(y, name+".conv3", 4*width, 1, 1, 1, residual)
	return y.Add(shortcut(l, x, name, 4*width, stride)).Relu()
}

// shortcut is x itself where it fits beside the block's output.
func shortcut(l layers, x grad.Value, name string, out, stride int) grad.Value {
	if s := x.Shape(); len(s) == 4 && s[1] == out && stride == 1 {
		return x
	}
	return l.conv(x, name+".shortcut", out, 1, stride, 1, 1)
}
