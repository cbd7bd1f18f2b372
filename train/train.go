// Package train fits a network to labelled samples, on one rank or on many that
// each compute a share of every step.
//
// In: a training program of package grad, an engine that runs it, samples, and a
// collective that joins the ranks. Out: the best weights, a history, and a
// checkpoint from which the same run goes on. It knows no slide, no file of
// pictures and no model file: the caller's Samples, Validate and Keep do.
//
//	epoch: shuffled ─► plan ─► steps of micro-batches ─┐ my share
//	                                                   ▼
//	Samples ─► loader ─► stepper (a core) ─► exact sums ─► all-reduce ─┐
//	                                                                   ▼
//	checkpoint ◄─ early stopping ◄─ validation ◄─ weights ◄───────── AdamW
//
// The unit of computation is the micro-batch, of the size that the program was
// built for: batch norms see one, and nothing else of a result depends on how
// micro-batches are dealt out. Sums are exact, and so the same in any order
// (exact.go), and every draw comes from (seed, epoch, sample): any number of
// threads and of ranks gives the same bits, on machines of one kind.
package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"bcc/fault"
	"bcc/grad"
)

// Job is what is trained, on what, and with what.
type Job struct {
	Program *grad.Program
	Weights grad.Weights // first weights, the same on every rank
	Engine  Engine
	World   Collective
	Samples Samples
	// Facts name what a checkpoint must agree with beyond this package's own
	// settings before training goes on from it: architecture, digest of the data,
	// augmentation.
	Facts []Fact

	// Validate measures weights on the validation split. It is called on every rank
	// at once and may use World; nil: every epoch is the best so far.
	Validate func(ctx context.Context, w grad.Weights) (Metrics, error)
	// Begin is called on rank 0 only, before the first step: when no other run writes
	// the checkpoint, and what it goes on from has been accepted. Nil: nothing.
	Begin func() error
	// Keep is given the best weights so far, on rank 0 only. Nil: they are returned
	// at the end.
	Keep func(w grad.Weights, e Epoch) error
	// Watch hears how it goes. Nil: nobody does.
	Watch Watcher
}

// Metrics is what validation measured.
type Metrics struct {
	Loss  float64 // mean cross-entropy
	AUROC float64 // NaN where it cannot be had
}

// Watcher hears how training goes, from one goroutine.
type Watcher interface {
	Begun(Begun)
	Stepped(Step)
	Ended(Epoch)
}

// Begun says how much there is to do.
type Begun struct {
	Epochs, Steps int // steps an epoch
	Samples       int
	Ranks         int
	Epoch, Step   int // where it begins: above 0 after a resume
	Resumed       bool
	Idle          int // ranks for which no step has a micro-batch
}

// Step is one step that was taken.
type Step struct {
	Epoch, Step int // from 0
	Loss        float64
	Rate        float64
	Norm        float64 // of the gradient before clipping
	Samples     int
	Took        time.Duration
	Reduce      time.Duration // in all-reduces, most of it while gradients were still computed
	Exposed     time.Duration // of it, after this rank's last gradient was there
}

// Outcome is what training gave.
type Outcome struct {
	Best    Epoch
	Weights grad.Weights // of the best epoch
	History []Epoch
	Stopped bool // early, by patience
}

// trainer is a run in progress. What a checkpoint holds is in state.
type trainer struct {
	cfg     Config
	job     Job
	facts   []Fact
	micro   int
	weigher weigher
	team    *team
	opt     *adamW
	state   state
	saved   time.Time
	unlock  func() // lets go of the checkpoint's folder
}

// Run trains and returns the best weights, on every rank. When ctx ends, or the
// other ranks are lost, rank 0 writes a checkpoint of the last step that was
// taken before Run returns.
func Run(ctx context.Context, cfg Config, job Job) (Outcome, error) {
	t, err := begin(ctx, cfg, job)
	if err != nil {
		return Outcome{}, fmt.Errorf("train: %w", err)
	}
	defer t.close()
	if err := t.run(ctx); err != nil {
		return Outcome{}, fmt.Errorf("train: %w", t.leave(ctx, err))
	}
	best := t.state.bestWeights()
	out := Outcome{Weights: best, History: t.state.History, Stopped: t.state.stopped(cfg)}
	if b := t.state.Best; b >= 0 {
		out.Best = t.state.History[b]
	}
	return out, nil
}

