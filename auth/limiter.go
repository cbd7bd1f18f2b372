package auth

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"bcc/fault"
)

// Limits say how much one principal may ask for. Zero means without limit.
type Limits struct {
	PerMinute     int // requests in any 60 s. Default 100.
	PerDay        int // requests in 24 h. Default 1,000.
	PatchesPerDay int // patches scored in 24 h. Default 2,000,000: a thousand slides of 2,000 patches.
}

// DefaultLimits returns the defaults.
func DefaultLimits() Limits {
	return Limits{PerMinute: 100, PerDay: 1000, PatchesPerDay: 2_000_000}
}

// Validate returns every problem at once.
func (l Limits) Validate() error {
	var errs []error
	for _, v := range []struct {
		name string
		n    int
	}{{"requests a minute", l.PerMinute}, {"requests a day", l.PerDay}, {"patches a day", l.PatchesPerDay}} {
		if v.n < 0 {
			errs = append(errs, fault.New(fault.Invalid, "limit of %d %s: want 1 or more, or 0 for none", v.n, v.name))
		}
	}
	return errors.Join(errs...)
}

// Exceeded is the error of a principal that asks for more than it may.
type Exceeded struct {
	What       string        // the limit, in words
	RetryAfter time.Duration // when the same request would be let through, if nothing else is asked for
}

func (e *Exceeded) Error() string { return "more than " + e.What }

// usage is what one principal has used.
type usage struct {
	Minute  window `json:"minute,omitempty"`
	Day     window `json:"day,omitempty"`
	Patches window `json:"patches,omitempty"`
	last    time.Time
}

// Limiter counts what principals ask for, over restarts. It is safe for concurrent use.
type Limiter struct {
	limits Limits
	path   string

	mu    sync.Mutex
	used  map[string]*usage // by principal ID
	dirty bool              // differs from the file
}

// maxKnown bounds the principals that are remembered. A token of a JWT issuer costs
// nothing to have made, so their number is not ours to choose.
const maxKnown = 100_000

// NewLimiter returns a Limiter that remembers in the file path; empty: it forgets
// when the process ends. A file that cannot be read is an error: to forget what was
// used would be a way around the limits.
func NewLimiter(limits Limits, path string) (*Limiter, error) {
	if err := limits.Validate(); err != nil {
		return nil, err
	}
	l := &Limiter{limits: limits, path: path, used: map[string]*usage{}}
	if path == "" {
		return l, nil
	}
	if err := l.load(); err != nil {
		return nil, fault.Hint(fmt.Errorf("usage %s: %w", path, err), "take the file away to begin to count anew")
	}
	return l, nil
}

// Take counts a request of p, or refuses it: the error is Busy and wraps *Exceeded.
// A refused request is not counted. Anybody without an ID is not limited.
func (l *Limiter) Take(p Principal) error {
	if p.ID == "" {
		return nil
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.of(p.ID, now)
	for _, c := range []struct {
		w     *window
		s     scale
		limit int
		what  string
	}{
		{&u.Minute, minute, l.limits.PerMinute, "%d requests a minute"},
		{&u.Day, day, l.limits.PerDay, "%d requests a day"},
		{&u.Patches, day, l.limits.PatchesPerDay, "%d patches a day"},
	} {
		if c.limit == 0 {
			continue
		}
		if wait := c.w.wait(c.s, now, c.limit); wait > 0 {
			return fault.New(fault.Busy, "%w", &Exceeded{What: fmt.Sprintf(c.what, c.limit), RetryAfter: wait})
		}
	}
	u.Minute.add(minute, now, 1)
	u.Day.add(day, now, 1)
	l.dirty = true
	return nil
}

// Spend counts patches that were scored for p. It never refuses: the work is done,
// and the next request of p waits for it to be a day ago.
func (l *Limiter) Spend(p Principal, patches int) {
	if p.ID == "" || patches <= 0 {
		return
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(p.ID, now).Patches.add(day, now, patches)
	l.dirty = true
}

// of returns what the principal has used, making room for it where there is none.
func (l *Limiter) of(id string, now time.Time) *usage {
	u, ok := l.used[id]
	if !ok {
		if len(l.used) >= maxKnown {
			l.forget()
		}
		u = &usage{}
		l.used[id] = u
	}
	u.last = now
	return u
}

// forget drops the tenth that has been silent longest.
func (l *Limiter) forget() {
	type seen struct {
		id   string
		last time.Time
	}
	all := make([]seen, 0, len(l.used))
	for id, u := range l.used {
		all = append(all, seen{id, u.last})
	}
	slices.SortFunc(all, func(a, b seen) int { return cmp.Or(a.last.Compare(b.last), cmp.Compare(a.id, b.id)) })
	for _, s := range all[:len(all)/10+1] {
		delete(l.used, s.id)
	}
}
