package worker_test

import (
	"strings"
	"testing"
	"time"

	"bcc/blob"
	"bcc/cohort"
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
