package infer

import (
	"slices"
	"time"
)

// take appends the worker's next batch to dst. When none is ready it appends
// nothing and puts the worker on the idle list.
func (b *Batcher) take(w *worker, dst []item) []item {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.through(w)
	if !b.ready(w) {
		b.idle = append(b.idle, w)
		b.rouse() // where few may work at once, another one may now
		return dst
	}
	w.running = true
	b.running++
	n := min(b.size(w), len(b.items))
	dst = append(dst, b.items[:n]...)
	left := copy(b.items, b.items[n:])
	clear(b.items[left:])
	b.items = b.items[:left]
	b.due = false
	if left > 0 {
		b.startDelay()
	}
	b.rouse()
	return dst
}

// ready reports whether a batch may go to the worker: it is full, or it has waited
// long enough, or nobody is left who could fill it. The caller holds mu.
func (b *Batcher) ready(w *worker) bool {
	if b.pressed.runners > 0 && b.running >= b.pressed.runners {
		return false
	}
	return len(b.items) >= b.size(w) || len(b.items) > 0 && (b.open == 0 || b.due)
}

// rouse wakes the idle worker with the largest batch that is ready, if there is
// one; it looks for the next when it has taken its own. Of equals it wakes the one that
// worked last, whose memory the caches may still hold. The caller holds mu.
func (b *Batcher) rouse() {
	best := -1
	for i, w := range b.idle {
		if b.ready(w) && (best < 0 || w.batch >= b.idle[best].batch) {
			best = i
		}
	}
	if best < 0 {
		return
	}
	w := b.idle[best]
	b.idle = slices.Delete(b.idle, best, best+1)
	w.wake <- struct{}{} // never blocks: off the list means no token
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
		b.rouse()
	}
}
