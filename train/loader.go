package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"bcc/grad"
)

// weigher knows the weight of every sample in the loss.
type weigher struct {
	samples Samples
	class   []float32
	groups  map[string]float64
}

func newWeigher(cfg Config, s Samples, classes int) weigher {
	w := weigher{samples: s, groups: cfg.GroupWeights, class: make([]float32, classes)}
	for c := range w.class {
		w.class[c] = 1
	}
	if cfg.Balance {
		w.class = balance(s, classes)
	}
	return w
}

// of returns the weight of sample i.
func (w weigher) of(i int) float32 {
	weight := w.class[w.samples.Class(i)]
	if f, ok := w.groups[w.samples.Group(i)]; ok {
		weight = float32(float64(weight) * f)
	}
	return weight
}

// weigh gives the rows of a micro-batch their part of the step's total weight;
// companions have none.
func (w weigher) weigh(b batch, total float64) weighted {
	out := weighted{batch: b, weights: make([]float32, len(b.rows))}
	for r, i := range b.rows[:b.count] {
		if total > 0 {
			out.weights[r] = float32(float64(w.of(i)) / total)
		}
	}
	return out
}

// weighted is a micro-batch with the weight of each row in the loss of the step.
type weighted struct {
	batch
	weights []float32
}

// work is this rank's micro-batches of the rest of an epoch, in order.
type work struct {
	first   int // step at which it begins
	starts  []int
	batches []weighted
}

// of returns those of a step.
func (w *work) of(step int) []weighted {
	return w.batches[w.starts[step-w.first]:w.starts[step-w.first+1]]
}

// loader reads micro-batches before they are needed, a bounded number of them.
type loader struct {
	cfg   Config
	job   Job
	work  *work
	epoch int
	rows  map[string]int // floats a sample of each input

	next   atomic.Int64
	free   chan *inputs
	ready  []chan *inputs // of each micro-batch
	eg     *errgroup.Group
	failed context.Context
}

// inputs is the memory of one micro-batch.
type inputs struct {
	data map[string][]float32
}

// startLoader begins to read.
func startLoader(ctx context.Context, cfg Config, job Job, w *work, epoch, micro int) *loader {
	ahead := cfg.Ahead
	if ahead == 0 {
		ahead = 2 * cfg.Workers
	}
	n := cfg.Workers + ahead
	l := &loader{cfg: cfg, job: job, work: w, epoch: epoch, rows: map[string]int{}, free: make(chan *inputs, n), ready: make([]chan *inputs, len(w.batches))}
	for k := range l.ready {
		l.ready[k] = make(chan *inputs, 1)
	}
	for _, in := range job.Program.Inputs {
		l.rows[in.Name] = in.Shape.Len() / micro
	}
	for range n {
		in := &inputs{data: map[string][]float32{}}
		for name, row := range l.rows {
			in.data[name] = make([]float32, row*micro)
		}
		l.free <- in
	}
	l.eg, l.failed = errgroup.WithContext(ctx)
	for range min(cfg.Workers, len(w.batches)) {
		l.eg.Go(func() error { return l.run(l.failed) })
	}
	return l
}

// run fills one micro-batch after the other. Memory is taken first and the number
// after: those in hand are always the next ones needed.
func (l *loader) run(ctx context.Context) error {
	for {
		var in *inputs
		select {
		case in = <-l.free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		k := int(l.next.Add(1)) - 1
		if k >= len(l.work.batches) {
			l.free <- in
			return nil
		}
		if err := l.fill(ctx, in, l.work.batches[k]); err != nil {
			return err
		}
		l.ready[k] <- in
	}
}

// take returns micro-batch k of the work, to be given back.
func (l *loader) take(ctx context.Context, k int) (*inputs, error) {
	select {
	case in := <-l.ready[k]:
		return in, nil
	case <-l.failed.Done():
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, context.Cause(l.failed)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *loader) giveBack(in *inputs) { l.free <- in }

// wait returns when nothing reads any more.
func (l *loader) wait() { _ = l.eg.Wait() } // take has told its error

// fill writes every input of a micro-batch.
func (l *loader) fill(ctx context.Context, in *inputs, b weighted) error {
	copy(in.data[WeightInput], b.weights)
	target := in.data[TargetInput]
	clear(target)
	for r, i := range b.rows {
		row := func(name string) []float32 {
			n := l.rows[name]
			return in.data[name][r*n : (r+1)*n]
		}
		row(TargetInput)[l.job.Samples.Class(i)] = 1
		if err := l.job.Samples.Read(ctx, i, draw(l.cfg.Seed, l.epoch, i, 0), row); err != nil {
			return fmt.Errorf("read sample: %w", err)
		}
		for p, port := range l.job.Program.Inputs {
			if port.Keep > 0 {
				noise(draw(l.cfg.Seed, l.epoch, i, 1+p), port, row(port.Name))
			}
		}
	}
	return nil
}

// noise fills a row with 1/keep with probability keep, else 0.
func noise(rng *rand.Rand, port grad.Port, row []float32) {
	on := 1 / port.Keep
	for k := range row {
		row[k] = 0
		if rng.Float32() < port.Keep {
			row[k] = on
		}
	}
}
