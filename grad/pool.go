package grad

import (
	"errors"
	"fmt"

	"bcc/onnx"
)

// Pools over windows and over whole pictures.

func init() {
	register(map[string]rule{
		"MaxPool":           {inferMaxPool, backMaxPool},
		"AveragePool":       {inferPool, backAveragePool},
		"GlobalAveragePool": {inferGlobalPool, backGlobalAveragePool},
		"GlobalMaxPool":     {inferGlobalPool, backGlobalMaxPool},
		"ScatterElements":   {infer: inferScatter},
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

// inferMaxPool gives the places of the largest elements in the whole input too,
// which the way back reads.
func inferMaxPool(c call) ([]Type, error) {
	out, err := inferPool(c)
	if err == nil {
		out = append(out, Type{onnx.Int64, out[0].Shape})
	}
	return out, err
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
