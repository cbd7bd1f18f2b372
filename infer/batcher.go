package infer

import (
	"context"
	"log/slog"
	"sync"
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
	runners []Runner

	slots chan struct{} // one for each patch held; a full channel makes Scores wait
	wake  chan struct{} // holds a token when a batch is ready; cap 1

	mu    sync.Mutex
	items []item // waiting, oldest first
	open  int    // Scores that may still bring patches
	due   bool   // the oldest have waited for MaxDelay: a short batch may go
	since time.Time
	timer *time.Timer // sets due, MaxDelay after since
	alive int         // runners not lost
	ran   bool        // Run was called
	ended error       // why nothing is scored any more; nil until Run returns
}

// item is one patch waiting for a runner or with one.
type item struct {
	patch wsi.Patch
	job   *job
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
	if cfg.Queue == 0 {
		cfg.Queue = 2 * cfg.Batch * len(runners)
	}
	b := &Batcher{
		cfg: cfg, runners: runners, alive: len(runners), log: cfg.Logger,
		slots: make(chan struct{}, max(cfg.Queue, cfg.Batch)), // below a batch, none would ever fill
		wake:  make(chan struct{}, 1),
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	return b, nil
}

// Run scores what the Scores bring, one goroutine a runner, until ctx ends (then
// it returns nil) or the last runner is lost (then it returns why). It may be
// called once; afterwards every Score fails.
func (b *Batcher) Run(ctx context.Context) error {
	b.mu.Lock()
	again := b.ran
	b.ran = true
	b.mu.Unlock()
	if again {
		return fault.New(fault.Internal, "batcher: run twice")
	}

	eg, egCtx := errgroup.WithContext(ctx)
	for i, r := range b.runners {
		eg.Go(func() error { return b.work(egCtx, i, r) })
	}
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

// work is the life of one runner's goroutine. It returns an error only when the
// last runner is lost, which ends the others' ctx too.
func (b *Batcher) work(ctx context.Context, index int, r Runner) error {
	var (
		n     = b.cfg.Outputs
		batch = make([]item, 0, b.cfg.Batch)
		pix   = make([][]byte, 0, b.cfg.Batch)
		rows  = make([]float32, b.cfg.Batch*n)
	)
	for ctx.Err() == nil {
		batch = b.take(batch[:0])
		if len(batch) == 0 {
			select {
			case <-b.wake:
			case <-ctx.Done():
			}
			continue
		}
		pix = pix[:0]
		for _, it := range batch {
			pix = append(pix, it.patch.Pix)
		}
		err := r.Run(ctx, pix, rows[:len(batch)*n])
		switch {
		case err == nil:
			for i, it := range batch {
				copy(it.job.out[it.patch.Index*n:(it.patch.Index+1)*n], rows[i*n:])
			}
			b.finish(batch, nil)
		case ctx.Err() != nil:
			b.finish(batch, stopped(ctx))
		case fault.Of(err) == fault.Unavailable:
			return b.retire(index, batch, err)
		default:
			b.finish(batch, fault.New(fault.Of(err), "run a batch of %d patches: %w", len(batch), err))
		}
		clear(pix) // so that an idle runner keeps no pixels alive
		clear(batch)
	}
	return nil
}

// retire takes a runner that lost its device out of service. Its patches go back
// to the head of the queue for the others; without others they fail, and so does Run.
func (b *Batcher) retire(index int, batch []item, err error) error {
	b.mu.Lock()
	b.alive--
	left := b.alive
	if left > 0 {
		b.items = append(append(make([]item, 0, len(batch)+len(b.items)), batch...), b.items...)
		b.due = true
	}
	b.mu.Unlock()
	b.log.Warn("runner lost", "runner", index, "runners_left", left, "error", err)
	if left > 0 {
		b.signal()
		return nil
	}
	err = fault.New(fault.Unavailable, "the last runner is lost: %w", err)
	b.finish(batch, err)
	return err
}

// take appends the next batch to dst, nothing when none is ready, and passes the
// word on when one more is ready behind it.
func (b *Batcher) take(dst []item) []item {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ready() {
		return dst
	}
	n := min(b.cfg.Batch, len(b.items))
	dst = append(dst, b.items[:n]...)
	left := copy(b.items, b.items[n:])
	clear(b.items[left:])
	b.items = b.items[:left]
	b.due = false
	if left > 0 {
		b.startDelay()
	}
	if b.ready() {
		b.signal() // two batches may have shared a token, had nobody been waiting yet
	}
	return dst
}

// ready reports whether a batch may go: it is full, or it has waited long enough,
// or nobody is left who could fill it. The caller holds mu.
func (b *Batcher) ready() bool {
	return len(b.items) >= b.cfg.Batch || len(b.items) > 0 && (b.open == 0 || b.due)
}

func (b *Batcher) signal() {
	select {
	case b.wake <- struct{}{}:
	default: // a token is already there; whoever takes it sees this too
	}
}

// startDelay gives the patches now waiting MaxDelay to be joined by more. The
// caller holds mu.
func (b *Batcher) startDelay() {
	b.since = time.Now()
	if b.timer == nil {
		b.timer = time.AfterFunc(b.cfg.MaxDelay, b.delayOver)
		return
	}
	b.timer.Reset(b.cfg.MaxDelay)
}

func (b *Batcher) delayOver() {
	b.mu.Lock()
	defer b.mu.Unlock()
	// A late timer may belong to patches that have gone: the ones now here have
	// their own, still running.
	if len(b.items) > 0 && time.Since(b.since) >= b.cfg.MaxDelay {
		b.due = true
		b.signal()
	}
}

// finish ends each item: err, when there is one, fails its job, and its pixels
// and its slot are given back.
func (b *Batcher) finish(items []item, err error) {
	for _, it := range items {
		if err != nil {
			it.job.fail(err)
		}
		release(it.patch)
		<-b.slots
		it.job.let()
	}
}

func release(p wsi.Patch) {
	if p.Release != nil {
		p.Release()
	}
}
