package cohort_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bcc/blob"
	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
)

// deaf is a queue on which every word is lost.
type deaf struct{ cohort.Queue }

func (deaf) Tell(string, []byte) error { return nil }

func TestLostWordsAreFoundInTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	d := cohort.NewDesk(w.store, deaf{w.queue})
	m := submit(t, l, 2)
	for i, want := range [][5]int{{1, 0, 1, 0, 0}, {0, 0, 2, 0, 0}} {
		task, lease, err := begin(t, w, d)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.End(t.Context(), task, done(i+1)), lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
		eventually(t, l, m.ID, want)
	}
}

func TestALedgerOpenedAtAnyMomentSaysTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t), cohort.NewDesk(w.store, w.queue)
	m := submit(t, l, 3)
	same := func(want [5]int) {
		t.Helper()
		eventually(t, l, m.ID, want)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = w.ledger(t)
		eventually(t, l, m.ID, want)
	}
	same([5]int{3, 0, 0, 0, 0})
	for i := range 3 {
		task, lease, err := begin(t, w, d)
		if err != nil {
			t.Fatal(err)
		}
		d.Planned(task, 10)
		eventually(t, l, m.ID, [5]int{2 - i, 1, i, 0, 0})
		l.Close() // while it is being walked, and while it ends
		if err := errors.Join(d.End(t.Context(), task, done(10)), lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
		l = w.ledger(t)
		same([5]int{2 - i, 0, i + 1, 0, 0})
	}
	over(t, w, m.ID)
	same([5]int{0, 0, 3, 0, 0})
	list, err := l.Slides(t.Context(), m.ID, 1, 10)
	if err != nil || len(list) != 2 || list[1].End.Patches != 10 || list[1].Slide.Name != "s2.tif" {
		t.Errorf("%+v, %v", list, err)
	}
	got, err := l.Manifest(t.Context(), m.ID)
	if err != nil || got.Owner != "k1" || len(got.Slides) != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestALostQueueIsFilledAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	m := submit(t, l, 5)
	d := cohort.NewDesk(w.store, w.queue)
	task, lease, _ := begin(t, w, d)
	if err := errors.Join(d.End(t.Context(), task, done(1)), lease.Done(t.Context())); err != nil {
		t.Fatal(err)
	}
	l.Close()
	w.queue.Close()

	w.queue = openQueue(t, filepath.Join(t.TempDir(), "another"))
	l, d = w.ledger(t), cohort.NewDesk(w.store, w.queue)
	if b, err := w.queue.Backlog(t.Context()); err != nil || b.Routine != 4 {
		t.Fatalf("%+v jobs, %v: want 4", b, err)
	}
	for range 4 {
		task, lease, err := begin(t, w, d)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.End(t.Context(), task, done(1)), lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, l, m.ID, [5]int{0, 0, 5, 0, 0})
}

// broken is a queue that takes so many jobs and then none.
type broken struct {
	cohort.Queue
	left atomic.Int64
}

func (b *broken) Put(ctx context.Context, jobs ...queue.Job) error {
	n := min(int(b.left.Swap(0)), len(jobs))
	return errors.Join(b.Queue.Put(ctx, jobs[:n]...), fault.New(fault.Unavailable, "no answer"))
}

// counting counts what a ledger asks of the queue.
type counting struct {
	cohort.Queue
	puts, looks atomic.Int64 // calls
	of          atomic.Value // a cohort's id: puts of its jobs alone count
}

func (c *counting) Put(ctx context.Context, jobs ...queue.Job) error {
	of, _ := c.of.Load().(string)
	if slices.ContainsFunc(jobs, func(j queue.Job) bool { return strings.HasPrefix(j.ID, of) }) {
		c.puts.Add(1)
	}
	return c.Queue.Put(ctx, jobs...)
}

func (c *counting) Backlog(ctx context.Context) (queue.Backlog, error) {
	defer c.looks.Add(1)
	return c.Queue.Backlog(ctx)
}

// away is a queue whose server does not answer.
type away struct{ cohort.Queue }

func (away) Ready() error { return fault.New(fault.Unavailable, "no answer") }

func TestASubmissionWithoutAQueueLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t, func(c *cohort.Config) { c.Queue = away{w.queue} })
	for range 3 { // a client tries again
		if _, err := l.Submit(t.Context(), cohort.Manifest{Slides: slides(5)}); fault.Of(err) != fault.Unavailable {
			t.Fatalf("%v, want unavailable", err)
		}
	}
	if sums, _ := l.Summaries(t.Context(), "", true); len(sums) > 0 {
		t.Errorf("%d cohorts are left", len(sums))
	}
	for info := range w.store.List(t.Context(), "") {
		t.Errorf("%s is left", info.Key)
	}
}

