package infer

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
	"bcc/wsi"
)

// Batcher scores patches for many callers at once. All methods are safe for
// concurrent use; it never closes its runners.
type Batcher struct {
	cfg     Config
	log     *slog.Logger
	met     *metrics
	workers []*worker

	slots  chan struct{} // one for each patch held; a full channel makes Scores wait
	urgent chan struct{} // those of urgent patches, which must not wait for the others'
	busy   atomic.Int64  // nanoseconds that runners worked

	mu      sync.Mutex
	items   []item    // waiting: urgent ones first, then the oldest
	idle    []*worker // waiting for a batch of their size
	open    int       // Scores that may still bring patches
	due     bool      // the oldest have waited for MaxDelay: a short batch may go
	since   time.Time
	timer   *time.Timer // sets due, MaxDelay after since
	running int         // workers with a batch
	pressed press       // what memory leaves room for

	alive int   // runners not lost
	lost  int   // runners lost
	spare int   // runners that Spare opened
	asked bool  // Spare was asked
	ran   bool  // Run was called
	ended error // why nothing is scored any more; nil until Run returns
}

// item is one patch waiting for a runner or with one.
type item struct {
	patch wsi.Patch
	job   *job
}

// worker is one runner and its goroutine.
type worker struct {
	index  int
	runner Runner
	device string        // for metrics; empty: the runner does not say
	batch  int           // patches it takes at once
	least  int           // fewer take no less memory
	wake   chan struct{} // a token for each time it is taken off the idle list; cap 1

	running bool // it has a batch; the batcher's mu guards it
}

// New returns a batcher over the runners, of which there must be at least one.
// Nothing is scored until Run is called.
func New(cfg Config, runners []Runner) (*Batcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "batcher: %w", err)
	}
	if len(runners) == 0 {
		return nil, fault.New(fault.Invalid, "batcher: no runner")
	}
	met, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	b := &Batcher{cfg: cfg, alive: len(runners), log: cfg.Logger, met: met}
	largest, sum := 0, 0
	for i, r := range runners {
		w := newWorker(i, r, cfg.Batch)
		b.workers = append(b.workers, w)
		met.opened(w)
		largest, sum = max(largest, w.batch), sum+w.batch
	}
	if cfg.Queue == 0 {
		cfg.Queue = 2 * sum
	}
	held := max(cfg.Queue, largest) // below a batch, none would ever fill
	b.slots, b.urgent = make(chan struct{}, held), make(chan struct{}, held)
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	return b, nil
}

// newWorker returns what runs the runner, in batches of its own size where it has one.
func newWorker(index int, r Runner, batch int) *worker {
	if s, ok := r.(Sized); ok {
		batch = min(max(s.Batch(), 1), maxHeld)
	}
	w := &worker{index: index, runner: r, batch: batch, wake: make(chan struct{}, 1)}
	if d, ok := r.(Divisible); ok {
		w.least = d.Least()
	}
	if p, ok := r.(Placed); ok {
		w.device = p.Device()
	}
	return w
}

// Run scores what the Scores bring, one goroutine a runner, until ctx ends (then
// it returns nil) or the last runner is lost, those of Config.Spare too (then it
// returns why). It may be called once; afterwards every Score fails.
func (b *Batcher) Run(ctx context.Context) error {
	b.mu.Lock()
	again := b.ran
	b.ran = true
	b.mu.Unlock()
	if again {
		return fault.New(fault.Internal, "batcher: run twice")
	}

	eg, egCtx := errgroup.WithContext(ctx)
	b.launch(egCtx, eg, b.workers)
	err := eg.Wait()

	b.mu.Lock()
	b.ended = err
	if err == nil {
		b.ended = stopped(ctx)
	}
	if b.timer != nil {
		b.timer.Stop()
	}
	left := b.items
	b.items = nil
	b.mu.Unlock()
	b.finish(left, b.ended)
	return err
}

func stopped(ctx context.Context) error {
	return fault.New(fault.Unavailable, "batcher has stopped: %w", context.Cause(ctx))
}

// launch starts the workers' goroutines, and those of the spares that follow them.
func (b *Batcher) launch(ctx context.Context, eg *errgroup.Group, workers []*worker) {
	for _, w := range workers {
		eg.Go(func() error {
			spares, err := b.work(ctx, w)
			b.launch(ctx, eg, spares)
			return err
		})
	}
}

// work is the life of one runner's goroutine. Where it loses the last runner it
// returns the spares to go on with, or an error, which ends the others' ctx too.
func (b *Batcher) work(ctx context.Context, w *worker) ([]*worker, error) {
	var (
		n     = b.cfg.Outputs
		batch = make([]item, 0, w.batch)
		pix   = make([][]byte, 0, w.batch)
		rows  = make([]float32, w.batch*n)
	)
	for ctx.Err() == nil {
		batch = b.take(w, batch[:0])
		if len(batch) == 0 {
			select {
			case <-w.wake:
			case <-ctx.Done():
			}
			continue
		}
		pix = pix[:0]
		for _, it := range batch {
			pix = append(pix, it.patch.Pix)
		}
		begun := time.Now()
		err := w.runner.Run(ctx, pix, rows[:len(batch)*n])
		b.busy.Add(int64(time.Since(begun)))
		switch {
		case err == nil:
			b.met.ran(w, len(batch), time.Since(begun))
			for i, it := range batch {
				copy(it.job.out[it.patch.Index*n:(it.patch.Index+1)*n], rows[i*n:])
			}
			b.finish(batch, nil)
		case ctx.Err() != nil:
			b.finish(batch, stopped(ctx))
		case fault.Of(err) == fault.Unavailable:
			return b.retire(w, batch, err)
		default:
			b.finish(batch, fault.New(fault.Of(err), "run a batch of %d patches: %w", len(batch), err))
		}
		clear(pix) // so that an idle runner keeps no pixels alive
		clear(batch)
	}
	return nil, nil
}

// finish ends each item: err, when there is one, fails its job, and its pixels
// and its slot are given back.
func (b *Batcher) finish(items []item, err error) {
	for _, it := range items {
		if err != nil {
			it.job.fail(err)
		}
		release(it.patch)
		<-it.job.slots
		it.job.let()
	}
}

func release(p wsi.Patch) {
	if p.Release != nil {
		p.Release()
	}
}
