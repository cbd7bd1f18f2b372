package queue

import (
	"context"
	"sync"
	"time"
)

// bell wakes takers. One of them at a time asks the server; one that found nothing
// has asked for all, until the bell rings or a rest is over.
type bell struct {
	turn chan struct{} // holds one token: the right to ask

	mu     sync.Mutex
	rung   chan struct{} // closed by ring
	rungAt time.Time
	next   time.Time // nobody needs to ask before
}

// How long takers rest. The server acknowledges a job a moment before it can give
// it: after a ring the rests are short at first, each about four times the last. A
// word that is lost, or a job that becomes due by itself (Again, a lease that ended),
// is found after the longest.
const (
	shortestRest = 2 * time.Millisecond
	longestRest  = time.Second
)

func newBell() *bell {
	b := &bell{turn: make(chan struct{}, 1), rung: make(chan struct{}), rungAt: time.Now()}
	b.turn <- struct{}{}
	return b
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.rung)
	b.rung = make(chan struct{})
	b.rungAt, b.next = time.Now(), time.Time{}
}

// now returns what a taker has to wait for: no rest where it should ask.
func (b *bell) now() pause {
	b.mu.Lock()
	defer b.mu.Unlock()
	return pause{b.rung, max(0, time.Until(b.next))}
}

// foundNothing notes that a question after p found nothing, and returns the next
// pause.
func (b *bell) foundNothing(p pause) pause {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != p.rung { // it rang meanwhile: ask again
		return pause{b.rung, 0}
	}
	rest := min(longestRest, max(shortestRest, 3*time.Since(b.rungAt)))
	b.next = time.Now().Add(rest)
	return pause{b.rung, rest}
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
