package queuetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"bcc/fault"
	"bcc/queue"
)

// held is a lease of a Memory. As with the real queue its holder knows by the time
// when it is over, and the server does not look who says a word: a stale one meets
// whoever has the job now, and after Lose even another job of the same number.
type held struct {
	m       *Memory
	job     queue.Job
	number  int
	attempt int

	mu    sync.Mutex
	until time.Time
}

var _ queue.Holder = (*held)(nil)

func (h *held) Beat(ctx context.Context) error {
	if h.ended() {
		return h.lost()
	}
	sent := time.Now()
	err := h.say(ctx, "beat", func(_ *lane, w *waiter) {
		if w.leased {
			w.until = time.Now().Add(h.m.lease)
		}
	})
	if err != nil {
		return err
	}
	if h.ended() {
		return h.lost()
	}
	h.mu.Lock()
	h.until = sent.Add(h.m.lease)
	h.mu.Unlock()
	return nil
}

func (h *held) Done(ctx context.Context) error {
	err := h.say(ctx, "done", func(l *lane, w *waiter) {
		r := &l.rows[w.job.Row]
		delete(l.jobs, w.number)
		r.taken = slices.DeleteFunc(r.taken, func(o *waiter) bool { return o == w })
	})
	if err == nil && h.ended() {
		err = h.lost()
	}
	return err
}

func (h *held) Again(ctx context.Context, after time.Duration) error {
	return h.free(ctx, "again", func(w *waiter) { w.until = time.Now().Add(after) })
}

func (h *held) Return(ctx context.Context, after time.Duration) error {
	return h.free(ctx, "return", func(w *waiter) {
		w.returned, w.until = w.returned+1, time.Time{}
		if after > 0 {
			w.until = time.Now().Add(after)
		}
	})
}

func (h *held) free(ctx context.Context, what string, how func(*waiter)) error {
	if h.ended() {
		return h.lost()
	}
	return h.say(ctx, what, func(_ *lane, w *waiter) {
		if w.leased {
			w.leased = false
			how(w)
			h.m.wake()
		}
	})
}

// say does to the job what a word about it asks for. One that nobody ever took is
// left alone.
func (h *held) say(ctx context.Context, what string, do func(*lane, *waiter)) error {
	return h.m.call(ctx, "job "+h.job.ID+": tell the queue "+what, func() error {
		l := h.m.lanes[h.job.Lane]
		if w := l.jobs[h.number]; w != nil && w.given > 0 {
			do(l, w)
		}
		return nil
	})
}

func (h *held) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().After(h.until)
}

func (h *held) lost() error {
	return fault.New(fault.NotFound, "job %s: the lease ended, another may have it", h.job.ID)
}
