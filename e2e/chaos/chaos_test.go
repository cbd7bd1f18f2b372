//go:build e2e

// Package chaos pulls plugs on a whole fleet of the built program and looks whether it
// lost anything: a server, workers, three NATS servers, object storage by versity
// gateway. Everything runs on this machine, in processes of its own.
//
//	plan_test.go     which faults, when, for how long: all from a seed
//	slides_test.go   the slides: sound, poisonous, damaged
//	fleet_test.go    what is started, and how it is killed and started again
//	nats_test.go     three servers of the queue
//	store_test.go    object storage behind a proxy that is slow, lies and stops
//	network_test.go  a worker in a network of its own, which can be cut
//	client_test.go   who submits, and looks at the account every second
//	check_test.go    what must hold at the end
//
// make chaos runs 200 slides on six workers (minutes), make e2e-chaos 24 on three
// (about a minute). BCC_CHAOS_SEED replays the faults of a run: which, on whom, after
// what pause, for how long. What the processes are doing at that moment is not
// replayed, nor which of the store's requests a fault hits. BCC_CHAOS_KEEP keeps the
// folder of a run that went well; that of a failed one always stays.
package chaos

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// scenario is one size of chaos.
type scenario struct {
	slides   int
	poison   int // of slides: they kill or hang whoever decodes them
	damaged  int // of slides: they open, and their pixels cannot be read
	workers  int
	nodes    int // of the queue
	cohorts  int
	faults   int           // each kind comes once before any comes again
	long     int           // of faults, those that last longer than a lease
	pause    time.Duration // between two faults, on average
	lasts    time.Duration // of a fault that lasts, on average
	patience time.Duration // after the last fault, until every slide must have ended
	model    string        // a network, as bcc bench bundle knows it
	sizes    []share
}

func TestChaos(t *testing.T) {
	run(t, scenario{
		slides: 200, poison: 10, damaged: 4, workers: 6, nodes: 3, cohorts: 5,
		faults: 60, long: 8, pause: 3 * time.Second, lasts: 4 * time.Second, patience: 10 * time.Minute, model: "resnet18-slim",
		sizes: []share{{60, "1800x1400"}, {50, "4000x3000"}, {40, "6000x5000"}, {36, "9000x8000"}, {10, "14000x12000"}, {4, "26000x24000"}},
	})
}

func TestChaosShort(t *testing.T) {
	run(t, scenario{
		slides: 24, poison: 2, damaged: 1, workers: 3, nodes: 3, cohorts: 4,
		faults: 14, long: 2, pause: 800 * time.Millisecond, lasts: 2 * time.Second, patience: 3 * time.Minute, model: "resnet18-slim",
		sizes: []share{{4, "1800x1400"}, {8, "4000x3000"}, {8, "6000x5000"}, {4, "12000x10000"}},
	})
}

// run is the story: a quiet run says what is right, then the same slides go through a
// fleet whose plugs are pulled, then all is looked at.
func run(t *testing.T, s scenario) {
	seed := seedOf(t)
	d := open(t)
	d.note("seed %d: BCC_CHAOS_SEED=%d replays these faults", seed, seed)
	tools := findTools(t)
	set := s.make(t, d, tools, seed)
	want := quiet(t, d, tools, s, set)

	f := newFleet(t, d, tools, s, seed)
	f.start(t)
	c := newClient(d, f.server.base)
	account, stopAccount := watch(t.Context(), d, c)

	faults := plan(seed, s)
	orders := set.orders(s.cohorts)
	var work errgroup.Group
	submit := func(o order) {
		work.Go(func() error { return c.submit(t.Context(), o) })
	}
	for i, at := range faults {
		for len(orders) > 0 && i >= len(faults)*orders[0].turn/(s.cohorts+1) {
			submit(orders[0])
			orders = orders[1:]
		}
		pause(t.Context(), at.pause)
		work.Go(func() error { return f.strike(t.Context(), at) })
		if t.Context().Err() != nil {
			break
		}
	}
	for _, o := range orders {
		submit(o)
	}
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
	d.note("the last fault is over: everything has to end within %v", s.patience)
	ctx, cancel := context.WithTimeout(t.Context(), s.patience)
	defer cancel()
	if err := c.wait(ctx); err != nil {
		t.Errorf("not every slide ended: %v", err)
	}
	if err := until(t.Context(), 3*lease, f.queue.empty); err != nil {
		t.Errorf("what is over lies on the queue: %v", err)
	}
	if err := f.settle(t.Context()); err != nil {
		t.Error(err)
	}
	stopAccount()
	for _, wrong := range <-account {
		t.Error(wrong)
	}
	got := c.account(t)
	f.stop(t)
	check(t, d, f, set, want, got)
}

// seedOf returns the seed of the run.
func seedOf(t *testing.T) uint64 {
	text := os.Getenv("BCC_CHAOS_SEED")
	if text == "" {
		return 1
	}
	if text == "random" {
		return uint64(time.Now().UnixNano()) % 1_000_000
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("BCC_CHAOS_SEED %q: want a number, or random", text)
	}
	return seed
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// until asks again and again until f says nil, ctx ends or limit is over.
func until(ctx context.Context, limit time.Duration, f func() error) error {
	end := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("after %v: %w", limit, err)
		}
		pause(ctx, 50*time.Millisecond)
	}
}
