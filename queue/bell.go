package queue

import (
	"context"
	"sync"
	"time"
)

// bell wakes takers. One of them at a time asks the server; a row that had nothing for
// one has nothing for all, until the bell rings for it or a rest is over.
type bell struct {
	turn chan struct{} // holds one token: the right to ask

	mu   sync.Mutex    // guards the heard of all rows too
	rung chan struct{} // closed by ring
}

// heard is what this process knows of a row.
type heard struct {
	rings  uint64
	rungAt time.Time
	next   time.Time // nobody needs to ask before
	put    uint64    // the number that the stream gave to the last job put; 0: not known
	given  uint64    // up to which number the server has given out jobs
}

// How long takers rest after a row had nothing: short at first after a ring, each rest
// about four times the last. A word that is lost, or a job that becomes due by itself
// (Again, a lease that ended), is found after the longest.
const (
	shortestRest = 2 * time.Millisecond
	longestRest  = time.Second
)

// owedFor is how long a job that was put must be seen before anything of a later lane
// is taken. The server gives a job a moment after it has acknowledged it: far less than
// a millisecond here, on a busy machine or a cluster some more.
const owedFor = 2 * time.Second

func newBell() *bell {
	b := &bell{turn: make(chan struct{}, 1), rung: make(chan struct{})}
	b.turn <- struct{}{}
	return b
}

// ring says that there may be something in the row: the job of the number put, or,
// where it is 0, anything.
func (b *bell) ring(r *row, put uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.rung)
	b.rung = make(chan struct{})
	h := &r.heard
	h.rings++
	h.rungAt, h.next, h.put = time.Now(), time.Time{}, max(h.put, put)
}

// pause returns how long a taker from these lanes may sleep; a rest of 0: it should
// ask.
func (b *bell) pause(lanes []*lane) pause {
	b.mu.Lock()
	defer b.mu.Unlock()
	rest := longestRest
	for _, l := range lanes {
		for _, r := range l.rows {
			rest = min(rest, time.Until(r.heard.next))
		}
	}
	return pause{b.rung, max(0, rest)}
}

// due reports whether the row is worth a question, and how often it has been rung.
func (b *bell) due(r *row) (rings uint64, due bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return r.heard.rings, time.Until(r.heard.next) <= 0
}

// foundNothing notes that the row had nothing, as far as it had been rung by then.
func (b *bell) foundNothing(r *row, rings uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := &r.heard
	if h.rings == rings { // else: ask again
		h.next = time.Now().Add(min(longestRest, max(shortestRest, 3*time.Since(h.rungAt))))
	}
}

// gave notes up to which number the server has given out the row's jobs: as it says,
// or because it just gave that one for the first time. It may be less than before, in a
// stream that was made anew.
func (b *bell) gave(r *row, number uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.heard.given = number
}

// owed reports whether the row has been put a job that was not given to anybody, as far
// as we know.
func (b *bell) owed(r *row) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := &r.heard
	if h.put > h.given && time.Since(h.rungAt) > owedFor {
		h.put = 0 // it does not come: no number of this stream
	}
	return h.put > h.given
}

// pause is how long a taker sleeps: until the bell rings or its rest is over.
type pause struct {
	rung <-chan struct{}
	rest time.Duration
}

// sleep returns an error when it has to end before.
func (p pause) sleep(ctx context.Context, closing <-chan struct{}) error {
	timer := time.NewTimer(p.rest)
	defer timer.Stop()
	select {
	case <-p.rung:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-closing:
		return errClosed
	}
}

// take waits for the turn to ask; give hands it on.
func (b *bell) take(ctx context.Context, closing <-chan struct{}) error {
	select {
	case <-b.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-closing:
		return errClosed
	}
}

func (b *bell) give() { b.turn <- struct{}{} }

// stopProbing takes the turn for good, when the one who has it is through.
func (b *bell) stopProbing(within time.Duration) {
	select {
	case <-b.turn:
	case <-time.After(within):
	}
}
