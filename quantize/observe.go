package quantize

import (
	"context"
	"fmt"
	"math"

	"bcc/fault"
	"bcc/onnx"
)

// observed is what the network did on the batches.
type observed struct {
	input   string
	output  string
	values  map[string]*histogram
	outputs [][]float32 // of each batch
	batches int
}

// observe runs the network on the batches with all planned values as outputs.
func observe(ctx context.Context, m *onnx.Model, p *plan, output string, batches Batches, open Opener) (*observed, error) {
	o := &observed{input: p.input, output: output, values: map[string]*histogram{}}
	graph := *m.Graph
	graph.Outputs = append([]*onnx.ValueInfo(nil), graph.Outputs...)
	given := map[string]bool{}
	for _, v := range graph.Outputs {
		given[v.Name] = true
	}
	wanted := []string{o.output}
	for _, v := range p.observed() {
		o.values[v] = &histogram{}
		if v == o.input {
			continue
		}
		if v != o.output {
			wanted = append(wanted, v)
		}
		if !given[v] {
			graph.Outputs = append(graph.Outputs, &onnx.ValueInfo{Name: v, Type: onnx.Float32})
		}
	}
	watched := *m
	watched.Graph = &graph
	run, err := open(watched.Marshal())
	if err != nil {
		return nil, fmt.Errorf("watch its values: %w", err)
	}
	defer run.Close()
	for batch, err := range batches {
		if err != nil {
			return nil, fmt.Errorf("calibration batch %d: %w", o.batches, err)
		}
		out, err := run.Eval(ctx, batch, wanted)
		if err != nil {
			return nil, fmt.Errorf("calibration batch %d: %w", o.batches, err)
		}
		for i, name := range wanted {
			if err := o.see(name, out[i]); err != nil {
				return nil, err
			}
		}
		if err := o.see(o.input, batch); err != nil {
			return nil, err
		}
		o.outputs = append(o.outputs, out[0])
		o.batches++
	}
	if o.batches == 0 {
		return nil, fault.New(fault.Invalid, "there is no batch to calibrate on")
	}
	return o, nil
}

func (o *observed) see(name string, values []float32) error {
	if h := o.values[name]; h != nil && !h.add(values) {
		return fault.New(fault.Invalid, "calibration batch %d: value %q is not finite", o.batches, name)
	}
	return nil
}

func (o *observed) ranges(keep float64) map[string]span {
	all := map[string]span{}
	for name, h := range o.values {
		all[name] = h.span(keep)
	}
	return all
}

// distance runs another network on the batches and returns how far its output is
// from the one that was observed: the root of the mean squared difference over the
// standard deviation.
func (o *observed) distance(ctx context.Context, m *onnx.Model, batches Batches, open Opener) (float64, error) {
	run, err := open(m.Marshal())
	if err != nil {
		return 0, err
	}
	defer run.Close()
	var n, sum, squares, apart float64
	i := 0
	for batch, err := range batches {
		if err != nil {
			return 0, fmt.Errorf("calibration batch %d: %w", i, err)
		}
		out, err := run.Eval(ctx, batch, []string{o.output})
		if err != nil {
			return 0, fmt.Errorf("calibration batch %d: %w", i, err)
		}
		if i >= len(o.outputs) || len(out[0]) != len(o.outputs[i]) {
			return 0, fault.New(fault.Internal, "calibration batch %d is not what it was", i)
		}
		for k, v := range out[0] {
			was := float64(o.outputs[i][k])
			d := float64(v) - was
			n, sum = n+1, sum+was
			squares += float64(was * was)
			apart += float64(d * d)
		}
		i++
	}
	deviation := squares/n - float64(sum/n*(sum/n))
	return math.Sqrt(apart / n / max(deviation, 1e-12)), nil
}
