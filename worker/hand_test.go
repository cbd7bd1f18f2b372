package worker_test

import (
	"context"
	"sync/atomic"
	"testing"

	"bcc/cohort"
	"bcc/queue"
	"bcc/worker"
)

func TestAWorkerTellsWhatShardsTookBeforeTheirSlideHasAnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const shard, through = 4, 3 // batches of four patches: a shard is one
	var batches atomic.Int32
	open := make(chan struct{})
	w.before = func(ctx context.Context, _ int) error {
		if batches.Add(1) <= through {
			return nil
		}
		select {
		case <-open:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	w.start(t, oneSlot, func(c *worker.Config) { c.Shard = shard })
	m := w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0)), w.upload(t, "b", paint(t, 1)))
	cost := func() cohort.Cost {
		s, err := w.ledger.Summary(t.Context(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		return s.Cost
	}
	until(t, "the first shards are told of", func() bool {
		if err := w.desk.Hello(cohort.WorkerState{ID: "x"}); err != nil { // tells all anew
			t.Error(err)
		}
		c := cost()
		return c.Patches == through*shard && c.ComputeS > 0
	})
	close(open)
	for i := range m.Slides {
		w.wait(t, m, i)
	}
	var patches int
	var seconds float64
	for i := range m.Slides {
		e := w.wait(t, m, i).End
		patches, seconds = patches+e.Looked(), seconds+e.ComputeS
	}
	if c := cost(); c.Patches != patches || c.ComputeS-seconds > 1e-9 || seconds-c.ComputeS > 1e-9 {
		t.Errorf("%+v in the end, want %d patches and %v s", c, patches, seconds)
	}
}
