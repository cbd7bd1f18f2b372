package grad

import (
	"errors"
	"fmt"
	"slices"

	"bcc/onnx"
)

// Pools over windows, over whole pictures, and reductions over axes.

func init() {
	register(map[string]rule{
		"MaxPool":           {infer: inferPool},
		"AveragePool":       {infer: inferPool},
		"GlobalAveragePool": {infer: inferGlobalPool},
		"GlobalMaxPool":     {infer: inferGlobalPool},
		"ReduceMean":        {infer: inferReduce},
		"ReduceSum":         {infer: inferReduce},
		"ReduceMax":         {infer: inferReduce},
		"ReduceMin":         {infer: inferReduce},
	})
}

// PoolConfig is how a window walks. Stride 0 means Size: windows side by side.
type PoolConfig struct {
	Size   int
	Stride int
	Pad    int // on each side; an average does not count it
}

// MaxPool is the largest element of each window of v (N, C, H, W).
func (v Value) MaxPool(c PoolConfig) Value { return v.pool("MaxPool", c) }

// AvgPool is the mean of each window of v (N, C, H, W).
func (v Value) AvgPool(c PoolConfig) Value { return v.pool("AveragePool", c) }

func (v Value) pool(op string, c PoolConfig) Value {
	if c.Stride == 0 {
		c.Stride = c.Size
	}
	return v.one(op, window(c.Size, c.Stride, c.Pad))
}

func inferPool(c call) ([]Type, error) {
	x := c.in[0].Shape
	if len(x) != 4 {
		return nil, errors.New("want a picture (N, C, H, W)")
	}
	if k, p := c.ints("kernel_shape"), c.ints("pads"); p[0] < 0 || p[0] >= k[0] {
		return nil, fmt.Errorf("a margin of %d around windows of %d", p[0], k[0])
	}
	oh, ow, err := slide(c, x)
	return []Type{{onnx.Float32, Shape{x[0], x[1], oh, ow}}}, err
}

// GlobalAvgPool is the mean of each channel: (N, C, H, W) becomes (N, C, 1, 1).
func (v Value) GlobalAvgPool() Value { return v.one("GlobalAveragePool", nil) }

// GlobalMaxPool is the largest element of each channel: (N, C, 1, 1).
func (v Value) GlobalMaxPool() Value { return v.one("GlobalMaxPool", nil) }

func inferGlobalPool(c call) ([]Type, error) {
	x := c.in[0].Shape
	if len(x) != 4 {
		return nil, errors.New("want a picture (N, C, H, W)")
	}
	return []Type{{onnx.Float32, Shape{x[0], x[1], 1, 1}}}, nil
}

// ReduceMean is the mean over the axes, which stay with an extent of 1.
func (v Value) ReduceMean(axes ...int) Value { return v.reduce("ReduceMean", axes) }

// ReduceSum is the sum over the axes, which stay with an extent of 1.
func (v Value) ReduceSum(axes ...int) Value { return v.reduce("ReduceSum", axes) }

// ReduceMax is the largest over the axes, which stay with an extent of 1.
func (v Value) ReduceMax(axes ...int) Value { return v.reduce("ReduceMax", axes) }

// ReduceMin is the smallest over the axes, which stay with an extent of 1.
func (v Value) ReduceMin(axes ...int) Value { return v.reduce("ReduceMin", axes) }

func (v Value) reduce(op string, axes []int) Value {
	if v.g == nil {
		return Value{}
	}
	return v.one(op, []*onnx.Attribute{intAttr("keepdims", 1)}, v.g.ints(axes))
}

func inferReduce(c call) ([]Type, error) {
	out := slices.Clone(c.in[0].Shape)
	if len(c.in[1].ints) == 0 {
		return nil, errors.New("no axis")
	}
	for _, a := range c.in[1].ints {
		if a < 0 || int(a) >= len(out) {
			return nil, fmt.Errorf("axis %d", a)
		}
		out[a] = 1
	}
	return []Type{{c.in[0].Elem, out}}, nil
}
