package bench

import (
	"context"
	"math/rand/v2"

	"bcc/fault"
	"bcc/grad"
	"bcc/train"
)

// Task is one training step that is measured: a network's program, and what
// PyTorch must be told to do the same.
type Task struct {
	Name    string // for a person: resnet18, mil
	Program *grad.Program
	Weights grad.Weights
	Batch   int // samples a step: a whole number of micro-batches
	Steps   int // a round

	// Theirs describes the same network to the partner; nil: there is no other side.
	Theirs map[string]any
}

// TrainSteps is what one round of training steps took.
type TrainSteps struct {
	StepS    float64 `json:"step_s"`    // a step; mean
	ReduceS  float64 `json:"reduce_s"`  // of it in all-reduces, mostly while gradients were still computed; mean
	ExposedS float64 `json:"exposed_s"` // of it in all-reduces with nothing else to do; mean
}

// Run takes the task's steps in a world: forward, backward, all-reduce, AdamW,
// on random samples that lie ready in memory. The first two steps, in which the
// engine finds its memory, do not count.
func (t Task) Run(ctx context.Context, engine train.Engine, world train.Collective, workers int) (TrainSteps, error) {
	const warm = 2
	w := &stopwatch{skip: warm}
	c := train.DefaultConfig()
	c.Epochs, c.Batch, c.Workers, c.Rate = 1, t.Batch, workers, 1e-4
	_, err := train.Run(ctx, c, train.Job{
		Program: t.Program,
		Weights: grad.Weights{Params: append([]float32(nil), t.Weights.Params...), State: append([]float32(nil), t.Weights.State...)},
		Engine:  engine, World: world, Watch: w,
		Samples: newNoise((warm + t.Steps) * t.Batch),
	})
	if err != nil {
		return TrainSteps{}, err
	}
	n := float64(t.Steps)
	return TrainSteps{w.step / n, w.reduce / n, w.exposed / n}, nil
}

// stopwatch adds up the times of steps in seconds.
type stopwatch struct {
	skip                  int
	step, reduce, exposed float64
}

func (w *stopwatch) Begun(train.Begun) {}
func (w *stopwatch) Ended(train.Epoch) {}
func (w *stopwatch) Stepped(s train.Step) {
	if s.Step < w.skip {
		return
	}
	w.step += s.Took.Seconds()
	w.reduce += s.Reduce.Seconds()
	w.exposed += s.Exposed.Seconds()
}

// noise is samples of two classes with normal features, as many as wanted out of
// one drawn run.
type noise struct {
	n    int
	data []float32
}

func newNoise(n int) noise {
	r := rand.New(rand.NewPCG(1, 2))
	s := noise{n: n, data: make([]float32, 1<<20)}
	for i := range s.data {
		s.data[i] = float32(r.NormFloat64())
	}
	return s
}

func (s noise) Len() int          { return s.n }
func (s noise) Class(i int) int   { return i % 2 }
func (s noise) Group(int) string  { return "" }
func (s noise) Name(i int) string { return "noise" }

func (s noise) Read(_ context.Context, i int, _ *rand.Rand, dst func(string) []float32) error {
	in := dst("input")
	for at := 0; at < len(in); {
		at += copy(in[at:], s.data[i*7919%len(s.data):]) // a prime: samples differ
	}
	if mask := dst("mask"); mask != nil {
		for k := range mask {
			mask[k] = 1
		}
	}
	return nil
}

// Train compares training steps with PyTorch's, and two ranks with one.
type Train struct {
	Task    Task
	Engine  train.Engine
	Workers int // cores
	Rounds  int
	Partner *Partner // nil: PyTorch is not there
	// Ranks runs the task once on two ranks that share the machine, each with half of
	// the workers, and returns what rank 0 measured. Nil: there is no launcher.
	Ranks func(ctx context.Context) (TrainSteps, error)
}

// TrainFigures is what a Train measured.
type TrainFigures struct {
	Bench  string `json:"bench"`
	Name   string `json:"network"`
	Batch  int    `json:"batch"`
	Rounds int    `json:"rounds"`

	OursS   float64 `json:"step_s"` // a step of ours on all cores, optimiser included; median of the rounds
	Rate    float64 `json:"samples_per_s"`
	TheirsS float64 `json:"pytorch_step_s,omitempty"` // the fastest of PyTorch's settings; median
	Theirs  string  `json:"pytorch,omitempty"`        // version and that setting
	Ratio   float64 `json:"ratio,omitempty"`          // ours to PyTorch's; median of the rounds: below 1 is faster
	RatioLo float64 `json:"ratio_low,omitempty"`
	RatioHi float64 `json:"ratio_high,omitempty"`

	RanksS     float64 `json:"two_ranks_step_s,omitempty"`
	Efficiency float64 `json:"two_ranks_efficiency,omitempty"` // one rank's step to two ranks', on the same cores; median
	Reduce     float64 `json:"all_reduce_share,omitempty"`     // of the step of two ranks
	Exposed    float64 `json:"all_reduce_exposed,omitempty"`   // of the step of two ranks, with nothing else to do

	Machine Machine `json:"machine"`
}

// Run measures all sides in turn, Rounds times.
func (b Train) Run(ctx context.Context) (TrainFigures, error) {
	f := TrainFigures{Bench: "train", Name: b.Task.Name, Batch: b.Task.Batch, Rounds: b.Rounds, Machine: machine(b.Workers)}
	if b.Rounds < 1 {
		return f, fault.New(fault.Invalid, "bench train: %d rounds: want 1 or more", b.Rounds)
	}
	var setting Setting
	if b.Partner != nil {
		var err error
		if setting, err = b.Partner.fastest(ctx, b.Task, b.Workers); err != nil {
			return f, err
		}
		f.Theirs = b.Partner.Version + ", " + setting.String()
	}
	var ours, theirs, ratio, ranks, efficiency, reduce, exposed []float64
	for range b.Rounds {
		if b.Partner != nil {
			s, err := b.Partner.Step(ctx, b.Task, setting, b.Task.Steps)
			if err != nil {
				return f, err
			}
			theirs = append(theirs, s)
		}
		s, err := b.Task.Run(ctx, b.Engine, train.Alone{}, b.Workers)
		if err != nil {
			return f, err
		}
		ours = append(ours, s.StepS)
		if n := len(theirs); n > 0 {
			ratio = append(ratio, s.StepS/theirs[n-1])
		}
		if b.Ranks == nil {
			continue
		}
		two, err := b.Ranks(ctx)
		if err != nil {
			return f, err
		}
		ranks = append(ranks, two.StepS)
		efficiency = append(efficiency, s.StepS/two.StepS)
		reduce, exposed = append(reduce, two.ReduceS/two.StepS), append(exposed, two.ExposedS/two.StepS)
	}
	f.OursS, f.TheirsS, f.Ratio = median(ours), median(theirs), median(ratio)
	f.Rate = float64(b.Task.Batch) / f.OursS
	if len(ratio) > 0 {
		f.RatioLo, f.RatioHi = spread(ratio)
	}
	f.RanksS, f.Efficiency, f.Reduce, f.Exposed = median(ranks), median(efficiency), median(reduce), median(exposed)
	return f, nil
}
