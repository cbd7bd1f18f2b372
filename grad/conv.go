package grad

import (
	"errors"
	"fmt"
	"slices"

	"bcc/onnx"
)

// Convolution, and the batch norm that is folded into it.

func init() {
	register(map[string]rule{
		"Conv":               {inferConv, backConv},
		"ConvTranspose":      {infer: inferConvTranspose},
		"BatchNormalization": {inferBatchNorm, backBatchNorm},
	})
}

// ConvConfig is how a convolution walks. Zero means 1, but for Pad.
type ConvConfig struct {
	Stride   int // pixels from one output to the next
	Pad      int // zeros on each of the four sides
	Groups   int // channels are split into so many convolutions side by side
	Dilation int // pixels between the taps
}

// window returns the attributes that convolutions and pools share.
func window(size, stride, pad int) []*onnx.Attribute {
	return []*onnx.Attribute{
		intsAttr("kernel_shape", size, size), intsAttr("strides", stride, stride), intsAttr("pads", pad, pad, pad, pad),
	}
}

// Conv is the two-dimensional convolution of v (N, C, H, W) with w (M, C/Groups,
// K, K) and bias (M), which may be the zero Value.
func (v Value) Conv(w, bias Value, c ConvConfig) Value {
	k := 0
	if s := w.Shape(); len(s) == 4 {
		k = s[3]
	}
	attrs := append(window(k, max(c.Stride, 1), c.Pad),
		intAttr("group", max(c.Groups, 1)), intsAttr("dilations", max(c.Dilation, 1), max(c.Dilation, 1)))
	if bias == (Value{}) {
		return v.one("Conv", attrs, w)
	}
	return v.one("Conv", attrs, w, bias)
}

// slide returns the output extents of a window over (H, W).
func slide(c call, in Shape) (h, w int, err error) {
	k, s, p, d := c.ints("kernel_shape"), c.ints("strides"), c.ints("pads"), c.ints("dilations")
	if d == nil {
		d = []int{1, 1}
	}
	room := func(i int) int { return in[2+i] + p[i] + p[i+2] - d[i]*(k[i]-1) - 1 } // the last place, in input pixels
	if in[2] == Batch || in[3] == Batch || min(k[0], s[0], d[0]) <= 0 || min(room(0), room(1)) < 0 {
		return 0, 0, fmt.Errorf("a window of %v does not fit %v", k, in)
	}
	return room(0)/s[0] + 1, room(1)/s[1] + 1, nil
}

func inferConv(c call) ([]Type, error) {
	x, w := c.in[0].Shape, c.in[1].Shape
	if len(x) != 4 || len(w) != 4 || !slices.Equal(w[2:], c.ints("kernel_shape")) {
		return nil, errors.New("want a picture (N, C, H, W) and weights (M, C, K, K)")
	}
	groups := c.int("group", 1)
	if x[1] != w[1]*groups || w[0]%groups != 0 {
		return nil, fmt.Errorf("%d channels into %d groups of %d", x[1], groups, w[1])
	}
	if len(c.in) > 2 && (len(c.in[2].Shape) != 1 || c.in[2].Shape[0] != w[0]) {
		return nil, fmt.Errorf("a bias of %v for %d channels", c.in[2].Shape, w[0])
	}
	oh, ow, err := slide(c, x)
	return []Type{{onnx.Float32, Shape{x[0], w[0], oh, ow}}}, err
}

// BatchNorm normalises each channel by a running mean and variance, then scales
// and shifts it; all four have one element a channel. Deploy folds it into the
// convolution before it.
func (v Value) BatchNorm(scale, shift, mean, variance Value, epsilon float32) Value {
	return v.one("BatchNormalization", []*onnx.Attribute{floatAttr("epsilon", epsilon)}, scale, shift, mean, variance)
}

func inferBatchNorm(c call) ([]Type, error) {
	x := c.in[0].Shape
	if len(x) < 2 {
		return nil, errors.New("want channels in the second dimension")
	}
	for _, p := range c.in[1:] {
		if len(p.Shape) != 1 || p.Shape[0] != x[1] {
			return nil, fmt.Errorf("a parameter of %v for %d channels", p.Shape, x[1])
		}
	}
	return same(c)
}
