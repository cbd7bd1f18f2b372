package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
	"bcc/grad"
)

// team is this rank's steppers and the memory in which their gradients meet.
type team struct {
	world    Collective
	program  *grad.Program
	machine  Machine
	steppers []Stepper

	// gradient holds the sums, stage after stage: each stage's gradients are one
	// run of memory, a bucket, which is all-reduced while the next stages compute.
	gradient []float64
	buckets  []bucket
	spans    []span // every parameter, in the order of gradient
}

// bucket is what one stage gives: spans[lo:hi], and their run in gradient.
type bucket struct {
	lo, hi int
	sum    []float64
}

// newTeam opens the program and one stepper a worker.
func newTeam(cfg Config, p *grad.Program, e Engine, world Collective) (*team, error) {
	machine, err := e.Open(p)
	if err != nil {
		return nil, err
	}
	t := &team{world: world, program: p, machine: machine, gradient: make([]float64, size(p.Params))}
	at := 0
	for _, s := range p.Stages {
		b := bucket{lo: len(t.spans)}
		begin := at
		for _, i := range s.Gradients {
			n := p.Params[i].Shape.Len()
			t.spans = append(t.spans, span{p.Params[i].Offset, at, n})
			at += n
		}
		b.hi, b.sum = len(t.spans), t.gradient[begin:at]
		t.buckets = append(t.buckets, b)
	}
	for range machine.Workers(cfg.Workers) {
		s, err := machine.Stepper()
		if err != nil {
			return nil, errors.Join(err, t.close())
		}
		t.steppers = append(t.steppers, s)
	}
	return t, nil
}

func (t *team) close() error {
	var errs []error
	for _, s := range t.steppers {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, t.machine.Close())...)
}

// round is one step's work.
type round struct {
	lo, hi  int // micro-batches of the step on all ranks
	samples int // in them
	mine    int // number of this rank's first
	jobs    []weighted
	loader  *loader
	from    int // number of jobs[0] for the loader
}

// reduced is what all ranks together computed in a step. The gradient stands in
// the team's buckets.
type reduced struct {
	loss       float64
	losses     []float64 // of each micro-batch, as it entered the sum
	statistics []float64 // mean of the micro-batches', by their samples
	norm       float64

	reduce, exposed time.Duration
}

// errLost marks a step that failed because the ranks could not meet.
var errLost = errors.New("all-reduce")

// step computes this rank's micro-batches, and sums them and those of the other ranks.
func (t *team) step(ctx context.Context, r round) (reduced, error) {
	// What is too small to be worth a message of its own goes last, in one: the loss
	// of each micro-batch in a place of its own, and the sums of statistics.
	tail := make([]float64, r.hi-r.lo+size(t.program.State))
	clear(t.gradient)
	sums := make([]*sum, len(t.buckets)+1)
	for i, b := range t.buckets {
		sums[i] = newSum(b.sum, len(r.jobs))
	}
	sums[len(t.buckets)] = newSum(tail, len(r.jobs))

	eg, egCtx := errgroup.WithContext(ctx)
	var next, computed atomic.Int64
	computed.Store(time.Now().UnixNano())
	for _, s := range t.steppers {
		eg.Go(func() error {
			for {
				k := int(next.Add(1)) - 1
				if k >= len(r.jobs) {
					computed.Store(time.Now().UnixNano())
					return nil
				}
				if err := t.run(egCtx, s, r, k, sums); err != nil {
					return err
				}
			}
		})
	}
	var out reduced
	eg.Go(func() error {
		for _, s := range sums {
			if err := s.wait(egCtx); err != nil {
				return err
			}
			began := time.Now()
			if err := t.world.AllReduce(egCtx, s.data); err != nil {
				return fmt.Errorf("%w: %w", errLost, err)
			}
			out.reduce += time.Since(began)
		}
		return nil
	})
	if err := eg.Wait(); err != nil {
		return out, err
	}
	out.exposed = max(0, time.Since(time.Unix(0, computed.Load())))
	out.losses, out.statistics = tail[:r.hi-r.lo], tail[r.hi-r.lo:]
	for _, l := range out.losses {
		out.loss += l
	}
	out.norm = norm(t.gradient, len(t.steppers))
	return out, nil
}

// run computes micro-batch k of the round and hands over what it gives.
func (t *team) run(ctx context.Context, s Stepper, r round, k int, sums []*sum) error {
	in, err := r.loader.take(ctx, r.from+k)
	if err != nil {
		return err
	}
	for name, data := range in.data {
		copy(s.Input(name), data)
	}
	r.loader.giveBack(in)
	err = s.Run(ctx, func(stage int) {
		sums[stage].add(func(sum []float64) { t.addGradients(sum, stage, s) })
	})
	if err != nil {
		return fmt.Errorf("compute micro-batch %d: %w", r.mine+k-r.lo+1, err)
	}
	share := float32(float64(r.jobs[k].count) / float64(r.samples))
	statistics := s.Statistics()
	for i, v := range statistics {
		statistics[i] = share * v
	}
	sums[len(t.buckets)].add(func(tail []float64) {
		tail[r.mine-r.lo+k] = float64(s.Output(grad.LossName)[0])
		addExact(tail[r.hi-r.lo:], statistics)
	})
	return nil
}

// addGradients adds a stage's gradients to the sum of its bucket.
func (t *team) addGradients(sum []float64, stage int, s Stepper) {
	g, at := s.Gradient(), 0
	for _, sp := range t.spans[t.buckets[stage].lo:t.buckets[stage].hi] {
		addExact(sum[at:at+sp.len], g[sp.at:sp.at+sp.len])
		at += sp.len
	}
}

// finite refuses a step whose loss or gradient is not a number, before it touches
// the weights, and names the samples.
func (t *trainer) finite(p plan, lo, hi int, r reduced) error {
	where := fmt.Sprintf("epoch %d, step %d", t.state.Epoch+1, t.state.Step+1)
	hint := "the weights are those before this step; if the samples look right, a lower learning rate may help"
	for k, l := range r.losses {
		if math.IsNaN(l) || math.IsInf(l, 0) {
			err := fault.New(fault.Invalid, "%s: the loss is %v in the micro-batch of %s", where, l, t.names(p, lo+k, lo+k+1))
			return fault.Hint(err, "%s", hint)
		}
	}
	if math.IsNaN(r.norm) || math.IsInf(r.norm, 0) {
		err := fault.New(fault.Invalid, "%s: the gradient is not finite in the batch of %s", where, t.names(p, lo, hi))
		return fault.Hint(err, "%s", hint)
	}
	return nil
}

// names lists the samples of micro-batches, shortened where they are many.
func (t *trainer) names(p plan, from, to int) string {
	const most = 16
	text, n := "", 0
	for j := from; j < to; j++ {
		b := p.batch(j)
		for _, i := range b.rows[:b.count] {
			switch n++; {
			case n == 1:
				text = t.job.Samples.Name(i)
			case n <= most:
				text += ", " + t.job.Samples.Name(i)
			}
		}
	}
	if n > most {
		text += fmt.Sprintf(" and %d more", n-most)
	}
	return text
}
