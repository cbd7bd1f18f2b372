package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// traffic is a load under way.
type traffic struct {
	Load
	messages           []message
	first              uint64 // stamp of the first request: no other load has the same
	begin, from, until time.Time
}

// closed has every client send its next request when it has its answer.
func (s *traffic) closed(ctx context.Context) []*tally {
	var n atomic.Uint64
	var wg sync.WaitGroup
	parts := make([]*tally, s.Clients)
	for i := range parts {
		parts[i] = newTally()
		wg.Go(func() {
			c := &client{address: s.Address, timeout: s.timeout()}
			defer c.close()
			for now := time.Now(); ctx.Err() == nil && now.Before(s.until); now = time.Now() {
				if pause := s.one(c, parts[i], n.Add(1), now); pause > 0 {
					wait(ctx, min(pause, time.Until(s.until)))
				}
			}
		})
	}
	wg.Wait()
	return parts
}

// arrival is one request of an open load.
type arrival struct {
	n   uint64
	due time.Time
}

// open sends requests when they are due and never waits for answers: one that
// finds no free connection gets its own, up to Clients of them, and waits for one
// beyond. Its time counts from when it was due, so that a server that stalls
// cannot hide those that it kept from being sent.
func (s *traffic) open(ctx context.Context) []*tally {
	total := int(s.Rate*(s.WarmS+s.Seconds)*1.2) + 1000
	waiting := make(chan arrival, total)
	var free atomic.Int64
	var wg sync.WaitGroup
	var parts []*tally
	end := s.until.Add(s.timeout())
	more := func() {
		t := newTally()
		parts = append(parts, t)
		wg.Go(func() {
			c := &client{address: s.Address, timeout: s.timeout()}
			defer c.close()
			for a := range waiting {
				if ctx.Err() == nil && time.Now().Before(end) {
					s.one(c, t, a.n, a.due)
				} else {
					t.status["never sent"]++
				}
				free.Add(1)
			}
		})
	}
	plan := newSchedule(s.Rate, s.first)
	for n := uint64(1); ; n++ {
		due := s.begin.Add(plan.next())
		if !due.Before(s.until) || ctx.Err() != nil || len(waiting) == cap(waiting) {
			break
		}
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		if free.Add(-1) < 0 && len(parts) < s.Clients {
			free.Add(1) // the new one is busy at once
			more()
		}
		waiting <- arrival{n, due}
	}
	close(waiting)
	wg.Wait()
	return parts
}

// wait returns after the time, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
