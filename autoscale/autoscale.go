// Package autoscale computes how many workers of each kind there should be.
//
// In: Signals, what is to be done by when, who is there and how fast they are; and
// Records, what was decided before. Out: a Decision, with its reason in words. A
// Policy is a pure function: it keeps nothing, reads no clock and asks nobody, so a
// simulator and a real fleet run the same one, and whoever leads next decides as the
// one before. A Loop asks, decides and hands the number to a Target.
//
//	autoscale.go  the words
//	config.go     what policies go by; New
//	cpu.go        the scaling guide's rule
//	target.go     Kubernetes' rule
//	work.go       the default: what is to be done by when
//	  duty.go       what lies before each deadline
//	  plan.go       who can do how much until then
//	  grow.go       more, and which kind; shrink.go fewer
//	loop.go       asks, decides, acts; merge.go what target and fleet say together
//	record.go     what was decided before
//
// autoscale/local, kube and aws move the number; autoscale/sim replays traces.
package autoscale

import (
	"context"
	"time"
)

// Kind is a kind of worker, all of whose machines are alike.
type Kind struct {
	Name        string
	PatchesPerS float64       // of one worker that has work all the time; measured, or of the catalogue
	USDPerHour  float64       // of one worker; 0: not known
	StartUp     time.Duration // from wanting one until it takes work
	Min, Max    int           // how many there may be
	Spot        bool          // may be taken away by its owner at any time
}

// Demand is work that shares a deadline.
type Demand struct {
	Urgent    bool
	Deadline  time.Time // when it is wanted; the zero time: when everything is
	Slides    int       // without an end
	Patches   float64   // left, guessed where slides were not looked at yet
	Deviation float64   // standard deviation of that guess
	Largest   float64   // patches left of the largest slide: no more workers than its shards can share it
	Since     time.Time // since when the oldest of its slides waits
	Newest    time.Time // when its last slide was submitted; the zero time: not known
}

// Group is what there is of a Kind.
type Group struct {
	Kind
	Ready      int         // take work
	Busy       int         // of Ready, have work
	Starting   []time.Time // when each of those that do not take work yet will, as far as is known
	CPUPercent float64     // mean use of the cores of those that are ready, 0 to 100, over the last window
}

// Present is how many are paid for: ready or starting.
func (g Group) Present() int { return g.Ready + len(g.Starting) }

// Signals is what is known at a moment.
type Signals struct {
	Now     time.Time
	Demands []Demand // in the order of their deadlines, those that are urgent first
	Groups  []Group
	Shard   float64 // patches that one worker takes at once; 0: not known
}

// Decision is how many workers there should be, and why.
type Decision struct {
	Wanted map[string]int // by the name of each kind of the Signals
	Reason string         // one line, for a person
}

// Record is what was seen and decided at a moment. Records come oldest first and
// reach back at least as far as a Policy asks (Policy.Window), where there are any:
// after a restart there are none, and what is present counts as decided.
type Record struct {
	At         time.Time
	Patches    float64        // of all demands
	CPUPercent float64        // mean over all groups' ready workers
	Present    map[string]int // by kind
	Asked      map[string]int // what the policy wanted, before its own steadying
	Wanted     map[string]int // the Decision
}

// Policy decides. Decide returns the decision, and in asked what it would have wanted
// had nothing been decided before (nil: the same); both go into the Record.
type Policy interface {
	Name() string
	Window() time.Duration // how far back Records have to reach
	Decide(now Signals, past []Record) (d Decision, asked map[string]int)
}

// Target owns the machines.
type Target interface {
	// Groups says what there is of each kind that the target has, without what only
	// the fleet knows (Busy, CPUPercent).
	Groups(ctx context.Context) ([]Group, error)
	// Scale makes it n workers of the kind. Where that is fewer than there are, those
	// in idle go, first ones first, and no other: a worker that is busy is left, and
	// left is how many there are then. An error leaves things as they are or between
	// the two; the next call goes on from there.
	Scale(ctx context.Context, kind string, n int, idle []string) (left int, err error)
}
