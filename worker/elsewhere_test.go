package worker_test

import (
	"context"
	"iter"
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

func TestAWorkerWithAnotherStoreLeavesSlidesToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.submit(t, queue.Routine, w.upload(t, "s.png", paint(t, 1)))
	store, err := blob.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stray := *w
	stray.store, stray.desk = store, cohort.NewDesk(store, w.queue)
	stray.start(t, func(c *worker.Config) { c.ID = "stray" })
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		s, err := w.ledger.Summary(t.Context(), m.ID)
		if err != nil || s.Counts.Pending+s.Counts.Running != 1 {
			t.Fatalf("%+v, %v: want that the slide waits", s.Counts, err)
		}
		workers := w.ledger.Workers()
		if len(workers) == 1 && strings.Contains(strings.Join(workers[0].Degraded, "; "), "another store") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the worker does not say so: %+v", workers)
		}
	}
	w.start(t)
	if s := w.wait(t, m, 0); s.State != cohort.Done || s.End.Attempts != 1 {
		t.Errorf("with the right store: %+v", s.End)
	}
	if keys := w.kept(t); len(keys) == 0 {
		t.Error("nothing was kept")
	}
}

func TestASlideOfACohortThatWasTakenAwayHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slide := w.upload(t, "s.png", paint(t, 1))
	for range queue.Rows {
		gone := w.submit(t, queue.Routine, slide)
		if err := w.store.Delete(t.Context(), "cohorts/"+gone.ID+"/manifest.json"); err != nil {
			t.Fatal(err)
		}
	}
	other := w.submit(t, queue.Routine, slide)
	w.start(t, func(c *worker.Config) { c.Jobs, c.Pause = 1, 10*time.Minute }) // a rest for each would be too long for wait
	if s := w.wait(t, other, 0); s.State != cohort.Done {
		t.Errorf("%+v", s.End)
	}
}

// mounted is a store that is an empty folder while it is not mounted.
type mounted struct {
	blob.Store
	gone  atomic.Bool
	asked atomic.Int64 // for slides, meanwhile
}

func (m *mounted) Open(ctx context.Context, key string) (*blob.Object, error) {
	if !m.gone.Load() {
		return m.Store.Open(ctx, key)
	}
	if strings.HasPrefix(key, "slides/") {
		m.asked.Add(1)
	}
	return nil, fault.New(fault.NotFound, "object %s: there is none", key)
}

func (m *mounted) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	if m.gone.Load() {
		return func(func(blob.Info, error) bool) {}
	}
	return m.Store.List(ctx, prefix)
}

func TestAStoreThatIsUnmountedFailsNoSlide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := &mounted{Store: w.store}
	cfg := worker.DefaultConfig()
	cfg.Jobs, cfg.Pause, cfg.Scratch = 1, time.Millisecond, t.TempDir()
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	w.before = func(context.Context, int) error {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-leave
		return nil
	}
	wk, err := worker.New(cfg, w.model, store, w.queue, cohort.NewDesk(store, w.queue), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- wk.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })

	m := w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0)), w.upload(t, "b", paint(t, 1)))
	<-entered // it knows the cohort
	store.gone.Store(true)
	close(leave)
	for deadline := time.Now().Add(20 * time.Second); store.asked.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the next slide was not asked for")
		}
	}
	time.Sleep(50 * time.Millisecond) // some more attempts
	store.gone.Store(false)
	for i := range 2 {
		if s := w.wait(t, m, i); s.State != cohort.Done {
			t.Errorf("slide %d: %+v", i, s.End)
		}
	}
}
