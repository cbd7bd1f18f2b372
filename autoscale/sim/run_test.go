package sim

import (
	"context"
	"errors"
	"testing"
	"time"

	"bcc/autoscale"
	"bcc/fault"
)

// decide is a policy of one function.
type decide func(s autoscale.Signals, past []autoscale.Record) int

func (decide) Name() string          { return "test" }
func (decide) Window() time.Duration { return time.Minute }

func (d decide) Decide(s autoscale.Signals, past []autoscale.Record) (autoscale.Decision, map[string]int) {
	return autoscale.Decision{Wanted: map[string]int{s.Groups[0].Name: d(s, past)}}, nil
}

// always wants so many until nothing is left to do.
func always(n int) decide {
	return func(s autoscale.Signals, _ []autoscale.Record) int {
		if len(s.Demands) == 0 {
			return 0
		}
		return n
	}
}

// exact has no guesses and no delay: what happens can be counted by hand.
func exact() Config {
	cfg := DefaultConfig()
	cfg.Guess, cfg.Delay = 0, 0
	return cfg
}

func simulate(t *testing.T, cfg Config, p autoscale.Policy, jobs []Job) Figures {
	t.Helper()
	f, err := Run(t.Context(), cfg, p, jobs)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestItPaysFromTheWishToTheEnd(t *testing.T) {
	t.Parallel()
	// Ten shards: ready after 120 s, 51.2 s of work, seen at 180 s.
	f := simulate(t, exact(), always(1), []Job{{Patches: 5120}})
	if f.Hours*3600 != 180 || f.P50 != 171.2 || f.Starts != 1 || f.Reversals != 1 || f.Misses != 0 {
		t.Errorf("one worker: %+v", f)
	}
	// Ten workers share it; the wish at 120 s and the end at 135 s.
	f = simulate(t, exact(), always(10), []Job{{Patches: 5120}})
	if f.Hours*3600 != 1350 || f.P50 != 125.12 || f.Peak != 10 {
		t.Errorf("ten workers: %+v", f)
	}
	if want := 1350.0 / 3600 * 0.357; f.USD != want {
		t.Errorf("cost %g, want %g", f.USD, want)
	}
}

func TestUrgentWorkComesFirst(t *testing.T) {
	t.Parallel()
	f := simulate(t, exact(), always(1), []Job{
		{Patches: 51200},
		{Arrival: 130 * time.Second, Patches: 512, Urgent: true, Deadline: 141 * time.Second},
	})
	if f.Misses != 0 { // a shard of the first ends at 135.36 s, the urgent one at 140.48 s
		t.Errorf("the urgent slide was late by %.2f s", f.Late)
	}
}

func TestABusyWorkerIsNeverEnded(t *testing.T) {
	t.Parallel()
	ask := decide(func(s autoscale.Signals, _ []autoscale.Record) int {
		if s.Now.Sub(Epoch) < 150*time.Second {
			return 4
		}
		return 0 // while all are at work
	})
	f := simulate(t, exact(), ask, []Job{{Patches: 4 * 51200}})
	if f.Misses != 0 || f.Again != 0 || f.Starts != 4 {
		t.Errorf("workers were ended in the middle: %+v", f)
	}
	if f.P50 < 632 || f.P50 > 633 { // 120 s + 100 shards of 5.12 s each
		t.Errorf("done after %.1f s", f.P50)
	}
}

func TestOneThatTookWorkSinceItWasSeenIdleFinishesIt(t *testing.T) {
	t.Parallel()
	cfg := exact()
	cfg.Delay = 5 * time.Second
	ask := decide(func(s autoscale.Signals, _ []autoscale.Record) int {
		if s.Now.Sub(Epoch) == 300*time.Second {
			return 0
		}
		return 1
	})
	// Seen idle at 295 s, takes one of two shards at 297 s, is to go at 300 s, finishes
	// at 302.12 s. The other shard waits for the next worker: 315 + 120 + 5.12 s.
	f := simulate(t, cfg, stopAfter(ask, 450*time.Second), []Job{{Arrival: 297 * time.Second, Patches: 1024}})
	if f.P50 != 315+120+5.12-297 || f.Starts != 2 || f.Again != 0 {
		t.Errorf("%+v", f)
	}
}

// stopAfter wants nobody any more after a time.
func stopAfter(d decide, end time.Duration) decide {
	return func(s autoscale.Signals, past []autoscale.Record) int {
		if s.Now.Sub(Epoch) > end {
			return 0
		}
		return d(s, past)
	}
}

func TestReversalsAreTurnsOfTheWantedNumber(t *testing.T) {
	t.Parallel()
	wanted := []int{1, 2, 2, 1, 1, 3, 3, 0} // up up down up down
	ask := decide(func(s autoscale.Signals, _ []autoscale.Record) int {
		return wanted[min(int(s.Now.Sub(Epoch)/(15*time.Second)), len(wanted)-1)]
	})
	if f := simulate(t, exact(), ask, []Job{{Patches: 1}}); f.Reversals != 3 || f.Changes != 5 {
		t.Errorf("%d reversals in %d changes, want 3 in 5", f.Reversals, f.Changes)
	}
}

func TestNoWorkIsLostWithWorkers(t *testing.T) {
	t.Parallel()
	jobs, err := MadeOf("bursts", 5)
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Kinds = []autoscale.Kind{
		{Name: "safe", PatchesPerS: 80, StartUp: time.Minute, Max: 10},
		{Name: "spot", PatchesPerS: 130, StartUp: 3 * time.Minute, Max: 10, Spot: true},
	}
	cfg.CrashEvery, cfg.SpotEvery, cfg.FailStarts, cfg.Spread = 2*time.Hour, 10*time.Minute, 0.2, 0.5
	both := policyOf(func(s autoscale.Signals) map[string]int {
		if len(s.Demands) == 0 {
			return map[string]int{"safe": 0, "spot": 0}
		}
		return map[string]int{"safe": 2, "spot": 3}
	})
	f := simulate(t, cfg, both, jobs)
	if f.Unfinished != 0 || f.Jobs != len(jobs) {
		t.Errorf("%d of %d jobs have no end", f.Unfinished, f.Jobs)
	}
	if f.Lost == 0 || f.Again == 0 || f.FailedStart == 0 {
		t.Errorf("nothing went wrong: %+v", f)
	}
	again := simulate(t, cfg, both, jobs)
	if again.Hours != f.Hours || again.P99 != f.P99 || again.Lost != f.Lost {
		t.Error("the same seed gave another run")
	}
	cfg.Seed++
	if other := simulate(t, cfg, both, jobs); other.Lost == f.Lost && other.Hours == f.Hours {
		t.Error("another seed gave the same run")
	}
}

type policyOf func(s autoscale.Signals) map[string]int

func (policyOf) Name() string          { return "test" }
func (policyOf) Window() time.Duration { return 0 }

func (p policyOf) Decide(s autoscale.Signals, _ []autoscale.Record) (autoscale.Decision, map[string]int) {
	return autoscale.Decision{Wanted: p(s)}, nil
}

func TestAPolicySeesWhatTheServerWouldSay(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Guess = 0
	jobs := []Job{
		{Arrival: 0, Patches: 1000},
		{Arrival: 10 * time.Second, Patches: 3000},
		{Arrival: 20 * time.Second, Patches: 700, Deadline: time.Hour},
		{Arrival: 90 * time.Second, Patches: 50},
		{Arrival: 100 * time.Second, Patches: 600, Urgent: true},
	}
	var at105 autoscale.Signals
	ask := decide(func(s autoscale.Signals, _ []autoscale.Record) int {
		if s.Now.Sub(Epoch) == 105*time.Second {
			at105 = s
		}
		return always(2)(s, nil)
	})
	simulate(t, cfg, ask, jobs)
	want := []autoscale.Demand{
		{Urgent: true, Slides: 1, Patches: 600, Largest: 600, Since: Epoch.Add(100 * time.Second), Newest: Epoch.Add(100 * time.Second)},
		{Slides: 1, Patches: 700, Largest: 700, Since: Epoch.Add(20 * time.Second), Newest: Epoch.Add(20 * time.Second), Deadline: Epoch.Add(time.Hour)},
		{Slides: 2, Patches: 4000, Largest: 3000, Since: Epoch, Newest: Epoch.Add(10 * time.Second)},
		{Slides: 1, Patches: 50, Largest: 50, Since: Epoch.Add(90 * time.Second), Newest: Epoch.Add(90 * time.Second)},
	}
	if len(at105.Demands) != len(want) {
		t.Fatalf("demands %+v", at105.Demands)
	}
	for i := range want {
		if at105.Demands[i] != want[i] {
			t.Errorf("demand %d: %+v, want %+v", i, at105.Demands[i], want[i])
		}
	}
	g := at105.Groups[0]
	if g.Ready != 0 || len(g.Starting) != 2 || !g.Starting[0].Equal(Epoch.Add(120*time.Second)) || at105.Shard != 512 {
		t.Errorf("group %+v", g)
	}
}

func TestItEndsWhenNobodyScalesUp(t *testing.T) {
	t.Parallel()
	f := simulate(t, exact(), always(0), []Job{{Patches: 100}, {Arrival: time.Minute, Patches: 100}})
	if f.Misses != 2 || f.Unfinished != 2 || f.Hours != 0 {
		t.Errorf("%+v", f)
	}
}

func TestItRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	ok := []Job{{Patches: 1}}
	for _, c := range []struct {
		name string
		jobs []Job
		cfg  func(*Config)
	}{
		{"no jobs", nil, func(*Config) {}},
		{"no patches", []Job{{}}, func(*Config) {}},
		{"backwards", []Job{{Arrival: 2, Patches: 1}, {Arrival: 1, Patches: 1}}, func(*Config) {}},
		{"too long", []Job{{Patches: 1, Deadline: 401 * 24 * time.Hour}}, func(*Config) {}},
		{"too many decisions", []Job{{Patches: 1, Deadline: 399 * 24 * time.Hour}}, func(c *Config) { c.Interval, c.Delay = time.Second, 0 }},
		{"no kinds", ok, func(c *Config) { c.Kinds = nil }},
		{"the same kind twice", ok, func(c *Config) { c.Kinds = append(c.Kinds, c.Kinds[0]) }},
		{"max 0", ok, func(c *Config) { c.Kinds[0].Max = 0 }},
		{"no rate", ok, func(c *Config) { c.Kinds[0].PatchesPerS = 0 }},
		{"a delay longer than the interval", ok, func(c *Config) { c.Delay = time.Minute }},
	} {
		cfg := DefaultConfig()
		c.cfg(&cfg)
		if _, err := Run(t.Context(), cfg, always(1), c.jobs); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestItStopsWhenAsked(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Run(ctx, DefaultConfig(), always(1), []Job{{Patches: 1}}); !errors.Is(err, context.Canceled) {
		t.Errorf("it went on: %v", err)
	}
}
