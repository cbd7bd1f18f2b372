package infer

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"bcc/fault"
	"bcc/wsi"
)

// job is one Score in flight.
type job struct {
	out    []float32
	urgent bool
	slots  chan struct{} // whose tokens its patches hold: the batcher's slots or urgent
	held   atomic.Int64  // patches queued or with a runner, and one for the feeding itself
	done   chan struct{} // closed when held reaches 0
	failed chan struct{} // closed when err is set
	once   sync.Once
	err    error
}

func newJob(out []float32, slots chan struct{}, urgent bool) *job {
	j := &job{out: out, slots: slots, urgent: urgent, done: make(chan struct{}), failed: make(chan struct{})}
	j.held.Store(1)
	return j
}

// fail keeps the first error.
func (j *job) fail(err error) {
	j.once.Do(func() {
		j.err = err
		close(j.failed)
	})
}

func (j *job) let() {
	if j.held.Add(-1) == 0 {
		close(j.done)
	}
}

// Score scores the patches and writes the outputs of each to row Patch.Index of
// out (Config.Outputs values a row). It returns nil when patches is closed and
// all are scored; rows that no patch named stay as they were.
//
// When ctx ends, or a batch with one of its patches fails, it drops what still
// waits and returns the reason as soon as nothing of it is with a runner: out and
// the pixels are the caller's again. Every patch received is released exactly
// once, and so are those that lie in the channel at that time; whoever sends
// later must watch ctx.
func (b *Batcher) Score(ctx context.Context, patches <-chan wsi.Patch, out []float32) error {
	return b.score(ctx, newJob(out, b.slots, false), patches)
}

func (b *Batcher) score(ctx context.Context, j *job, patches <-chan wsi.Patch) error {
	b.enter()
	if err := b.feed(ctx, j, patches); err != nil {
		j.fail(err)
	}
	b.leave()
	j.let()

	select {
	case <-j.done:
	case <-j.failed:
	case <-ctx.Done():
		j.fail(context.Cause(ctx))
	}
	select {
	case <-j.failed:
	default:
		return nil
	}
	b.drop(j)
	<-j.done
	discard(patches)
	return j.err
}

// enter and leave count the Scores that may still bring patches.
func (b *Batcher) enter() {
	b.mu.Lock()
	b.open++
	b.mu.Unlock()
}

func (b *Batcher) leave() {
	b.mu.Lock()
	b.open--
	b.rouse() // nobody may be left to fill the last batch
	b.mu.Unlock()
}

// feed queues the patches until there are no more (nil), the job has failed (nil)
// or it cannot go on (why).
func (b *Batcher) feed(ctx context.Context, j *job, patches <-chan wsi.Patch) error {
	for {
		var p wsi.Patch
		var more bool
		select {
		case p, more = <-patches:
			if !more {
				return nil
			}
		case <-j.failed:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := b.check(p, j.out); err != nil {
			release(p)
			return err
		}
		select {
		case j.slots <- struct{}{}:
		case <-j.failed:
			release(p)
			return nil
		case <-ctx.Done():
			release(p)
			return context.Cause(ctx)
		}
		if err := b.add(item{p, j}); err != nil {
			<-j.slots
			release(p)
			return err
		}
	}
}

func (b *Batcher) check(p wsi.Patch, out []float32) error {
	n := b.cfg.Outputs
	if rows := len(out) / n; p.Index < 0 || p.Index >= rows {
		return fault.New(fault.Internal, "score patch %d: there are %d rows", p.Index, rows)
	}
	if want := 3 * b.cfg.PatchPx * b.cfg.PatchPx; len(p.Pix) != want {
		return fault.New(fault.Internal, "score patch %d: %d bytes of pixels, want %d", p.Index, len(p.Pix), want)
	}
	return nil
}

// add queues an item for which a slot is held.
func (b *Batcher) add(it item) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended != nil {
		return b.ended
	}
	it.job.held.Add(1)
	at := len(b.items)
	if it.job.urgent {
		if at = slices.IndexFunc(b.items, func(other item) bool { return !other.job.urgent }); at < 0 {
			at = len(b.items)
		}
	}
	b.items = slices.Insert(b.items, at, it)
	if len(b.items) == 1 {
		b.startDelay()
	}
	b.rouse()
	return nil
}

// drop takes the job's waiting patches out of the queue.
func (b *Batcher) drop(j *job) {
	var mine []item
	b.mu.Lock()
	b.items = slices.DeleteFunc(b.items, func(it item) bool {
		if it.job == j {
			mine = append(mine, it)
		}
		return it.job == j
	})
	b.mu.Unlock()
	b.finish(mine, nil)
}

// discard releases what lies in the channel.
func discard(patches <-chan wsi.Patch) {
	for {
		select {
		case p, more := <-patches:
			if !more {
				return
			}
			release(p)
		default:
			return
		}
	}
}
