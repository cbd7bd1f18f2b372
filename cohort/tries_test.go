package cohort_test

import (
	"errors"
	"sync"
	"testing"

	"bcc/cohort"
)

func TestASlideIsQuarantinedAndThatIsItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, there, d := w.ledger(t), w.ledger(t), cohort.NewDesk(w.store, w.queue)
	m := submit(t, l, 2)
	events, err := l.Follow(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		task, lease, err := begin(t, w, d)
		if err != nil {
			t.Fatal(err)
		}
		e := done(5)
		if i == 0 {
			e = cohort.End{State: cohort.Quarantined, Problem: &cohort.Problem{Kind: "internal", Code: 500, Message: "it hung"}}
		}
		if err := errors.Join(d.End(t.Context(), task, e), lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	s, err := l.Wait(t.Context(), cohort.SlideID(m.ID, 0))
	if err != nil || s.State != cohort.Quarantined || s.End.Problem.Message != "it hung" {
		t.Errorf("%+v, %v", s, err)
	}
	var last cohort.Event
	for last = range events { // it ends
	}
	want := cohort.Counts{Submitted: 2, Done: 1, Quarantined: 1}
	if last.Summary == nil || last.Summary.Counts != want || last.Summary.State != cohort.Done {
		t.Errorf("the last heard is %+v", last.Summary)
	}
	eventually(t, l, m.ID, [5]int{0, 0, 1, 0, 0})
	over(t, w, m.ID)
	l.Close()
	for name, l := range map[string]*cohort.Ledger{"another server's": there, "read anew": w.ledger(t)} {
		if s := eventually(t, l, m.ID, [5]int{0, 0, 1, 0, 0}); s.Counts != want {
			t.Errorf("%s: %+v", name, s.Counts)
		}
	}
}

func TestAttemptsNotedAtOnceEachHaveANumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	submit(t, l, 2)
	one, _, _ := begin(t, w, cohort.NewDesk(w.store, w.queue))
	other, _, _ := begin(t, w, cohort.NewDesk(w.store, w.queue))
	const n = 8
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[int]int{}
	for range n {
		d := cohort.NewDesk(w.store, w.queue) // as on other machines
		wg.Go(func() {
			times, err := d.Tried(t.Context(), one, cohort.Problem{Kind: "internal"})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			seen[times]++
			mu.Unlock()
		})
	}
	wg.Wait()
	for i := range n {
		if seen[i+1] != 1 {
			t.Errorf("attempt %d was noted %d times: %v", i+1, seen[i+1], seen)
		}
	}
	if times, err := cohort.NewDesk(w.store, w.queue).Tried(t.Context(), other, cohort.Problem{}); times != 1 || err != nil {
		t.Errorf("another slide was tried %d times, %v", times, err)
	}
}

func TestNobodyWantsASlideThatEndedOrWasCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t), cohort.NewDesk(w.store, w.queue)
	m := submit(t, l, 2)
	ended, _, _ := begin(t, w, d)
	waits, _, _ := begin(t, w, d)
	is := func(task cohort.Task, want bool) {
		t.Helper()
		if over, err := d.Over(t.Context(), task); over != want || err != nil {
			t.Errorf("over: %v, %v; want %v", over, err, want)
		}
	}
	is(ended, false)
	if err := d.End(t.Context(), ended, done(1)); err != nil {
		t.Fatal(err)
	}
	is(ended, true)
	is(waits, false)
	if err := l.Cancel(t.Context(), m.ID); err != nil {
		t.Fatal(err)
	}
	is(waits, true)
}

func TestSlidesThatEndedBadlyAreTriedAgainInAnotherCohort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	here, there, d := w.ledger(t), w.ledger(t), cohort.NewDesk(w.store, w.queue)
	m := submit(t, here, 4)
	for _, s := range []cohort.State{cohort.Done, cohort.Failed, cohort.Quarantined} {
		task, lease, err := begin(t, w, d)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.End(t.Context(), task, cohort.End{State: s}), lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range []*cohort.Ledger{here, there} { // words or not: the store is asked
		again, err := l.Retry(t.Context(), m.ID)
		if err != nil || again.RetryOf != m.ID || again.Owner != "k1" || again.Name != "n" || again.ID == m.ID {
			t.Fatalf("%+v, %v", again, err)
		}
		if len(again.Slides) != 2 || again.Slides[0].Name != "s1.tif" || again.Slides[1].Name != "s2.tif" {
			t.Errorf("tried again: %+v", again.Slides)
		}
		eventually(t, there, again.ID, [5]int{2, 0, 0, 0, 0})
		eventually(t, here, again.ID, [5]int{2, 0, 0, 0, 0})
	}
	only, err := here.Retry(t.Context(), m.ID, cohort.Quarantined)
	if err != nil || len(only.Slides) != 1 || only.Slides[0].Name != "s2.tif" {
		t.Errorf("%+v, %v", only.Slides, err)
	}
	if s, err := here.Summary(t.Context(), m.ID); err != nil || s.Counts != (cohort.Counts{Submitted: 4, Pending: 1, Done: 1, Failed: 1, Quarantined: 1}) {
		t.Errorf("the first one: %+v, %v", s.Counts, err)
	}
	for name, err := range map[string]error{
		"a state that is not final": errOf(here.Retry(t.Context(), m.ID, cohort.Running)),
		"what went well":            errOf(here.Retry(t.Context(), m.ID, cohort.Done)),
		"none":                      errOf(here.Retry(t.Context(), m.ID, cohort.Cancelled)),
		"none of a new one":         errOf(here.Retry(t.Context(), only.ID)),
	} {
		if kind(err) != "invalid" {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	if err := errOf(here.Retry(t.Context(), cohort.NewID())); kind(err) != "not_found" {
		t.Errorf("%v, want not found", err)
	}
}
