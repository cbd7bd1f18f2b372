package worker_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/cohort"
	"bcc/queue"
	"bcc/worker"
)

func TestAWorkerWhoseEngineIsTakenByAnUrgentSlideLeavesItsShardsToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := prometheus.NewRegistry()
	w.start(t, inShards, func(c *worker.Config) { c.Jobs, c.Registerer = 4, r })
	m := w.submit(t, queue.Urgent, w.upload(t, "a", paint(t, 0)))
	if s := w.wait(t, m, 0); s.State != cohort.Done {
		t.Fatalf("%+v", s.End)
	}
	if n := count(t, r, "bcc_part_jobs_total", "scored"); n != 0 {
		t.Errorf("%.0f of its shards were made beside the one in hand: they were for workers that are idle", n)
	}
	if n := count(t, r, "bcc_shard_offers_total", ""); n == 0 {
		t.Error("nothing was offered")
	}
}

func TestAnEndSaysWhichKindsOfWorkersMadeIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	of := func(kind string) func(*worker.Config) {
		return func(c *worker.Config) { c.Kind = kind }
	}
	w.start(t, oneSlot, inShards, of("cpu"))
	w.start(t, oneSlot, inShards, of("gpu"))
	until(t, "both made a part of some slide", func() bool {
		m := w.submit(t, queue.Urgent, w.upload(t, "a", paint(t, int(time.Now().UnixNano()%60_000))))
		e := w.wait(t, m, 0).End
		if e.Kind != "cpu" && e.Kind != "gpu" {
			t.Fatalf("made by a worker of kind %q", e.Kind)
		}
		sum := 0.0
		for _, s := range e.ComputeBy {
			sum += s
		}
		if len(e.ComputeBy) > 0 && (sum < 0.99*e.ComputeS || sum > 1.01*e.ComputeS) {
			t.Fatalf("%v make %v", e.ComputeBy, e.ComputeS)
		}
		return len(e.ComputeBy) == 2
	})
}
