// Package quantize turns a float32 ONNX network into one that counts in bytes: it
// runs up to 3.4 times as fast where dense convolutions are the work.
//
// In: the network, and batches of what it will see. Out: the same network with
// QuantizeLinear and DequantizeLinear around what has integer kernels, which the
// engine fuses with them (the QDQ form), and a comparison of the two. Activations are
// unsigned bytes with a range each, learned by running the batches; weights are signed
// bytes with a scale for each output channel; biases are 32-bit integers.
//
//	v = scale·(q - zero)     Jacob et al. 2018, "Quantization and Training of Neural
//	                         Networks for Efficient Integer-Arithmetic-Only Inference"
//
// It runs nothing itself: an Opener hands it the engine. It does not decide what is a
// good network: Comparison.Verdict says whether this one may stand for the other.
package quantize

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"bcc/fault"
	"bcc/onnx"
)

// Runner runs a network.
type Runner interface {
	// Eval returns the named outputs for a batch of inputs, row by row.
	Eval(ctx context.Context, input []float32, outputs []string) ([][]float32, error)
	Close() error
}

// Opener makes a Runner of a network's bytes.
type Opener func(network []byte) (Runner, error)

// Batches gives what the network will see, normalised, batch by batch: the same
// each time it is asked.
type Batches = iter.Seq2[[]float32, error]

// Config says how precise the bytes are. The zero Config stands for DefaultConfig.
type Config struct {
	// WeightBits is how much of a byte weights use, 7 or 8. Default 7: processors
	// without VNNI add two products in 16 bits, which 8 bits overflow, and all
	// processors give the same integers then.
	WeightBits int
	// Keep lists shares of an activation's values that its range may hold, 0.5 to 1; 1
	// is from the smallest to the largest. The rest is clipped, which buys finer steps
	// for what is left. The one whose outputs are nearest to the network's is taken.
	// Default 1, 0.9999 and 0.999.
	Keep []float64
	// Output names the output by which ranges are judged. Default: the network's first.
	Output string
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{WeightBits: 7, Keep: []float64{1, 0.9999, 0.999}} }

// Validate returns every problem at once. Zero values stand for defaults.
func (c Config) Validate() error {
	var errs []error
	if c.WeightBits != 0 && c.WeightBits != 7 && c.WeightBits != 8 {
		errs = append(errs, fmt.Errorf("weights of %d bits, want 7 or 8", c.WeightBits))
	}
	for _, k := range c.Keep {
		if !(k >= 0.5 && k <= 1) {
			errs = append(errs, fmt.Errorf("a range that keeps %v of the values, want 0.5 to 1", k))
		}
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	d := DefaultConfig()
	if c.WeightBits == 0 {
		c.WeightBits = d.WeightBits
	}
	if len(c.Keep) == 0 {
		c.Keep = d.Keep
	}
	return c
}

// Result is a network in bytes, and what was done to get it.
type Result struct {
	Model *onnx.Model `json:"-"`
	// Layers counts convolutions and matrix products in bytes, Float the operators of
	// each name that stayed in float32.
	Layers int            `json:"layers"`
	Float  map[string]int `json:"float_operators"`
	Bits   int            `json:"weight_bits"`
	Keep   float64        `json:"range_keeps"` // of Config.Keep, the one that was taken
	// Error is the root of the mean squared difference between the two networks'
	// outputs on the batches, in units of the outputs' own standard deviation.
	Error   float64 `json:"output_error"`
	Batches int     `json:"calibration_batches"`
}

// Network quantizes m by what its values are on the batches. Errors: fault.Invalid
// where the config or the batches make no sense, fault.Unsupported where the network
// has nothing that would run in bytes or is written in a way not understood.
func Network(ctx context.Context, m *onnx.Model, batches Batches, open Opener, cfg Config) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "quantize network: %w", err)
	}
	cfg = cfg.withDefaults()
	p, err := newPlan(m)
	if err != nil {
		return nil, fmt.Errorf("quantize network: %w", err)
	}
	if cfg.Output == "" {
		cfg.Output = m.Graph.Outputs[0].Name
	} else if !p.outputs[cfg.Output] {
		return nil, fault.New(fault.Invalid, "quantize network: it has no output %q", cfg.Output)
	}
	seen, err := observe(ctx, m, p, cfg.Output, batches, open)
	if err != nil {
		return nil, fmt.Errorf("quantize network: %w", err)
	}
	best := &Result{Error: math.Inf(1)}
	for _, keep := range cfg.Keep {
		q, err := p.convert(m, seen.ranges(keep), cfg.WeightBits)
		if err != nil {
			return nil, fmt.Errorf("quantize network: %w", err)
		}
		e, err := seen.distance(ctx, q, batches, open)
		if err != nil {
			return nil, fmt.Errorf("quantize network: ranges that keep %v: %w", keep, err)
		}
		if best.Model == nil || e < best.Error {
			best.Model, best.Keep, best.Error = q, keep, e
		}
	}
	best.Layers, best.Float = p.layers, p.left(m.Graph)
	best.Bits, best.Batches = cfg.WeightBits, seen.batches
	return best, nil
}
