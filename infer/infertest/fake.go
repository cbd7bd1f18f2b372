// Package infertest holds what every Runner must do (Exercise) and a runner with
// a known answer (Fake), so that everything above the engine is tested exactly,
// with no model and no library.
package infertest

import (
	"context"
	"sync/atomic"

	"bcc/fault"
)

// Fake is a runner whose first output is the mean red of a patch, 0 to 1, and
// whose other outputs are one minus that. It is as strict about what it is given
// as a real one.
type Fake struct {
	PatchPx int
	Batch   int // the most patches a call may bring
	Outputs int

	// Before, when set, is called before a batch is scored, with the number of its
	// patches; an error fails the batch. It may block until ctx ends.
	Before func(ctx context.Context, n int) error

	Calls   atomic.Int64 // batches scored
	Patches atomic.Int64 // patches scored
	closed  atomic.Bool
}

// Run writes Outputs values for each patch to out.
func (f *Fake) Run(ctx context.Context, patches [][]byte, out []float32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.closed.Load() {
		return fault.New(fault.Internal, "run: runner is closed")
	}
	if len(patches) == 0 || len(patches) > f.Batch || len(out) != len(patches)*f.Outputs {
		return fault.New(fault.Internal, "run: %d patches and %d outputs, want at most %d patches with %d outputs each", len(patches), len(out), f.Batch, f.Outputs)
	}
	for i, p := range patches {
		if want := 3 * f.PatchPx * f.PatchPx; len(p) != want {
			return fault.New(fault.Internal, "run: patch %d has %d bytes, want %d", i, len(p), want)
		}
	}
	if f.Before != nil {
		if err := f.Before(ctx, len(patches)); err != nil {
			return err
		}
	}
	for i, p := range patches {
		row := out[i*f.Outputs : (i+1)*f.Outputs]
		red := MeanRed(p)
		for k := range row {
			row[k] = 1 - red
		}
		row[0] = red
	}
	f.Calls.Add(1)
	f.Patches.Add(int64(len(patches)))
	return nil
}

// Close ends the runner; closing again does nothing.
func (f *Fake) Close() error {
	f.closed.Store(true)
	return nil
}

// MeanRed returns the mean of the red bytes of an RGB picture, 0 to 1.
func MeanRed(pix []byte) float32 {
	sum := 0
	for i := 0; i < len(pix); i += 3 {
		sum += int(pix[i])
	}
	return float32(float64(sum) / float64(max(len(pix)/3, 1)) / 255)
}
