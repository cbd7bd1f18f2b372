package cohort_test

import (
	"context"
	"errors"
	"testing"

	"bcc/cohort"
)

func TestAFollowerHearsEachEndOnceAndThenNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t), cohort.NewDesk(w.store, w.queue)
	m := submit(t, l, 3)
	events, err := l.Follow(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if e := <-events; e.Kind != cohort.EventSnapshot || e.Summary.Counts.Pending != 3 {
		t.Fatalf("first came %+v", e)
	}
	seen := make(chan struct{}, 100)
	go func() {
		for range 3 {
			lease, err := w.queue.Take(t.Context())
			if err != nil {
				return
			}
			task, _ := d.Begin(t.Context(), lease.Data)
			d.Planned(task, 10)
			d.Scored(task, 5)
			<-seen // progress is told before the end
			_ = errors.Join(d.End(t.Context(), task, done(10)), lease.Done(t.Context()))
		}
	}()
	ends, progress := map[int]int{}, 0
	var last cohort.Event
	for e := range events {
		switch last = e; e.Kind {
		case cohort.EventSlide:
			ends[e.Slide.Index]++
		case cohort.EventProgress:
			progress++
			seen <- struct{}{}
			if ends[e.Slide.Index] > 0 {
				t.Errorf("progress of slide %d after its end", e.Slide.Index)
			}
		}
	}
	if len(ends) != 3 || ends[0] != 1 || ends[1] != 1 || ends[2] != 1 || progress < 3 {
		t.Errorf("ends %v, %d times progress", ends, progress)
	}
	if last.Kind != cohort.EventCohort || last.Summary.State != cohort.Done {
		t.Errorf("last came %+v", last)
	}
	// One that comes when all is over hears that.
	if events, err = l.Follow(t.Context(), m.ID); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for e := range events {
		kinds = append(kinds, e.Kind)
	}
	if len(kinds) != 2 || kinds[0] != cohort.EventSnapshot || kinds[1] != cohort.EventCohort {
		t.Errorf("heard %v", kinds)
	}
}

func TestASlowFollowerIsToldToLookAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	m := submit(t, l, 4000)
	events, err := l.Follow(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Cancel(t.Context(), m.ID); err != nil { // 4,000 ends at once, and nobody reads
		t.Fatal(err)
	}
	var last cohort.Event
	snapshots, n := 0, 0
	for e := range events {
		if last = e; e.Kind == cohort.EventSnapshot {
			snapshots++
		}
		n++
	}
	if snapshots == 0 || n > 100 || last.Summary == nil || last.Summary.Counts.Cancelled != 4000 {
		t.Errorf("%d events, %d snapshots, the last %+v", n, snapshots, last)
	}
}

func TestAFollowerThatGoesIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	m := submit(t, l, 1)
	ctx, leave := context.WithCancel(t.Context())
	events, err := l.Follow(ctx, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	<-events
	leave()
	for range events { // it closes
	}
	staying, err := l.Follow(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	<-staying
	l.Close()
	for range staying {
	}
	if _, err := l.Follow(t.Context(), m.ID); err == nil {
		t.Error("a closed ledger is followed")
	}
}
