package cli

import (
	"context"
	"strings"

	"bcc/fault"
	"bcc/model"
	"bcc/native/ort"
	"bcc/onnx"
	"bcc/quantize"
)

// evalRunner runs a network with the engine for quantize.
type evalRunner struct{ graph *ort.Graph }

var _ quantize.Opener = openForEval

// openForEval makes a runner on the CPU: ranges do not depend on the device, and what
// is watched would not fit a GPU's memory any better.
func openForEval(network []byte) (quantize.Runner, error) {
	g, err := ort.OpenGraph([][]byte{network}, ort.GraphConfig{Device: "cpu"})
	if err != nil {
		return nil, err
	}
	return evalRunner{g}, nil
}

func (r evalRunner) Eval(ctx context.Context, input []float32, outputs []string) ([][]float32, error) {
	in, err := r.shaped(input)
	if err != nil {
		return nil, err
	}
	got, err := r.graph.Eval(ctx, []ort.Tensor{in}, outputs)
	if err != nil {
		return nil, err
	}
	values := make([][]float32, len(got))
	for i, t := range got {
		values[i] = t.Data
	}
	return values, nil
}

// shaped gives a batch of square pictures of three channels the shape of the input.
func (r evalRunner) shaped(input []float32) (ort.Tensor, error) {
	in := r.graph.Inputs()[0]
	shape := append([]int64(nil), in.Shape...)
	if len(shape) != 4 || shape[2] < 1 || shape[1] < 1 && shape[3] < 1 {
		return in, fault.New(fault.Unsupported, "input %q: its shape %v leaves the size of a picture open", in.Name, shape)
	}
	row := shape[1] * shape[2] * shape[3]
	shape[0] = int64(len(input)) / row
	return ort.Tensor{Name: in.Name, Shape: shape, Data: input}, nil
}

func (r evalRunner) Close() error { return r.graph.Close() }

// fixedBatch returns the pictures that a network wants at once, 0 where that is open.
func fixedBatch(m *onnx.Model) int {
	for _, v := range m.Graph.Inputs {
		if len(v.Shape) == 4 && v.Shape[0].Known() {
			return int(v.Shape[0].Value)
		}
	}
	return 0
}

// calibration are pictures spread evenly over a split, as batches.
type calibration struct {
	split  pictures
	px     int // side of a picture
	most   int
	layout string
	fixed  int // pictures a batch, if the network has no choice
}

// calibrationBatch is small: all values between are kept for as many pictures.
const calibrationBatch = 4

func (c calibration) batch() int {
	if c.fixed > 0 {
		return c.fixed
	}
	return calibrationBatch
}

// count returns how many pictures are used.
func (c calibration) count() int {
	n := min(c.most, c.split.Len())
	if c.fixed > 0 {
		n -= n % c.fixed
	}
	return n
}

func (c calibration) batches(ctx context.Context) quantize.Batches {
	return func(yield func([]float32, error) bool) {
		area := c.px * c.px
		n := c.count()
		for first := 0; first < n; first += c.batch() {
			rows := min(c.batch(), n-first)
			batch := make([]float32, rows*3*area)
			for i := range rows {
				one := batch[i*3*area : (i+1)*3*area]
				at := (first + i) * c.split.Len() / n
				if err := c.split.Read(ctx, at, nil, func(string) []float32 { return one }); err != nil {
					yield(nil, err)
					return
				}
				if c.layout == model.NHWC {
					interleave(one, area)
				}
			}
			if !yield(batch, nil) {
				return
			}
		}
	}
}

// interleave turns three planes into triples.
func interleave(picture []float32, area int) {
	planes := append([]float32(nil), picture...)
	for i := range area {
		for c := range 3 {
			picture[3*i+c] = planes[c*area+i]
		}
	}
}

// firstDevice returns the first of several devices.
func firstDevice(devices string) string {
	first, _, _ := strings.Cut(devices, ",")
	return strings.TrimSpace(first)
}
