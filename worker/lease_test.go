package worker_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bcc/blob"
	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
	"bcc/worker"
)

func TestASlideThatTakesTheProcessWithItIsQuarantinedInTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0)))
	for range 20 { // workers that took it and were never heard of again
		l, err := w.queue.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Again(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	w.start(t)
	s := w.wait(t, m, 0)
	if s.State != cohort.Quarantined || s.End.Attempts != 21 || !strings.Contains(s.End.Problem.Message, "begun 20 times") {
		t.Errorf("%+v with %+v", s.End, s.End.Problem)
	}
}

func TestALostLeaseMakesNoSecondEnd(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 300*time.Millisecond)

	var begun atomic.Int64
	gate := make(chan struct{})
	w.before = func(context.Context, int) error {
		if begun.Add(1) == 2 {
			close(gate)
		}
		<-gate
		return nil
	}
	late := func(c *worker.Config) { c.Lease, c.Jobs = time.Hour, 1 } // it beats when all is over
	w.start(t, late)
	w.start(t, late)
	m := w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0)))
	if s := w.wait(t, m, 0); s.State != cohort.Done {
		t.Fatalf("%+v", s.End)
	}
	after := w.submit(t, queue.Routine, w.upload(t, "b", paint(t, 1)), w.upload(t, "c", paint(t, 2)))
	for i := range 2 { // both workers are alive
		w.wait(t, after, i)
	}
	s, err := w.ledger.Summary(t.Context(), m.ID)
	if err != nil || s.Counts.Done != 1 || s.Counts.Submitted != 1 {
		t.Errorf("%+v, %v", s.Counts, err)
	}
}

func TestAWorkerThatBeatsKeepsItsJobs(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, time.Second)
	once := make(chan struct{}, 1)
	once <- struct{}{}
	w.before = func(context.Context, int) error {
		select {
		case <-once:
			time.Sleep(1500 * time.Millisecond) // longer than the lease
		default:
		}
		return nil
	}
	w.start(t, func(c *worker.Config) { c.Lease = 500 * time.Millisecond })
	s := w.wait(t, w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0))), 0)
	if s.State != cohort.Done || s.End.Attempts != 1 || s.End.TookS < 1.5 {
		t.Errorf("%+v", s.End)
	}
}

func TestAStoreThatIsAwayCostsTimeAndNoSlide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	away := &awayStore{Store: w.store}
	away.away.Store(true)
	cfg := worker.DefaultConfig()
	cfg.Pause, cfg.Scratch, cfg.Attempts = time.Millisecond, t.TempDir(), 1
	wk, err := worker.New(cfg, w.model, away, w.queue, cohort.NewDesk(away, w.queue), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- wk.Run(ctx) }()
	m := w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0)))
	for away.asked.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	if d := wk.State().Degraded; len(d) != 1 {
		t.Errorf("degraded %q, want it told that the store is away", d)
	}
	away.away.Store(false)
	if s := w.wait(t, m, 0); s.State != cohort.Done {
		t.Errorf("%+v with %+v", s.End, s.End.Problem)
	}
	if d := wk.State().Degraded; len(d) != 0 {
		t.Errorf("degraded %q, but the store has answered", d)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// awayStore is a store that at times does not answer.
type awayStore struct {
	blob.Store
	away  atomic.Bool
	asked atomic.Int64
}

func (s *awayStore) Open(ctx context.Context, key string) (*blob.Object, error) {
	if s.away.Load() {
		s.asked.Add(1)
		return nil, fault.New(fault.Unavailable, "no answer")
	}
	return s.Store.Open(ctx, key)
}
