package cohort_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
)

// gated is a queue that takes jobs only when it is let.
type gated struct {
	cohort.Queue
	once  sync.Once
	begun chan struct{}
	gate  chan struct{}
}

func (g *gated) Put(ctx context.Context, jobs ...queue.Job) error {
	g.once.Do(func() { close(g.begun) })
	select {
	case <-g.gate:
		return g.Queue.Put(ctx, jobs...)
	case <-ctx.Done():
		return fault.New(fault.Unavailable, "%w", context.Cause(ctx))
	}
}

func TestALargeCohortIsTakenBeforeItsJobsAreOnTheQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := &gated{Queue: w.queue, begun: make(chan struct{}), gate: make(chan struct{})}
	l := w.ledger(t, func(c *cohort.Config) { c.Queue = g })
	const n = 1000
	m := submit(t, l, n)
	<-g.begun
	eventually(t, l, m.ID, [5]int{n, 0, 0, 0, 0})
	close(g.gate)
	until(t, "all jobs are there", func() bool {
		b, err := w.queue.Backlog(t.Context())
		return err == nil && b.Routine == n
	})
}

func TestALedgerThatClosesInTheMiddleOfALargeCohortLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := &gated{Queue: w.queue, begun: make(chan struct{}), gate: make(chan struct{})}
	l := w.ledger(t, func(c *cohort.Config) { c.Queue = g })
	const n = 300
	m := submit(t, l, n)
	<-g.begun
	if err := l.Close(); err != nil { // it does not wait for the queue
		t.Fatal(err)
	}
	if b, err := w.queue.Backlog(t.Context()); err != nil || b.Routine != 0 {
		t.Fatalf("%+v, %v", b, err)
	}
	l = w.ledger(t)
	eventually(t, l, m.ID, [5]int{n, 0, 0, 0, 0})
	if b, err := w.queue.Backlog(t.Context()); err != nil || b.Routine != n {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestALargeCohortOutlivesAQueueThatIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := &broken{Queue: w.queue}
	q.left.Store(100)
	l := w.ledger(t, func(c *cohort.Config) { c.Queue = q })
	const n = 300
	m := submit(t, l, n) // no error: it is in the store
	until(t, "the queue has refused", func() bool { return q.left.Load() == 0 })
	eventually(t, l, m.ID, [5]int{n, 0, 0, 0, 0})
	l.Close()
	w.ledger(t)
	if b, err := w.queue.Backlog(t.Context()); err != nil || b.Routine != n {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestCohortsStandInTheRowWithTheFewestSlides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	large := submit(t, l, 200)
	rows := map[int]bool{large.Row: true}
	for range queue.Rows - 1 {
		m := submit(t, l, 2)
		if rows[m.Row] {
			t.Errorf("row %d is taken twice while others are free", m.Row)
		}
		rows[m.Row] = true
	}
	if m := submit(t, l, 1); m.Row == large.Row {
		t.Error("a small cohort stands behind a large one")
	}
	urgent, err := l.Submit(t.Context(), cohort.Manifest{Priority: queue.Urgent, Slides: slides(1)})
	if err != nil || urgent.Row != large.Row { // another lane
		t.Errorf("urgent in row %d, %v", urgent.Row, err)
	}
	// Within some takes every cohort has had its turn, and a queue that is filled again
	// keeps the rows.
	turns := func(q *queue.Queue) {
		t.Helper()
		w.queue = q
		d := cohort.NewDesk(w.store, q)
		seen := map[string]bool{}
		for range 1 + 2*queue.Rows {
			task, _, err := begin(t, w, d)
			if err != nil {
				t.Fatal(err)
			}
			seen[task.Cohort] = true
		}
		if len(seen) < 1+queue.Rows {
			t.Errorf("%d cohorts had a turn, want %d", len(seen), 1+queue.Rows)
		}
	}
	turns(w.queue)
	l.Close()
	w.queue.Close()
	w.queue = openQueue(t, filepath.Join(t.TempDir(), "another"))
	w.ledger(t)
	turns(w.queue)
}

func TestTheAccountHoldsWhileALargeCohortIsSubmittedAndCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	m := submit(t, l, 2000)
	if err := l.Cancel(t.Context(), m.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, l, m.ID, [5]int{0, 0, 0, 0, 2000})
	over(t, w, m.ID)
	l.Close() // it puts no more jobs; it may have put none
	if b, err := w.queue.Backlog(t.Context()); err != nil || b.Routine == 0 {
		return
	}
	if _, _, err := begin(t, w, cohort.NewDesk(w.store, w.queue)); !errors.Is(err, cohort.ErrOver) {
		t.Errorf("%v, want over", err)
	}
}

func TestAnotherServerPutsTheJobsWhereTheFirstDoesNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := &gated{Queue: w.queue, begun: make(chan struct{}), gate: make(chan struct{})}
	here := w.ledger(t, func(c *cohort.Config) { c.Queue = g })
	there := w.ledger(t)
	const n = 300
	m := submit(t, here, n)
	eventually(t, there, m.ID, [5]int{n, 0, 0, 0, 0})
	until(t, "the other has put the jobs", func() bool {
		b, err := w.queue.Backlog(t.Context())
		return err == nil && b.Routine == n
	})
}
