package worker_test

import (
	"strings"
	"testing"
	"time"

	"bcc/cohort"
	"bcc/queue"
)

func TestASlideWaitsForAWorkerWithItsModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slide := w.upload(t, "s.png", paint(t, 1))
	m, err := w.ledger.Submit(t.Context(), cohort.Manifest{Priority: queue.Routine, Model: "beef", Slides: []cohort.Slide{slide}})
	if err != nil {
		t.Fatal(err)
	}
	own := w.submit(t, queue.Routine, slide)
	w.start(t) // its model is f00d
	if s := w.wait(t, own, 0); s.State != cohort.Done {
		t.Fatalf("the slide of no special model: %+v", s.End)
	}
	told := func() string {
		s, err := w.ledger.Summary(t.Context(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		if s.Counts.Pending+s.Counts.Running != 1 {
			t.Fatalf("a worker with another model took it: %+v", s.Counts)
		}
		return strings.Join(s.Degraded, "; ")
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(told(), "wait for a worker with the model beef"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is said of it: %q", told())
		}
	}
	w.model.Detect.Model.SHA256 = "beef"
	w.start(t)
	s := w.wait(t, m, 0)
	if s.State != cohort.Done || s.End.Attempts != 1 {
		t.Errorf("with its model: %s after %d attempts, want done after one", s.State, s.End.Attempts)
	}
}
