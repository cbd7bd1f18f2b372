package simtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"bcc/cohort"
	"bcc/queue"
	"bcc/queue/queuetest"
)

// Times of the virtual world. The lease is a tenth of the real one, so that leases
// end within a run.
const (
	lease  = 3 * time.Second
	chaos  = 12 * time.Second // events come within it
	within = 8 * time.Minute  // all must have come to its end: more than twice as long as the queue drops jobs of a known name
	shard  = 32               // patches
)

// plan is what a seed means.
type plan struct {
	rand    *rand.Rand // of what is drawn on the way
	trouble queuetest.Trouble
	slow    time.Duration // the store's
	refuse  float64
	unheard float64
	servers int
	workers []pace
	cohorts []order
	events  []event
	steady  bool // nothing happens that makes work be done again, but that processes come and go
}

// pace is how fast a worker is.
type pace struct {
	jobs  int
	patch time.Duration
}

// order is a cohort that a client wants.
type order struct {
	name   string
	lane   queue.Lane
	slides []spec
	at     time.Duration
	cancel time.Duration // after it was taken; 0: never
}

// event is what happens at a time.
type event struct {
	at    time.Duration
	kind  kind
	who   int
	lasts time.Duration
}

type kind string

const (
	killWorker  kind = "worker killed"
	drainWorker kind = "worker drained"
	cutWorker   kind = "worker cut off"
	killServer  kind = "server killed"
	closeServer kind = "server closed"
	queueDown   kind = "queue down"
	queueLost   kind = "queue lost"
	queueFreed  kind = "leases freed"
	storeAway   kind = "store away"
	deaf        kind = "words lost"
	bitRot      kind = "a bit flips"
	repair      kind = "repaired"
)

// kinds are all there are; the first are those of a steady run.
var kinds = []kind{
	killWorker, killWorker, drainWorker, drainWorker, killServer, closeServer, deaf, repair,
	cutWorker, queueDown, queueLost, queueFreed, storeAway, bitRot,
}

const steadyKinds = 8

func newPlan(seed uint64) *plan {
	r := rand.New(rand.NewPCG(seed, 0xbcc))
	p := &plan{rand: rand.New(rand.NewPCG(seed, 1)), slow: upTo(r, 30*time.Millisecond)}
	p.trouble = queuetest.Trouble{
		Rand: rand.New(rand.NewPCG(seed, 2)), Slow: upTo(r, 20*time.Millisecond),
		Refuse: rare(r, 0.05), Unheard: rare(r, 0.05), Mute: rare(r, 0.3), Swap: rare(r, 0.5), Early: rare(r, 0.1), Uncounted: rare(r, 0.1),
	}
	p.refuse, p.unheard = rare(r, 0.05), rare(r, 0.03)
	among := kinds
	if p.steady = r.IntN(4) == 0; p.steady {
		p.trouble.Refuse, p.trouble.Unheard, p.trouble.Early, p.refuse, p.unheard = 0, 0, 0, 0, 0
		among = kinds[:steadyKinds]
	}
	p.servers = 1 + r.IntN(2)
	for range 1 + r.IntN(4) {
		p.workers = append(p.workers, pace{1 + r.IntN(2), time.Millisecond + upTo(r, 10*time.Millisecond)})
	}
	var all []spec // for duplicates
	for i := range 1 + r.IntN(3) {
		o := order{name: fmt.Sprint("c", i), lane: queue.Routine, at: upTo(r, chaos/2)}
		if r.IntN(4) == 0 {
			o.lane = queue.Urgent
		}
		if r.IntN(5) == 0 && !p.steady {
			o.cancel = upTo(r, chaos/2)
		}
		for range 1 + r.IntN(8) {
			s := draw(r, shard, 1+r.IntN(6), healthy)
			switch {
			case len(all) > 0 && r.IntN(6) == 0:
				s = all[r.IntN(len(all))]
			case r.IntN(6) == 0:
				s.fate = 1 + fate(r.IntN(int(lastFate)))
			}
			all = append(all, s)
			o.slides = append(o.slides, s)
		}
		p.cohorts = append(p.cohorts, o)
	}
	for range r.IntN(10) {
		p.events = append(p.events, event{upTo(r, chaos), among[r.IntN(len(among))], r.IntN(12), upTo(r, 2*lease)})
	}
	slices.SortFunc(p.events, func(a, b event) int { return int(a.at - b.at) })
	return p
}

func upTo(r *rand.Rand, d time.Duration) time.Duration { return 1 + time.Duration(r.Int64N(int64(d))) }

// rare is 0 in half of all runs, else up to most.
func rare(r *rand.Rand, most float64) float64 { return max(0, 2*r.Float64()-1) * most }

func (p *plan) has(k kind) bool {
	return slices.ContainsFunc(p.events, func(e event) bool { return e.kind == k })
}

func (o order) manifest() cohort.Manifest {
	m := cohort.Manifest{Name: o.name, Priority: o.lane}
	for i, s := range o.slides {
		m.Slides = append(m.Slides, cohort.Slide{Name: fmt.Sprint("s", i), SHA256: s.sha256()})
	}
	return m
}
