package train

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Criterion says by which figure of the validation the best epoch is chosen.
type Criterion string

// The criteria.
const (
	ByLoss  Criterion = "loss"
	ByAUROC Criterion = "auroc"
)

// Config says how to train.
type Config struct {
	// Seed fixes the order of samples and every draw. Default 0.
	Seed uint64
	// Epochs is how often every sample is seen. Default 20.
	Epochs int
	// Batch is the number of samples of a step over all ranks, a whole number of
	// micro-batches. Default 32: small enough that a few thousand tiles give steps
	// enough.
	Batch int
	// Rate is the highest learning rate. Default 1e-3, Adam's own.
	Rate float64
	// Warmup is the part of all steps in which the rate grows. Default 0.05.
	Warmup float64
	// Decay is AdamW's weight decay a step at rate 1, on weights of two dimensions
	// or more. Default 0.05.
	Decay float64
	// Clip bounds the length of the gradient; 0: not. Default 5, which only a burst
	// reaches.
	Clip float64
	// Balance weighs classes inversely to how often they occur. Default true.
	Balance bool
	// GroupWeights multiplies the weight of the samples of a group; groups that are
	// not named weigh 1. Default none.
	GroupWeights map[string]float64

	// BestBy chooses the best epoch. Default ByAUROC.
	BestBy Criterion
	// Patience is after how many epochs without a better one training stops; 0:
	// never. Default 0.
	Patience int

	// Workers is the number of goroutines that compute, each with a stepper of its
	// own. Default 1; one a core is best (measured: 11 to 23 % over one run with all
	// cores).
	Workers int
	// Ahead is the number of micro-batches read before they are needed. Default 2 a
	// worker.
	Ahead int

	// Checkpoint is the folder of the checkpoint; empty: none is written.
	Checkpoint string
	// CheckpointEvery is the time after which a checkpoint is written within an
	// epoch. Default 5 minutes.
	CheckpointEvery time.Duration
	// CheckpointSteps is the number of steps after which one is written; 0: by time
	// alone. Default 0.
	CheckpointSteps int
	// History is the CSV file of the history; empty: none is written.
	History string
	// Resume goes on from the checkpoint where there is one.
	Resume bool
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Epochs: 20, Batch: 32, Rate: 1e-3, Warmup: 0.05, Decay: 0.05, Clip: 5, Balance: true,
		BestBy: ByAUROC, Workers: 1, CheckpointEvery: 5 * time.Minute,
	}
}

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	between := func(name string, v, lo, hi int) { want(v >= lo && v <= hi, "%s %d: want %d to %d", name, v, lo, hi) }
	between("epochs", c.Epochs, 1, 1e6)
	between("batch", c.Batch, 1, 1<<20)
	between("patience", c.Patience, 0, 1e6)
	between("workers", c.Workers, 1, 4096)
	between("micro-batches ahead", c.Ahead, 0, 4096)
	between("steps between checkpoints", c.CheckpointSteps, 0, math.MaxInt32)
	want(c.Rate > 0 && c.Rate <= 100, "learning rate %v: want above 0, at most 100", c.Rate)
	want(c.Warmup >= 0 && c.Warmup <= 1, "warm-up %v: want a part from 0 to 1", c.Warmup)
	want(c.Decay >= 0 && !(c.Decay*c.Rate >= 1), "weight decay %v at a learning rate of %v: want 0 or more, and a product below 1", c.Decay, c.Rate)
	want(c.Clip >= 0 && !math.IsInf(c.Clip, 0), "gradient clip %v: want 0 or more", c.Clip)
	want(c.CheckpointEvery > 0, "time between checkpoints %v: want more than 0", c.CheckpointEvery)
	want(slices.Contains([]Criterion{ByLoss, ByAUROC}, c.BestBy), "best by %q: want %s or %s", c.BestBy, ByLoss, ByAUROC)
	want(!c.Resume || c.Checkpoint != "", "resume: no folder of the checkpoint")
	for g, w := range c.GroupWeights {
		want(w >= 0 && !math.IsInf(w, 0), "weight %v of group %.40q: want 0 or more", w, g)
	}
	return errors.Join(errs...)
}
