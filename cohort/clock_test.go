package cohort_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"bcc/blob"
	"bcc/cohort"
	"bcc/queue"
)

// offs are how wrong clocks are.
var offs = []time.Duration{-2 * time.Hour, 2 * time.Hour}

// skewed is a store whose clock is off by so much.
type skewed struct {
	blob.Store
	off time.Duration
}

func (s skewed) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		for info, err := range s.Store.List(ctx, prefix) {
			info.Modified = info.Modified.Add(s.off)
			if !yield(info, err) {
				return
			}
		}
	}
}

func TestAWorkerWithAWrongClockIsHeardAndBelieved(t *testing.T) {
	t.Parallel()
	for _, off := range offs {
		w := newWorld(t)
		l, d := w.ledger(t), cohort.NewDesk(w.store, w.queue)
		m := submit(t, l, 2)
		task, lease, err := begin(t, w, d)
		if err != nil {
			t.Fatal(err)
		}
		d.Planned(task, 4)
		if err := d.Hello(cohort.WorkerState{ID: "w", Started: time.Now().Add(off), Seen: time.Now().Add(off)}); err != nil {
			t.Fatal(err)
		}
		until(t, "the worker is there", func() bool { return len(l.Workers()) == 1 })
		if seen := l.Workers()[0].Seen; time.Since(seen).Abs() > time.Hour {
			t.Errorf("clock off by %v: seen at %v", off, seen)
		}
		eventually(t, l, m.ID, [5]int{1, 1, 0, 0, 0})
		e := done(4)
		e.Ended = time.Now().Add(off)
		if err := errors.Join(d.End(t.Context(), task, e), lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
		s := eventually(t, l, m.ID, [5]int{1, 0, 1, 0, 0})
		if f := s.Forecast; f != nil && (f.Finish.Before(s.Submitted) || f.RemainingS < 0) {
			t.Errorf("clock off by %v: forecast %+v", off, f)
		}
		work(t, w, l, m.ID, [5]int{0, 0, 2, 0, 0})
		over(t, w, m.ID)
	}
}

func TestACohortOfAServerWithAWrongClockIsDoneLikeAnyOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	ours := submit(t, l, 1)
	var ids []string
	for _, off := range offs {
		at := time.Now().Add(off)
		// Its deadline lies ahead by the clock of that server, and maybe behind by ours.
		deadline := at.Add(time.Minute)
		m := cohort.Manifest{FormatVersion: 1, ID: cohort.NewID(), Priority: queue.Routine, Submitted: at.UTC(), Deadline: &deadline, Slides: slides(1)}
		put(t, w.store, "ledger/open/"+m.ID, "")
		put(t, w.store, "cohorts/"+m.ID+"/manifest.json", m)
		ids = append(ids, m.ID)
	}
	for _, id := range ids {
		eventually(t, l, id, [5]int{1, 0, 0, 0, 0})
	}
	sums, err := l.Summaries(t.Context(), "", true)
	if err != nil || len(sums) != 3 {
		t.Fatalf("%+v, %v", sums, err)
	}
	for _, id := range append(ids, ours.ID) {
		work(t, w, l, id, [5]int{0, 0, 1, 0, 0}) // their jobs were put by us
		over(t, w, id)
	}
	l.Close()
	sums, err = w.ledger(t).Summaries(t.Context(), "", true)
	got := []string{sums[0].ID, sums[1].ID, sums[2].ID}
	if err != nil || !slices.Equal(got, []string{ids[1], ours.ID, ids[0]}) {
		t.Errorf("%v, %v: want them by when they say they were submitted", got, err)
	}
}

func TestASubmissionIsNotLostWhereTheClockOfTheStoreIsWrong(t *testing.T) {
	t.Parallel()
	for _, off := range offs {
		w := newWorld(t)
		w.store = skewed{w.store, off}
		id := cohort.NewID()
		put(t, w.store, "ledger/open/"+id, "") // another server has come so far
		q := &counting{Queue: w.queue}
		l := w.ledger(t, func(c *cohort.Config) { c.Queue = q })
		m := submit(t, l, 1)
		looks := q.looks.Load()
		until(t, "the store was looked into", func() bool { return q.looks.Load() > looks+2 })
		put(t, w.store, "cohorts/"+id+"/manifest.json",
			cohort.Manifest{FormatVersion: 1, ID: id, Priority: queue.Routine, Submitted: time.Now(), Slides: slides(1)})
		eventually(t, l, id, [5]int{1, 0, 0, 0, 0})
		for _, id := range []string{id, m.ID} {
			work(t, w, l, id, [5]int{0, 0, 1, 0, 0})
			over(t, w, id)
		}
	}
}

func TestADeadlineIsHeldAgainstOneClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	soon := time.Now().Add(time.Minute)
	m, err := l.Submit(t.Context(), cohort.Manifest{Deadline: &soon, Slides: slides(1)})
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-2 * time.Hour)
	if _, err := l.Submit(t.Context(), cohort.Manifest{Deadline: &past, Slides: slides(1)}); kind(err) != "invalid" || !strings.Contains(err.Error(), "passed") {
		t.Errorf("%v", err)
	}
	// A cohort that is tried again has no deadline: the old one may have passed.
	d := cohort.NewDesk(w.store, w.queue)
	task, lease, _ := begin(t, w, d)
	if err := errors.Join(d.End(t.Context(), task, cohort.End{State: cohort.Failed}), lease.Done(t.Context())); err != nil {
		t.Fatal(err)
	}
	if again, err := l.Retry(t.Context(), m.ID); err != nil || again.Deadline != nil {
		t.Errorf("%v, %v", again.Deadline, err)
	}
}
