// Package sim replays a trace of work against autoscaling policies in virtual time.
//
// In: jobs (what arrived when, how large, wanted by when) and the kinds of workers
// that can be had. Out: how a policy did: what was late, what it cost, how often it
// turned round, and how far that is from what somebody who knew the trace beforehand
// would have needed. The policies are the ones that a real fleet runs, and are shown
// what the server would show them.
//
//	trace.go       formats of traces: one file each, trace*.go
//	lab.go         a pathology laboratory's day, invented
//	made.go        other traces, invented to be hard
//	sim.go         the rules
//	run.go         the clock: what happens next
//	pool.go        workers: start, take, finish, fail, are taken away
//	events.go      what will happen to workers, by time
//	lanes.go       work that waits, as the queue hands it out
//	signals.go     what a policy sees
//	figures.go     what is told of a run
//	bound.go       what no schedule can do without (DESIGN.md has the proofs), by
//	               search (boundsearch.go) or by peaks (boundpeaks.go)
//	plan.go        what somebody could do who knew the trace
//
// It reads no clock, and the same seed gives the same run.
package sim

import (
	"errors"
	"log/slog"
	"time"

	"bcc/autoscale"
	"bcc/fault"
)

// Epoch is the moment at which every trace begins: a Monday, midnight.
var Epoch = time.Date(2026, time.January, 5, 0, 0, 0, 0, time.UTC)

// Job is work that arrives at once: a slide. Times count from Epoch.
type Job struct {
	Arrival  time.Duration
	Deadline time.Duration // when it is wanted; 0: none was named
	Patches  int           // at least 1
	Urgent   bool
}

// Config is what a run is made of. The rules of the real fleet stand beside each field
// that imitates one.
type Config struct {
	Kinds       []autoscale.Kind
	Interval    time.Duration // between decisions; 15 s as autoscale.Loop
	Delay       time.Duration // age of what is decided on; 5 s: workers greet every few seconds
	Shard       int           // patches a worker takes at once; 512 as worker.Config
	Drain       time.Duration // routine work without a deadline is wanted so soon after its arrival; 1 h
	UrgentDrain time.Duration // and urgent work; 15 min
	Guess       float64       // relative standard deviation of a slide's patches before it is begun; 0.2, an estimate

	Spread     float64       // start-ups take up to this share longer or shorter; 0
	FailStarts float64       // share of started workers that never take work; 0
	CrashEvery time.Duration // mean time until a worker dies; 0: never
	SpotEvery  time.Duration // mean time until a spot worker is taken away; 0: never
	Seed       uint64

	Logger *slog.Logger // told every decision that changes the number, at debug level; nil: nobody
}

// DefaultConfig has one kind: rate and start-up are round numbers near what was seen of
// bcc-demo on small cloud machines (estimates); the price is that of a c7i.2xlarge.
func DefaultConfig() Config {
	return Config{
		Kinds:    []autoscale.Kind{{Name: "worker", PatchesPerS: 100, USDPerHour: 0.357, StartUp: 2 * time.Minute, Max: 10_000}},
		Interval: 15 * time.Second, Delay: 5 * time.Second, Shard: 512,
		Drain: time.Hour, UrgentDrain: 15 * time.Minute, Guess: 0.2, Seed: 1,
	}
}

// Limits of a run, so that a mistaken number ends in a sentence and not in a full memory.
const (
	maxWorkers   = 100_000
	maxHorizon   = 400 * 24 * time.Hour
	maxDecisions = 5_000_000
	maxKinds     = 16
)

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	if len(c.Kinds) == 0 || len(c.Kinds) > maxKinds {
		bad("%d kinds of workers: 1 to %d can be simulated", len(c.Kinds), maxKinds)
	}
	seen := map[string]bool{}
	for _, k := range c.Kinds {
		if k.Name == "" || seen[k.Name] {
			bad("kind %q: each needs a name of its own", k.Name)
		}
		seen[k.Name] = true
		if !(k.PatchesPerS > 0 && k.PatchesPerS <= 1e6) {
			bad("kind %s: a rate of %g patches per second cannot be simulated; more than 0, at most a million", k.Name, k.PatchesPerS)
		}
		if !(k.USDPerHour >= 0 && k.USDPerHour < 1e6) {
			bad("kind %s: %g USD per hour is no price", k.Name, k.USDPerHour)
		}
		if k.StartUp < 0 || k.StartUp > 24*time.Hour {
			bad("kind %s: a start-up of %v; 0 to 24h", k.Name, k.StartUp)
		}
		if k.Min < 0 || k.Max < max(k.Min, 1) || k.Max > maxWorkers {
			bad("kind %s: between %d and %d workers; min at least 0, max 1 to %d and not below min", k.Name, k.Min, k.Max, maxWorkers)
		}
	}
	for _, d := range []struct {
		name     string
		v        time.Duration
		min, max time.Duration
	}{
		{"interval", c.Interval, time.Second, time.Hour}, {"delay", c.Delay, 0, c.Interval},
		{"drain", c.Drain, time.Second, maxHorizon}, {"urgent drain", c.UrgentDrain, time.Second, maxHorizon},
		{"crash-every", c.CrashEvery, 0, 10 * maxHorizon}, {"spot-every", c.SpotEvery, 0, 10 * maxHorizon},
	} {
		if d.v < d.min || d.v > d.max {
			bad("%s %v: want %v to %v", d.name, d.v, d.min, d.max)
		}
	}
	if c.Shard < 1 {
		bad("shard of %d patches: at least 1", c.Shard)
	}
	for _, s := range []struct {
		name string
		v    float64
		max  float64
	}{{"guess", c.Guess, 2}, {"spread", c.Spread, 1}, {"failing starts", c.FailStarts, 0.9}} {
		if !(s.v >= 0 && s.v <= s.max) {
			bad("%s %g: 0 to %g", s.name, s.v, s.max)
		}
	}
	return errors.Join(errs...)
}

// due returns when a job is wanted: at its deadline, or a drain after it arrived.
func (c Config) due(j Job) time.Duration {
	switch {
	case j.Deadline > 0:
		return j.Deadline
	case j.Urgent:
		return j.Arrival + c.UrgentDrain
	}
	return j.Arrival + c.Drain
}
