package worker

import (
	"sync"
	"time"
)

// share divides the worker's time among the slides that it walks at once: two
// that are walked side by side for a minute took half a minute each. The zero value
// is ready.
type share struct {
	mu   sync.Mutex
	busy int
	last time.Time
	each time.Duration // what one that was there from the beginning would have got
	all  time.Duration // in which there was any
}

// begin adds a slide; end, called once, returns its part.
func (s *share) begin() (end func() time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
	s.busy++
	from := s.each
	return func() time.Duration {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pass()
		s.busy--
		return s.each - from
	}
}

func (s *share) pass() {
	now := time.Now()
	if s.busy > 0 {
		s.each += now.Sub(s.last) / time.Duration(s.busy)
		s.all += now.Sub(s.last)
	}
	s.last = now
}

// spent returns for how long anything was walked up to now.
func (s *share) spent() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
	return s.all
}

// walking returns how many slides there are now.
func (s *share) walking() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

// effort is a slide's part of the worker's time: while it is paused none of it counts.
type effort struct {
	share *share
	end   func() time.Duration // nil: paused
	spent time.Duration
}

func (e *effort) resume() {
	if e.end == nil {
		e.end = e.share.begin()
	}
}

func (e *effort) pause() {
	if e.end != nil {
		e.spent += e.end()
		e.end = nil
	}
}

// add adds seconds of others.
func (e *effort) add(s float64) { e.spent += time.Duration(s * float64(time.Second)) }

func (e *effort) seconds() float64 { return e.spent.Seconds() }
