package cohort_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"bcc/cohort"
	"bcc/queue"
)

func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// What a submission of 30,000 slides takes, and what it leaves in memory.
func BenchmarkSubmit(b *testing.B) {
	w := newWorld(b)
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue = w.store, w.queue
	l, err := cohort.Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	before := heap()
	n := 0
	for b.Loop() {
		if _, err := l.Submit(b.Context(), cohort.Manifest{Slides: slides(30_000)}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric((heap()-before)/float64(n), "MiB/cohort")
}

// What opening takes where 10,000 cohorts are over.
func BenchmarkOpen(b *testing.B) {
	w := newWorld(b)
	for range 10_000 {
		id := cohort.NewID()
		s := cohort.Summary{ID: id, Name: "n", Priority: queue.Routine, Submitted: time.Now(), State: cohort.Done, Counts: cohort.Counts{Submitted: 3, Done: 3}}
		put(b, w.store, "ledger/closed/"+id+".json", map[string]any{"format_version": 1, "owner": "k", "summary": s})
	}
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue = w.store, w.queue
	before := heap()
	for b.Loop() {
		l, err := cohort.Open(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(heap()-before, "MiB")
		if sums, _ := l.Summaries(b.Context(), "k", false); len(sums) != 10_000 {
			b.Fatal(fmt.Sprint(len(sums), " cohorts"))
		}
		l.Close()
	}
}
