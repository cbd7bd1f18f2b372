package cohort

import (
	"context"
	"slices"
	"time"

	"bcc/fault"
)

// Event is one thing that happened to a cohort.
type Event struct {
	Kind    string // EventSnapshot and what follows
	Slide   *Status
	Summary *Summary
}

// The kinds of events.
const (
	EventSnapshot = "snapshot" // Summary: look at the slides anew, single events before it were left out
	EventProgress = "progress" // Slide: is being walked, or waits again
	EventSlide    = "slide"    // Slide: has come to its end; once a slide
	EventCohort   = "cohort"   // Summary: has changed
)

// A follower is told at most every pace, of the cohort as a whole every slowPace; of
// more than maxDirty slides at once it is not told one by one.
const (
	pace     = 50 * time.Millisecond
	slowPace = 500 * time.Millisecond
	maxDirty = 2048
)

// follower is what one Follow has not told yet: what has changed, not how, so that
// a slow reader costs no memory and hears the present state. The ledger's lock
// guards it.
type follower struct {
	dirty map[int]struct{}
	reset bool          // begin with a snapshot
	wake  chan struct{} // cap 1
}

func (f *follower) touch(i int) {
	if !f.reset {
		if f.dirty[i] = struct{}{}; len(f.dirty) > maxDirty {
			f.reset = true
			clear(f.dirty)
		}
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// renew has the follower told anew where all stands.
func (f *follower) renew() {
	f.reset = true
	clear(f.dirty)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Follow tells how a cohort goes on: a snapshot first, then each change. A slow
// reader misses progress, never an end: it gets another snapshot instead. The
// channel closes after the last slide's end and a last EventCohort, when ctx ends,
// or when the ledger closes.
func (l *Ledger) Follow(ctx context.Context, id string) (<-chan Event, error) {
	b, err := l.find(ctx, id)
	if err != nil {
		return nil, err
	}
	f := &follower{dirty: map[int]struct{}{}, reset: true, wake: make(chan struct{}, 1)}
	events := make(chan Event, 64)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, errClosed
	}
	b.followers[f] = struct{}{}
	l.wg.Go(func() {
		defer close(events)
		defer func() {
			l.mu.Lock()
			delete(b.followers, f)
			l.mu.Unlock()
		}()
		l.tell(ctx, b, f, events)
	})
	return events, nil
}

// tell sends what changes until all is told.
func (l *Ledger) tell(ctx context.Context, b *book, f *follower, events chan<- Event) {
	send := func(e Event) bool {
		select {
		case events <- e:
			return true
		case <-ctx.Done():
		case <-l.ctx.Done():
		}
		return false
	}
	told, owed := time.Now(), false // the cohort as a whole
	for {
		fresh, summary, over := l.take(b, f, time.Since(told) >= slowPace)
		for _, e := range fresh {
			if !send(e) {
				return
			}
		}
		owed = summary == nil && (owed || len(fresh) > 0)
		if summary != nil {
			told = time.Now()
			if !send(Event{Kind: EventCohort, Summary: summary}) {
				return
			}
		}
		if over {
			return
		}
		var later <-chan time.Time
		if owed {
			later = time.After(max(slowPace-time.Since(told), pace))
		}
		select {
		case <-f.wake:
		case <-later:
		case <-ctx.Done():
			return
		case <-l.ctx.Done():
			return
		}
		select { // what comes together is told together
		case <-time.After(pace):
		case <-ctx.Done():
			return
		}
	}
}

// take returns what the follower has not been told, and the summary where it is
// due; over says that nothing will come after.
func (l *Ledger) take(b *book, f *follower, due bool) (fresh []Event, summary *Summary, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	over = b.over()
	if f.reset {
		f.reset = false
		clear(f.dirty)
		s := l.summary(b, l.outlook(time.Now(), false))
		fresh = append(fresh, Event{Kind: EventSnapshot, Summary: &s})
	} else {
		indexes := make([]int, 0, len(f.dirty))
		for i := range f.dirty {
			indexes = append(indexes, i)
		}
		slices.Sort(indexes)
		clear(f.dirty)
		for _, i := range indexes {
			s := b.status(i)
			kind := EventProgress
			if s.State.Final() {
				kind = EventSlide
			}
			fresh = append(fresh, Event{Kind: kind, Slide: &s})
		}
	}
	if due || over {
		s := l.summary(b, l.outlook(time.Now(), false))
		summary = &s
	}
	return fresh, summary, over
}

// waitLook is how often the store is asked for an end of which no word came.
const waitLook = 3 * time.Second

// Wait returns when the slide has come to its end, however long that takes.
func (l *Ledger) Wait(ctx context.Context, slideID string) (Status, error) {
	id, i, err := ParseSlideID(slideID)
	if err != nil {
		return Status{}, err
	}
	b, err := l.find(ctx, id)
	if err != nil {
		return Status{}, err
	}
	if i >= len(b.lines) {
		return Status{}, fault.New(fault.NotFound, "there is no slide %s", slideID)
	}
	look := time.NewTicker(waitLook)
	defer look.Stop()
	for {
		l.mu.Lock()
		if b.lines[i].state.Final() {
			defer l.mu.Unlock()
			return b.status(i), nil
		}
		ended := make(chan struct{})
		b.waiters[i] = append(b.waiters[i], ended)
		l.mu.Unlock()
		select {
		case <-ended:
			continue
		case <-look.C:
			if e, err := l.shelf.end(ctx, id, i); err == nil && e != nil && e.State.Final() {
				l.mu.Lock()
				l.finish(b, i, e, time.Now())
				l.mu.Unlock()
			}
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-l.ctx.Done():
			err = errClosed
		}
		l.mu.Lock()
		b.waiters[i] = slices.DeleteFunc(b.waiters[i], func(c chan struct{}) bool { return c == ended })
		l.mu.Unlock()
		if err != nil {
			return Status{}, err
		}
	}
}