// begin opens the engine, goes on from a checkpoint where there is one, and
// proves that all ranks are about to do the same.
func begin(ctx context.Context, cfg Config, job Job) (*trainer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "configuration: %w", err)
	}
	m, classes, err := micro(job.Program)
	if err != nil {
		return nil, err
	}
	if cfg.Batch%m != 0 {
		return nil, fault.Hint(fault.New(fault.Invalid, "batch of %d: not a whole number of micro-batches of %d", cfg.Batch, m),
			"take a batch of %d", (cfg.Batch/m+1)*m)
	}
	if err := checkSamples(job.Samples, classes); err != nil {
		return nil, err
	}
	t := &trainer{cfg: cfg, job: job, micro: m, saved: time.Now(), unlock: func() {}}
	t.facts = t.allFacts()
	t.weigher = newWeigher(cfg, job.Samples, classes)
	if t.team, err = newTeam(cfg, job.Program, job.Engine, job.World); err != nil {
		return nil, err
	}
	t.opt = newAdamW(job.Program.Params, t.team.spans, cfg.Decay)
	t.state = firstState(job.Weights, t.team.machine.Params(), t.opt)
	if err := t.join(ctx); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *trainer) close() {
	_ = t.team.close() // what could fail is freed anyway
	t.unlock()
}

// checkSamples refuses data that cannot teach.
func checkSamples(s Samples, classes int) error {
	count := make([]int, classes)
	for i := range s.Len() {
		c := s.Class(i)
		if c < 0 || c >= classes {
			return fault.New(fault.Invalid, "sample %s: class %d of %d", s.Name(i), c, classes)
		}
		count[c]++
	}
	seen := slices.DeleteFunc(slices.Clone(count), func(n int) bool { return n == 0 })
	if len(seen) < 2 {
		return fault.Hint(fault.New(fault.Invalid, "training split: %d samples of one class only", s.Len()),
			"a network learns nothing from one class; look at the labels of the training split")
	}
	return nil
}

// allFacts returns what must be the same to go on from a checkpoint.
func (t *trainer) allFacts() []Fact {
	float := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	c := t.cfg
	return append(slices.Clone(t.job.Facts),
		parametersFact(t.job.Program),
		Fact{"samples", strconv.Itoa(t.job.Samples.Len())},
		Fact{"seed", strconv.FormatUint(c.Seed, 10)},
		Fact{"epochs", strconv.Itoa(c.Epochs)},
		Fact{"batch", strconv.Itoa(c.Batch)},
		Fact{"micro-batch", strconv.Itoa(t.micro)},
		Fact{"learning rate", float(c.Rate)},
		Fact{"warm-up", float(c.Warmup)},
		Fact{"weight decay", float(c.Decay)},
		Fact{"gradient clip", float(c.Clip)},
		Fact{"class balance", strconv.FormatBool(c.Balance)},
		Fact{"group weights", fmt.Sprint(c.GroupWeights)}, // fmt sorts the keys
		Fact{"best by", string(c.BestBy)},
	)
}

// parametersFact names a network by its parameters: their names, shapes and order.
func parametersFact(p *grad.Program) Fact {
	sum := sha256.Sum256([]byte(describe(p)))
	return Fact{"parameters", hex.EncodeToString(sum[:8])}
}

// run trains from where the state is to the end.
func (t *trainer) run(ctx context.Context) error {
	if t.rank0() && t.job.Begin != nil {
		if err := t.job.Begin(); err != nil {
			return err
		}
	}
	t.begun()
	for t.state.Epoch < t.cfg.Epochs && !t.state.stopped(t.cfg) {
		if err := t.epoch(ctx); err != nil {
			return err
		}
		if err := t.endEpoch(ctx); err != nil {
			return err
		}
	}
	return t.job.World.Barrier(ctx)
}

