// Package infer fills fixed-size batches with the patches of every slide and
// request in flight and has them scored by runners, one goroutine a runner.
//
// In: patches on channels, one channel a Score. Out: one row of outputs a patch,
// written where the patch's index says, so the order in which batches finish
// never shows. It decodes nothing, knows no model and no device: a Runner does.
//
//	Score ─ patches ─┐                    ┌─ Runner (a core, a session shared)
//	Score ─ patches ─┼─► Batcher's queue ─┤
//	Score ─ patches ─┘    (bounded)       └─ Runner
//
// Runners pull: a batch is made when a runner is free to take it, so a slow
// device takes less and nothing waits behind it.
package infer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Runner runs patches through a model. A Runner serves one goroutine at a time.
type Runner interface {
	// Run scores the patches (RGB bytes, PatchPx×PatchPx×3 each, at most a batch)
	// and writes one row of outputs for each to out. When ctx ends it returns soon,
	// with ctx's error. An error of kind fault.Unavailable says that the device is
	// lost: the runner is not asked again, and another one scores the patches.
	Run(ctx context.Context, patches [][]byte, out []float32) error
	// Close frees the runner; closing again does nothing.
	Close() error
}

// Sized is a Runner that says how many patches it takes at once, so that a GPU and
// the cores beside it can share one Batcher.
type Sized interface {
	Batch() int
}

// Divisible is a Runner that says the fewest patches for which a run takes less memory
// than a full one. Where that is a batch, it pads, and Press leaves its batches alone:
// they would take as much memory each, and more time.
type Divisible interface {
	Least() int
}

// Config says how batches are made.
type Config struct {
	// Batch is the number of patches that a runner takes at once if it is not Sized.
	// Default 4: up to 8 a core's cache still holds the activations.
	Batch int
	// PatchPx is the side of a patch as the model sees it. No default: the model says it.
	PatchPx int
	// Outputs is the number of values the model gives a patch. No default: the model says it.
	Outputs int
	// MaxDelay is how long a batch that is not full waits for more patches. Default
	// 50 ms. A short batch costs a runner as much as a full one, and the end of a
	// Score does not wait for it, so it only bounds the wait on slow neighbours.
	MaxDelay time.Duration
	// Queue is the number of patches held here, those being scored included.
	// Default 0: two batches a runner, so that the next one is ready when one ends.
	Queue int
	// Spare opens the runners that go on when the last one is lost: the processor's,
	// where a GPU was. It is asked once; whoever gives it closes them, after Run.
	// Default nil: Run ends then, and every Score fails.
	Spare func() ([]Runner, error)
	// Logger hears of lost runners. Default nil: nobody does.
	Logger *slog.Logger
	// Registerer is told the metrics. Default nil: nobody is.
	Registerer prometheus.Registerer
}

// DefaultConfig returns the defaults; PatchPx and Outputs are left to the model.
func DefaultConfig() Config {
	return Config{Batch: 4, MaxDelay: 50 * time.Millisecond}
}

// maxHeld bounds Batch, Queue and Outputs: far above any use, far below what overflows.
const maxHeld = 1 << 20

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	between := func(name string, v, low int) {
		if v < low || v > maxHeld {
			errs = append(errs, fmt.Errorf("%s %d is outside %d to %d", name, v, low, maxHeld))
		}
	}
	between("batch", c.Batch, 1)
	between("patch side in pixels", c.PatchPx, 1)
	between("outputs", c.Outputs, 1)
	between("queue", c.Queue, 0)
	if c.MaxDelay < 0 {
		errs = append(errs, fmt.Errorf("maximum delay %v is negative", c.MaxDelay))
	}
	return errors.Join(errs...)
}