func TestASubmissionThatBreaksOffIsCancelledAndTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := &broken{Queue: w.queue}
	q.left.Store(2)
	l := w.ledger(t, func(c *cohort.Config) { c.Queue = q })
	if _, err := l.Submit(t.Context(), cohort.Manifest{Slides: slides(5)}); fault.Of(err) != fault.Unavailable {
		t.Fatalf("%v, want unavailable", err)
	}
	d := cohort.NewDesk(w.store, w.queue)
	for range 2 {
		if _, _, err := begin(t, w, d); !errors.Is(err, cohort.ErrOver) {
			t.Errorf("a job of it is done: %v", err)
		}
	}
	sums, _ := l.Summaries(t.Context(), "", true)
	if len(sums) != 1 || counts(sums[0].Counts) != [5]int{0, 0, 0, 0, 5} {
		t.Errorf("%+v", sums)
	}
}

func TestACrashBetweenManifestAndJobsLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// What a process leaves that was killed there.
	id := cohort.NewID()
	m := cohort.Manifest{FormatVersion: 1, ID: id, Priority: queue.Urgent, Submitted: time.Now().UTC(), Slides: slides(3)}
	put(t, w.store, "ledger/open/"+id, "")
	put(t, w.store, "cohorts/"+id+"/manifest.json", m)
	put(t, w.store, "ledger/open/"+cohort.NewID(), "") // and one before the manifest

	l, d := w.ledger(t), cohort.NewDesk(w.store, w.queue)
	eventually(t, l, id, [5]int{3, 0, 0, 0, 0})
	for range 3 {
		task, lease, err := begin(t, w, d)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.End(t.Context(), task, done(1)), lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, l, id, [5]int{0, 0, 3, 0, 0})
}

func TestADamagedCohortDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	good, bad := submit(t, l, 1), submit(t, l, 1)
	l.Close()
	if err := w.store.Put(t.Context(), "cohorts/"+bad.ID+"/manifest.json", strings.NewReader("{")); err != nil {
		t.Fatal(err)
	}
	l = w.ledger(t)
	eventually(t, l, good.ID, [5]int{1, 0, 0, 0, 0})
	if _, err := l.Summary(t.Context(), bad.ID); fault.Of(err) != fault.Corrupt {
		t.Errorf("%v, want corrupt", err)
	}
}

func TestAnotherServersCohortIsKnownToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	here, there := w.ledger(t), w.ledger(t)
	m := submit(t, here, 2)
	eventually(t, there, m.ID, [5]int{2, 0, 0, 0, 0})
	if err := there.Cancel(t.Context(), m.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, here, m.ID, [5]int{0, 0, 0, 0, 2})
}

func TestASlideWhoseWorkerIsSilentWaitsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t, func(c *cohort.Config) { c.Silence = 50 * time.Millisecond })
	d := cohort.NewDesk(w.store, w.queue)
	m := submit(t, l, 1)
	task, _, _ := begin(t, w, d)
	d.Planned(task, 5)
	for range 2 {
		for seen := false; !seen; { // however slow this machine is
			if err := d.Hello(cohort.WorkerState{ID: "w.1 >", Jobs: 2}); err != nil {
				t.Fatal(err)
			}
			s, err := l.Summary(t.Context(), m.ID)
			seen = err == nil && s.Counts.Running == 1
			time.Sleep(time.Millisecond)
		}
		eventually(t, l, m.ID, [5]int{1, 0, 0, 0, 0})
	}
	if ws := l.Workers(); len(ws) != 1 || ws[0].ID != "w.1 >" || ws[0].Jobs != 2 {
		t.Errorf("workers %+v", ws)
	}
}

func TestADamagedSummaryIsMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t), cohort.NewDesk(w.store, w.queue)
	m := submit(t, l, 1)
	task, lease, _ := begin(t, w, d)
	if err := errors.Join(d.End(t.Context(), task, done(4)), lease.Done(t.Context())); err != nil {
		t.Fatal(err)
	}
	eventually(t, l, m.ID, [5]int{0, 0, 1, 0, 0})
	over(t, w, m.ID)
	l.Close()
	for _, key := range []string{"ledger/closed/" + m.ID + ".json", "cohorts/" + m.ID + "/ends.json"} {
		if err := w.store.Put(t.Context(), key, strings.NewReader("{")); err != nil {
			t.Fatal(err)
		}
	}
	l = w.ledger(t)
	if s := eventually(t, l, m.ID, [5]int{0, 0, 1, 0, 0}); s.Owner != "k1" || s.Patches.Done != 4 {
		t.Errorf("%+v", s)
	}
}

func put(t testing.TB, s blob.Store, key string, v any) {
	t.Helper()
	var r io.Reader = strings.NewReader("")
	if v != "" {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		r = strings.NewReader(string(b))
	}
	if err := s.Put(t.Context(), key, r); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", key, err))
	}
}
