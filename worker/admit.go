package worker

import (
	"sync"
	"time"

	"bcc/fault"
)

// room bounds what is in flight so that whoever is let in waits no longer than
// maxWait for what was let in before: limit = measured rate × maxWait, but never below floor. The rate is
// taken while enough is in flight to keep every runner busy; less says nothing of
// what the machine can do.
type room struct {
	maxWait time.Duration
	least   int // patches that keep all runners busy
	floor   int // the limit is never below
	gauge   interface{ Set(float64) }

	mu      sync.Mutex
	inside  int // patches in flight
	limit   int
	rate    float64 // patches a second; 0: not measured yet
	enough  bool    // in flight since
	since   time.Time
	through int // patches since then
}

// rateWindow is the time over which the rate is measured.
const rateWindow = 500 * time.Millisecond

// leastLimit is the limit before anything was measured and the lowest, in patches a
// runner: below it a handful of clients would be refused by a machine that is slow,
// not overloaded.
const leastLimit = 8

func newRoom(maxWait time.Duration, runners int, gauge interface{ Set(float64) }) *room {
	runners = max(runners, 1)
	floor := leastLimit * runners
	r := &room{maxWait: maxWait, least: max(2*runners, 4), floor: floor, limit: floor, gauge: gauge}
	gauge.Set(float64(r.limit))
	return r
}

// Full says that there is no room for a picture now.
type Full struct{ RetryAfter time.Duration }

func (f *Full) Error() string { return errFull.Error() }

// Unwrap makes it Busy.
func (f *Full) Unwrap() error { return errFull }

var errFull = fault.New(fault.Busy, "no room for another picture now")

// enter lets a picture of so many patches in, or returns a *Full.
func (r *room) enter(patches int) error {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if wait, full := r.full(patches); full {
		return &Full{wait}
	}
	r.inside += patches
	if !r.enough && r.inside >= r.least {
		r.enough, r.since, r.through = true, now, 0
	}
	return nil
}

// full reports whether there is no room for so many patches now, and when there
// will be. A picture of more than half the limit counts as half: it would never get
// in beside many small ones. The caller holds mu.
func (r *room) full(patches int) (wait time.Duration, full bool) {
	over := r.inside + min(patches, max(r.limit/2, 1)) - r.limit
	if r.inside == 0 || over <= 0 {
		return 0, false
	}
	if r.rate == 0 {
		return time.Second, true
	}
	return max(time.Duration(float64(over)/r.rate*float64(time.Second)), 50*time.Millisecond), true
}

// leave says that a picture is through; done is false where it failed or was given up.
func (r *room) leave(patches int, done bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if done {
		r.through += patches
	}
	if took := now.Sub(r.since); r.enough && took >= rateWindow && r.through > 0 {
		rate := float64(r.through) / took.Seconds()
		if r.rate != 0 {
			rate = 0.7*r.rate + 0.3*rate
		}
		r.rate, r.since, r.through = rate, now, 0
		r.limit = max(int(rate*r.maxWait.Seconds()), r.floor)
		r.gauge.Set(float64(r.limit))
	}
	r.inside -= patches
	if r.inside < r.least {
		r.enough = false
	}
}
