package ort_test

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is a protobuf message under construction.
type message []byte

func (m message) varint(num protowire.Number, v int64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, num, protowire.VarintType), uint64(v))
}

func (m message) bytes(num protowire.Number, b []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, num, protowire.BytesType), b)
}

func (m message) text(num protowire.Number, s string) message { return m.bytes(num, []byte(s)) }

// testModel describes a small network: its first output is the mean red of the
// patch and one minus that, the second the mean green.
type testModel struct {
	batch, side int64 // 0: open
	channels    int64 // 0: 3
	nhwc        bool
	dtype       int64 // 0: float32
	shapeless   bool
	secondInput bool
	external    bool
	weightInput bool // weights are listed among the inputs, as old exporters do
	nan         bool // the mean is multiplied with one
	slow        int  // convolutions before the mean, that leave it as it is
}

func (c testModel) encode() []byte {
	channels := c.channels
	if channels == 0 {
		channels = 3
	}
	dtype := max(c.dtype, 1)
	shape := []int64{c.batch, channels, c.side, c.side}
	axes := []int64{2, 3}
	if c.nhwc {
		shape = []int64{c.batch, c.side, c.side, channels}
		axes = []int64{1, 2}
	}
	if c.shapeless {
		shape = nil
	}

	var g message
	x := "picture"
	for range c.slow {
		y := x + "'"
		kernel := message(node("Conv", []string{x, "identity"}, y))
		g = g.bytes(1, kernel.bytes(5, ints("pads", 1, 1, 1, 1)))
		x = y
	}
	mean := message(node("ReduceMean", []string{x}, "mean"))
	mean = mean.bytes(5, ints("axes", axes...)).bytes(5, ints("keepdims"))
	g = g.bytes(1, mean)
	g = g.bytes(1, node("Gemm", []string{"mean", "weights", "bias"}, "scores"))
	g = g.bytes(1, node("Gemm", []string{"mean", "greens"}, "green"))
	g = g.text(2, "test")

	weights := make([]float32, channels*2)
	weights[0], weights[1] = 1, -1
	if c.nan {
		weights[0] = float32(math.NaN())
	}
	greens := make([]float32, channels)
	greens[1] = 1
	w := tensor("weights", []int64{channels, 2}, weights)
	if c.external {
		w = message(w).varint(14, 1)
	}
	g = g.bytes(5, w)
	g = g.bytes(5, tensor("bias", []int64{2}, []float32{0, 1}))
	g = g.bytes(5, tensor("greens", []int64{channels, 1}, greens))
	if c.slow > 0 {
		kernel := make([]float32, channels*channels*9)
		for i := range channels {
			kernel[(i*channels+i)*9+4] = 1
		}
		g = g.bytes(5, tensor("identity", []int64{channels, channels, 3, 3}, kernel))
	}
	if c.weightInput {
		g = g.bytes(11, info("weights", 1, []int64{channels, 2}))
	}
	g = g.bytes(11, info("picture", dtype, shape))
	if c.secondInput {
		g = g.bytes(11, info("age", 1, []int64{1}))
	}
	g = g.bytes(12, info("scores", dtype, []int64{0, 2}))
	g = g.bytes(12, info("green", dtype, []int64{0, 1}))

	return message{}.varint(1, 8).bytes(7, g).bytes(8, message{}.varint(2, 13))
}

func node(op string, in []string, out string) message {
	var m message
	for _, s := range in {
		m = m.text(1, s)
	}
	return m.text(2, out).text(4, op)
}

// ints is an attribute of integers; with none, the integer 0.
func ints(name string, values ...int64) message {
	m := message{}.text(1, name)
	if len(values) == 0 {
		return m.varint(3, 0).varint(20, 2)
	}
	for _, v := range values {
		m = m.varint(8, v)
	}
	return m.varint(20, 7)
}

func tensor(name string, shape []int64, values []float32) message {
	var m message
	for _, d := range shape {
		m = m.varint(1, d)
	}
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return m.varint(2, 1).text(8, name).bytes(9, raw)
}

func info(name string, dtype int64, shape []int64) message {
	t := message{}.varint(1, dtype)
	if shape != nil {
		dims := message{}
		for _, d := range shape {
			if d > 0 {
				dims = dims.bytes(1, message{}.varint(1, d))
			} else {
				dims = dims.bytes(1, message{}.text(2, "n"))
			}
		}
		t = t.bytes(2, dims)
	}
	return message{}.text(1, name).bytes(2, message{}.bytes(1, t))
}