// epoch takes the steps of the present epoch that are still to be taken.
func (t *trainer) epoch(ctx context.Context) error {
	p := t.plan(t.state.Epoch)
	if t.state.Step >= p.steps {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := t.work(p)
	l := startLoader(ctx, t.cfg, t.job, w, t.state.Epoch, t.micro)
	defer func() { cancel(); l.wait() }()

	for t.state.Step < p.steps {
		if err := t.step(ctx, p, w, l); err != nil {
			return err
		}
		if err := t.checkpointIfDue(); err != nil {
			return err
		}
	}
	return nil
}

// plan returns the plan of an epoch.
func (t *trainer) plan(epoch int) plan {
	return newPlan(shuffled(t.job.Samples, t.cfg.Seed, epoch), t.micro, t.cfg.Batch/t.micro)
}

// work returns this rank's micro-batches of the steps to come, in order.
func (t *trainer) work(p plan) *work {
	w := &work{first: t.state.Step}
	for s := t.state.Step; s < p.steps; s++ {
		lo, hi := p.step(s)
		total := 0.0
		for j := lo; j < hi; j++ {
			b := p.batch(j)
			for _, i := range b.rows[:b.count] {
				total += float64(t.weigher.of(i))
			}
		}
		mine, end := part(lo, hi, t.job.World.Rank(), t.job.World.Size())
		w.starts = append(w.starts, len(w.batches))
		for j := mine; j < end; j++ {
			w.batches = append(w.batches, t.weigher.weigh(p.batch(j), total))
		}
	}
	w.starts = append(w.starts, len(w.batches))
	return w
}

// step takes one step.
func (t *trainer) step(ctx context.Context, p plan, w *work, l *loader) error {
	began := time.Now()
	s := &t.state
	lo, hi := p.step(s.Step)
	samples := min(hi*p.micro, len(p.order)) - lo*p.micro
	mine, _ := part(lo, hi, t.job.World.Rank(), t.job.World.Size())
	r, err := t.team.step(ctx, round{
		lo: lo, hi: hi, samples: samples,
		mine: mine, jobs: w.of(s.Step), loader: l, from: w.starts[s.Step-w.first],
	})
	if err != nil {
		return fmt.Errorf("epoch %d, step %d: %w", s.Epoch+1, s.Step+1, err)
	}
	if err := t.finite(p, lo, hi, r); err != nil {
		return err
	}
	scale := 1.0
	if t.cfg.Clip > 0 && r.norm > t.cfg.Clip {
		scale = t.cfg.Clip / r.norm
	}
	rate := t.cfg.rate(s.Steps, t.cfg.Epochs*p.steps)
	t.opt.step(s.weights.Params, t.team.gradient, rate, float32(scale), t.cfg.Workers)
	s.Steps++
	track(s.weights.State, r.statistics, s.Steps)
	s.Step++
	s.Partial.add(r.loss, samples, time.Since(began))
	if s.Steps%checkSteps == 0 {
		if err := agree(ctx, t.job.World, []Fact{{"weights", s.digest()}}); err != nil {
			return fmt.Errorf("epoch %d, after step %d: %w", s.Epoch+1, s.Step, err)
		}
	}
	if t.job.Watch != nil {
		t.job.Watch.Stepped(Step{
			Epoch: s.Epoch, Step: s.Step - 1, Loss: r.loss, Rate: float64(rate), Norm: r.norm, Samples: samples,
			Took: time.Since(began), Reduce: r.reduce, Exposed: r.exposed,
		})
	}
	return nil
}

// checkSteps is after how many steps the ranks compare their weights: a rank with
// a bad memory must not spoil hours of the others.
const checkSteps = 64

// endEpoch measures the weights, keeps them where they are the best so far, and
// writes the checkpoint of the epoch's end.
func (t *trainer) endEpoch(ctx context.Context) error {
	s := &t.state
	e := s.Partial.epoch(s.Epoch, s.Steps)
	e.Rate = float64(t.cfg.rate(s.Steps-1, t.cfg.Epochs*t.plan(s.Epoch).steps))
	if err := agree(ctx, t.job.World, []Fact{{"weights", s.digest()}}); err != nil {
		return fmt.Errorf("end of epoch %d: %w", s.Epoch+1, err)
	}
	m, err := t.validate(ctx)
	if err != nil {
		return fmt.Errorf("validate after epoch %d: %w", s.Epoch+1, err)
	}
	e.Validation = m
	better := t.job.Validate == nil || s.better(t.cfg.BestBy, m)
	s.end(e, better)
	if better && t.rank0() && t.job.Keep != nil {
		if err := t.job.Keep(s.best, s.History[s.Best]); err != nil {
			return fmt.Errorf("keep the weights of epoch %d: %w", e.Epoch+1, err)
		}
	}
	if err := t.checkpoint(); err != nil {
		return err
	}
	if path := t.cfg.History; path != "" && t.rank0() {
		if err := WriteHistory(path, s.History); err != nil {
			return fault.New(fault.Unavailable, "write the history: %w", err)
		}
	}
	if t.job.Watch != nil {
		t.job.Watch.Ended(s.History[len(s.History)-1])
	}
	return nil
}

func (t *trainer) rank0() bool { return t.job.World.Rank() == 0 }

func (t *trainer) begun() {
	if t.job.Watch == nil {
		return
	}
	p := t.plan(0)
	idle := max(t.job.World.Size()-t.cfg.Batch/t.micro, 0)
	t.job.Watch.Begun(Begun{
		Epochs: t.cfg.Epochs, Steps: p.steps, Samples: t.job.Samples.Len(), Ranks: t.job.World.Size(),
		Epoch: t.state.Epoch, Step: t.state.Step, Resumed: t.state.Steps > 0, Idle: idle,
	})
}

// leave writes a last checkpoint where the run was stopped from outside; what
// stands in memory is the state after the last whole step. An error of the
// training itself leaves the disk alone: its cause may be in these weights. A
// checkpoint that cannot be written is the error then, and no mere stop.
func (t *trainer) leave(ctx context.Context, err error) error {
	if ctx.Err() == nil && !errors.Is(err, errLost) || t.state.Steps == 0 {
		return err
	}
	if failed := t.checkpoint(); failed != nil {
		return fmt.Errorf("%v: %w", err, failed) // %v: err may be of the kind that says "stopped"
	}
	return err
}
