// Package local is the machines of an autoscaler that are processes of this one.
//
// In: how many workers there should be, and which are idle. Out: that many processes,
// each with a log of its own. They outlive whoever started them: a folder says which
// there are, and the next autoscaler finds them there. It ends a worker only by asking
// it (SIGTERM), only one that was idle, and never by force.
//
//	          Scale: more                  Scale: fewer, and it is idle
//	(nobody) ─────────────► process ────────────────────────────────────► asked to end
//	                           │ ends by itself: another is started,          │
//	                           │ later and later                              ▼
//	                           └────────────────────────────────────────► (gone)
//
//	local.go    what there is, and what is wanted
//	start.go    a worker more, a worker less
//	record.go   the folder; log.go the logs in it
//	process_*   what the system knows of a process
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"bcc/autoscale"
	"bcc/fault"
)

// Config says what a worker is here.
type Config struct {
	// Kind is what all workers of this machine are; Max of it shares the cores.
	Kind autoscale.Kind
	// Dir is where the records and the logs of the workers lie, for nothing else.
	Dir string
	// Command is the program and its arguments, to which --id NAME is added.
	Command []string
	// Env is the whole environment, as NAME=value; default: none.
	Env []string
	// Lock keeps others who have the same folder from changing it at the same time;
	// nil: there are none.
	Lock func() (unlock func(), err error)

	// Soon is how long a worker has to live for its start not to count as failed;
	// default a minute: who cannot reach queue or store gives up after half of one.
	Soon time.Duration
	// Again and AtMost are how long after a failed start the next one is: twice as long
	// each time. Default 1 s, up to 5 min.
	Again, AtMost time.Duration

	Logger *slog.Logger     // default: nothing is logged
	Now    func() time.Time // default: time.Now
}

// DefaultConfig returns the defaults; Kind, Dir and Command have to be set.
func DefaultConfig() Config {
	return Config{Soon: time.Minute, Again: time.Second, AtMost: 5 * time.Minute, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
}

// Validate returns everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	if c.Kind.Name == "" {
		bad("local: the workers of this machine have no kind")
	}
	if c.Kind.Min < 0 || c.Kind.Max < max(c.Kind.Min, 1) {
		bad("local: %d to %d workers, want 0 or more, and at most 1 or more", c.Kind.Min, c.Kind.Max)
	}
	if c.Dir == "" {
		bad("local: no folder for what is known of the workers")
	}
	if len(c.Command) == 0 {
		bad("local: no program to start")
	}
	if c.Soon <= 0 || c.Again <= 0 || c.AtMost < c.Again {
		bad("local: a start counts after %v, the next is %v to %v later: want times above 0 that grow", c.Soon, c.Again, c.AtMost)
	}
	return errors.Join(errs...)
}

// Target is the workers of this machine. It is safe for concurrent use.
type Target struct {
	cfg Config
	log *slog.Logger

	mu       sync.Mutex
	children map[int]record  // by process: those that we started, who are to be reaped
	asked    map[string]bool // by ID: whom we asked to end, noted or not
	failed   int             // starts in a row that failed
	why      string          // the last one did
	last     time.Time       // when the last one did
	next     time.Time       // when the next start may be
}

var _ autoscale.Target = (*Target)(nil)

// New finds the workers that an earlier autoscaler left, and writes nothing.
// Unsupported: this system has no processes as they are needed here.
func New(cfg Config) (*Target, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t := &Target{cfg: cfg, log: cfg.Logger, children: map[int]record{}, asked: map[string]bool{}}
	if err := supported(); err != nil {
		return nil, err
	}
	all, err := t.look(false)
	if err != nil {
		return nil, err
	}
	if n := len(t.staying(all)); n > 0 {
		t.log.Info("workers found", "kind", cfg.Kind.Name, "workers", n)
	}
	return t, nil
}

// Groups returns the kind, and behind it those of workers that were started when the
// kind had another name: of these there may be none. Ready are those who run for longer
// than the kind takes to start; whether they greet is for the fleet to say. Who was
// asked to end is not counted any more.
func (t *Target) Groups(context.Context) ([]autoscale.Group, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, err := t.look(t.alone())
	if err != nil {
		return nil, err
	}
	groups := []autoscale.Group{{Kind: t.cfg.Kind}}
	for _, r := range t.staying(all) {
		i := slices.IndexFunc(groups, func(g autoscale.Group) bool { return g.Name == r.Kind })
		if i < 0 {
			i = len(groups)
			groups = append(groups, autoscale.Group{Kind: autoscale.Kind{Name: r.Kind, StartUp: t.cfg.Kind.StartUp}})
		}
		if at := r.Begun.Add(t.cfg.Kind.StartUp); at.After(t.cfg.Now()) {
			groups[i].Starting = append(groups[i].Starting, at)
		} else {
			groups[i].Ready++
		}
	}
	return groups, nil
}

// alone reports whether nobody else ever changes the folder.
func (t *Target) alone() bool { return t.cfg.Lock == nil }

// Begun returns when each worker was started, by its ID.
func (t *Target) Begun() (map[string]time.Time, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, err := t.look(t.alone())
	begun := map[string]time.Time{}
	for _, r := range t.staying(all) {
		begun[r.ID] = r.Begun
	}
	return begun, err
}

// Scale is of autoscale.Target. Unavailable: workers that are started end at once; the
// error says which and how, and the next one is started a while later.
func (t *Target) Scale(ctx context.Context, kind string, n int, idle []string) (left int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := makeDir(t.cfg.Dir); err != nil {
		return 0, err
	}
	if t.cfg.Lock != nil {
		unlock, err := t.cfg.Lock()
		if err != nil {
			return 0, fmt.Errorf("change the workers of this machine: %w", err)
		}
		defer unlock()
	}
	all, err := t.look(true)
	if err != nil {
		return 0, err
	}
	there := slices.DeleteFunc(t.staying(all), func(r record) bool { return r.Kind != kind })
	left = len(there)
	if kind != t.cfg.Kind.Name {
		if left == 0 && n > 0 {
			return 0, fault.New(fault.NotFound, "kind %q: this machine has workers of kind %q only", kind, t.cfg.Kind.Name)
		}
		n = min(n, left) // their kind has another name now: no more of them
	}
	for _, id := range idle {
		i := slices.IndexFunc(there, func(r record) bool { return r.ID == id })
		if left <= n || i < 0 {
			continue
		}
		if err := t.ask(there[i]); err != nil {
			return left, err
		}
		there = slices.Delete(there, i, i+1)
		left--
	}
	for left < n {
		if err := t.mayStart(); err != nil {
			return left, err
		}
		if err := ctx.Err(); err != nil {
			return left, err
		}
		if err := t.start(); err != nil {
			return left, err
		}
		left++
		if t.failed > 0 {
			break // one tries for all
		}
	}
	return left, nil
}

// Stop asks every worker to end and waits until all have, or ctx ends: they go on with
// what they have begun for as long as they were told when they were started.
func (t *Target) Stop(ctx context.Context) error {
	for {
		n, err := t.stopAll()
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fault.New(fault.Busy, "%d workers have not ended yet; they do when their work is done: %w", n, ctx.Err())
		}
	}
}

// stopAll asks those who were not, and returns how many are still there.
func (t *Target) stopAll() (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, err := t.look(t.alone())
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, r := range t.staying(all) {
		errs = append(errs, t.ask(r))
	}
	return len(all), errors.Join(errs...)
}
