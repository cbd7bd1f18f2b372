package queue_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"bcc/queue"
)

// A large cohort, or eight: every job on the disk when Put returns.
func BenchmarkPut(b *testing.B) {
	const jobs = 30_000
	for _, rows := range []int{1, queue.Rows} {
		b.Run(fmt.Sprint("rows=", rows), func(b *testing.B) {
			for b.Loop() {
				q, err := queue.Open(b.Context(), queue.Config{Dir: b.TempDir()})
				if err != nil {
					b.Fatal(err)
				}
				many := make([]queue.Job, jobs)
				for i := range many {
					many[i] = queue.Job{ID: fmt.Sprintf("cabcdefghijklmnopqrstuvwxyz-%d", i), Lane: queue.Routine, Row: i % rows, Data: make([]byte, 300)}
				}
				begun := time.Now()
				if err := q.Put(b.Context(), many...); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(jobs/time.Since(begun).Seconds(), "puts/s")
				begun = time.Now()
				for range 2000 {
					l, err := q.Take(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					if err := l.Done(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(2000/time.Since(begun).Seconds(), "takes+dones/s")
				q.Close()
			}
		})
	}
}

// What a request waits for on an idle queue: until its job is on the disk, and until
// a worker has it.
func BenchmarkWake(b *testing.B) {
	q, err := queue.Open(b.Context(), queue.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	var puts, wakes []time.Duration
	taken := make(chan time.Time)
	go func() {
		for {
			l, err := q.Take(b.Context())
			if err != nil {
				return
			}
			at := time.Now()
			l.Done(b.Context())
			taken <- at
		}
	}()
	n := 0
	for b.Loop() {
		time.Sleep(5 * time.Millisecond) // idle
		n++
		begun := time.Now()
		if err := q.Put(b.Context(), queue.Job{ID: fmt.Sprint("j", n), Lane: queue.Urgent, Data: make([]byte, 300)}); err != nil {
			b.Fatal(err)
		}
		puts = append(puts, time.Since(begun))
		wakes = append(wakes, (<-taken).Sub(begun))
	}
	slices.Sort(puts)
	slices.Sort(wakes)
	ms := func(d time.Duration) float64 { return float64(d) / 1e6 }
	b.ReportMetric(ms(puts[len(puts)/2]), "put-p50-ms")
	b.ReportMetric(ms(wakes[len(wakes)/2]), "taken-p50-ms")
	b.ReportMetric(ms(wakes[len(wakes)*99/100]), "taken-p99-ms")
}

// Opening makes all streams on the disk, then finds them.
func BenchmarkOpen(b *testing.B) {
	var made, found []time.Duration
	for b.Loop() {
		cfg := queue.Config{Dir: b.TempDir()}
		for _, took := range []*[]time.Duration{&made, &found} {
			begun := time.Now()
			q, err := queue.Open(b.Context(), cfg)
			if err != nil {
				b.Fatal(err)
			}
			*took = append(*took, time.Since(begun))
			if err := q.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	slices.Sort(made)
	slices.Sort(found)
	b.ReportMetric(float64(made[len(made)/2])/1e6, "made-ms")
	b.ReportMetric(float64(found[len(found)/2])/1e6, "found-ms")
}
