package net

import (
	"fmt"

	"bcc/grad"
)

// inverted is one row of table 2 of Howard et al. 2019: an inverted residual block.
type inverted struct {
	kernel, expand, out int
	squeeze             bool // squeeze and excite
	hard                bool // hard swish, else ReLU
	stride              int
}

var mobileNetV3SmallRows = []inverted{
	{3, 16, 16, true, false, 2},
	{3, 72, 24, false, false, 2},
	{3, 88, 24, false, false, 1},
	{5, 96, 40, true, true, 2},
	{5, 240, 40, true, true, 1},
	{5, 240, 40, true, true, 1},
	{5, 120, 48, true, true, 1},
	{5, 144, 48, true, true, 1},
	{5, 288, 96, true, true, 2},
	{5, 576, 96, true, true, 1},
	{5, 576, 96, true, true, 1},
}

// mobileNetV3Small is MobileNetV3-small of Howard et al. 2019, 2.5 million parameters.
func mobileNetV3Small(g *grad.Graph, x grad.Value, c Config) (embedding, output grad.Value) {
	l := layers{g, 1e-3}
	x = l.conv(x, "stem", 16, 3, 2, 1, 1).HardSwish()
	for i, r := range mobileNetV3SmallRows {
		x = r.block(l, x, fmt.Sprintf("block%d", i))
	}
	x = l.conv(x, "last", 576, 1, 1, 1, 1).HardSwish()
	return l.head(l.linear(x.GlobalAvgPool().Flatten(1), "hidden", 1024).HardSwish(), c)
}

func (r inverted) block(l layers, x grad.Value, name string) grad.Value {
	act := grad.Value.Relu
	if r.hard {
		act = grad.Value.HardSwish
	}
	s := x.Shape()
	if len(s) != 4 {
		return grad.Value{}
	}
	y := x
	if r.expand != s[1] {
		y = act(l.conv(y, name+".expand", r.expand, 1, 1, 1, 1))
	}
	y = act(l.conv(y, name+".depthwise", r.expand, r.kernel, r.stride, r.expand, 1))
	if r.squeeze {
		z := l.point(y.GlobalAvgPool(), name+".squeeze", divisible(r.expand/4)).Relu()
		y = y.Mul(l.point(z, name+".excite", r.expand).HardSigmoid())
	}
	y = l.conv(y, name+".project", r.out, 1, 1, 1, 1)
	if s[1] == r.out && r.stride == 1 {
		y = y.Add(x)
	}
	return y
}

// divisible rounds to a multiple of 8 that loses no more than a tenth.
func divisible(v int) int {
	n := max(8, (v+4)/8*8)
	if 10*n < 9*v {
		n += 8
	}
	return n
}
