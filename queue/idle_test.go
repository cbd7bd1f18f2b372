//go:build linux

package queue_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"bcc/queue"
)

// Sixteen takers who find nothing: processor time a second.
func BenchmarkIdle(b *testing.B) {
	q, err := queue.Open(b.Context(), queue.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for range 16 {
		go q.Take(ctx)
	}
	used := func() time.Duration {
		var r syscall.Rusage
		syscall.Getrusage(0, &r)
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	time.Sleep(3 * time.Second)
	for b.Loop() {
		before := used()
		time.Sleep(5 * time.Second)
		b.ReportMetric(float64(used()-before)/5e6, "cpu-ms/s")
	}
}
