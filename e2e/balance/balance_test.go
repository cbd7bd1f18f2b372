//go:build e2e

// Package balance drives bcc balance in front of three real bcc serve that share a queue
// and a store: one that is slowed, one that is killed, all restarted one after another.
// make e2e-balance, two minutes.
package balance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestASlowServerIsNotSeenInTheTail offers the same load, below what two servers can
// do, to all three with one slowed and to the two healthy ones alone, in turns.
//
// The slowed one is stopped by signals for as much of the time as it takes to answer five
// times later. It shares the machine's cores with the others, so what it does not do is
// theirs: that is small at this load, and bench/balance has stubs that share nothing.
func TestASlowServerIsNotSeenInTheTail(t *testing.T) {
	const rounds, rate, round = 5, 25, 10 * time.Second
	f := newFleet(t)
	all := f.balance(t, "all", f.servers...)
	healthy := f.balance(t, "healthy", f.servers[:2]...)
	f.offer(t, all.url, rate, 4*time.Second, nil) // warm
	f.offer(t, healthy.url, rate, 4*time.Second, nil)
	defer f.slowed(t, f.servers[2], 5)()
	var with, without []time.Duration
	for i := range rounds {
		a, b := f.offer(t, healthy.url, rate, round, nil), f.offer(t, all.url, rate, round, nil)
		if n := len(a.errors) + len(b.errors); n > 0 {
			t.Errorf("%d errors: %v", n, append(a.errors, b.errors...)[0])
		}
		t.Logf("round %d: two healthy p50 %v p99 %v; three, one slowed p50 %v p99 %v", i+1, a.quantile(0.5), a.quantile(0.99), b.quantile(0.5), b.quantile(0.99))
		without, with = append(without, a.quantile(0.99)), append(with, b.quantile(0.99))
	}
	for _, m := range all.members(t) {
		t.Logf("%s was asked %d times", m.Server, m.Requests)
	}
	slices.Sort(with)
	slices.Sort(without)
	ratio := float64(with[rounds/2]) / float64(without[rounds/2])
	t.Logf("medians of p99: %v with the slowed one, %v without: ratio %.2f", with[rounds/2], without[rounds/2], ratio)
	if ratio > 1.3 {
		t.Errorf("ratio %.2f, want at most 1.3", ratio)
	}
}

// slowed slows a server until its median, asked alone, is so many times what it was.
func (f *fleet) slowed(t *testing.T, s *server, times float64) (stop func()) {
	t.Helper()
	median := func() time.Duration { return f.offer(t, s.url(), 10, 4*time.Second, nil).quantile(0.5) }
	before := median()
	var pause atomic.Int64
	pause.Store(int64(4 * time.Millisecond))
	stop = s.slow(&pause)
	for range 10 {
		after := median()
		t.Logf("asked alone, stopped for %v at a time: median %v, %v before it was slowed", time.Duration(pause.Load()), after, before)
		if float64(after) >= times*float64(before) {
			return stop
		}
		pause.Store(pause.Load() * 3 / 2)
	}
	stop()
	t.Fatalf("the server cannot be slowed %v times", times)
	return nil
}

// TestAServerThatIsKilledAtFullLoadCostsNothing kills each of them once, and starts it
// again.
func TestAServerThatIsKilledAtFullLoadCostsNothing(t *testing.T) {
	f := newFleet(t)
	b := f.balance(t, "all", f.servers...)
	stop := make(chan struct{})
	load := f.press(t, b.url, 8, false, stop)
	for _, s := range f.servers {
		b.awaits(t, s, "ready", 20)
		s.kill(t)
		b.awaits(t, s, "ejected", 0)
		s.start(t)
		b.awaits(t, s, "ready", 0)
	}
	close(stop)
	got := load()
	t.Logf("%d requests answered, %d not; %s", got.well, len(got.errors), b.retries(t))
	if len(got.errors) > 0 || got.well < 100 {
		t.Errorf("%d errors of %d: %v", len(got.errors), got.well, got.errors[:min(len(got.errors), 5)])
	}
}

// TestARollingRestartCostsNothing restarts all three by SIGTERM, under load that also
// orders slides, which is never sent twice.
func TestARollingRestartCostsNothing(t *testing.T) {
	f := newFleet(t)
	for _, how := range []string{"told by probes", "told by the queue"} {
		t.Run(how, func(t *testing.T) {
			b := f.balance(t, strings.ReplaceAll(how, " ", "-"), f.servers...)
			if how == "told by the queue" {
				b.stop(t)
				b = f.balanceBy(t, "queue", "--queue", f.queue)
			}
			stop := make(chan struct{})
			load := f.press(t, b.url, 6, true, stop)
			for _, s := range f.servers {
				b.awaits(t, s, "ready", 20)
				s.end(t)
				s.start(t)
				b.awaits(t, s, "ready", 0)
			}
			close(stop)
			got := load()
			t.Logf("%d requests answered, %d cohorts ordered, %d errors; %s", got.well, got.orders, len(got.errors), b.retries(t))
			if len(got.errors) > 0 || got.well < 100 || got.orders < 3 {
				t.Errorf("%d errors of %d (%d orders): %v", len(got.errors), got.well, got.orders, got.errors[:min(len(got.errors), 5)])
			}
			f.counted(t, b.url, got.orders)
		})
	}
}

// TestWhoDiesWithoutAWordFades kills a server that greeted on the queue.
func TestWhoDiesWithoutAWordFades(t *testing.T) {
	f := newFleet(t)
	b := f.balanceBy(t, "queue", "--queue", f.queue)
	for _, s := range f.servers {
		b.awaits(t, s, "ready", 0)
	}
	begun := time.Now()
	f.servers[0].kill(t)
	until(t, "the dead one is no member any more", func() bool { return len(b.members(t)) == 2 })
	t.Logf("gone after %v", time.Since(begun))
	begun = time.Now()
	f.servers[1].term(t)
	until(t, "who says so is gone", func() bool { return len(b.members(t)) == 1 })
	t.Logf("who said so was gone after %v", time.Since(begun))
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("who says that it leaves was gone after %v", took)
	}
	if code := status(t, fmt.Sprint(b.url, "/model/info")); code != http.StatusOK {
		t.Errorf("%d from the last one", code)
	}
}
