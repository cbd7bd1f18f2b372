package sim

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"bcc/autoscale"
	"bcc/fault"
)

// run is one policy on one trace.
type run struct {
	cfg    Config
	policy autoscale.Policy
	rand   *rand.Rand

	now      time.Duration
	nextTick time.Duration
	jobs     []*job // by arrival
	arrived  int
	lanes    lanes
	open     demands
	todo     int // jobs without an end

	workers []worker
	free    []int // places of workers that are gone
	pools   []pool
	fastest []int // kinds
	events  heap
	lines   []line // whole shards, by kind

	past []autoscale.Record
	use  []usage // what was done until the last minute's looks
	tell figures
}

// never is later than anything.
const never = time.Duration(math.MaxInt64)

// Run replays the jobs against a policy. It ends when all work is done and no worker
// beyond each kind's Min is left, but not before the last job is due, and at the latest
// when twice the longest time to a due time and a day have passed since: what is not
// done then is late.
func Run(ctx context.Context, cfg Config, policy autoscale.Policy, jobs []Job) (Figures, error) {
	if err := cfg.Validate(); err != nil {
		return Figures{}, err
	}
	if err := checkJobs(cfg, jobs); err != nil {
		return Figures{}, err
	}
	r := newRun(cfg, policy, jobs)
	last := horizon(cfg, jobs)
	if err := r.until(ctx, last, last+giveUp); err != nil {
		return Figures{}, err
	}
	return r.figures(), nil
}

// giveUp is how long past the last due time a run waits for work to end.
const giveUp = 48 * time.Hour

func checkJobs(cfg Config, jobs []Job) error {
	if len(jobs) == 0 {
		return fault.New(fault.Invalid, "the trace has no work")
	}
	if !slices.IsSortedFunc(jobs, func(a, b Job) int { return cmp.Compare(a.Arrival, b.Arrival) }) {
		return fault.New(fault.Invalid, "jobs are not in the order of their arrival")
	}
	for i, j := range jobs {
		if j.Arrival < 0 || j.Patches < 1 || (j.Deadline != 0 && j.Deadline < j.Arrival) {
			return fault.New(fault.Invalid, "job %d: %d patches, from %v to %v", i+1, j.Patches, j.Arrival, j.Deadline)
		}
	}
	h := horizon(cfg, jobs)
	if h > maxHorizon {
		return fault.New(fault.Invalid, "the trace ends after %.0f days; at most %.0f can be simulated", h.Hours()/24, maxHorizon.Hours()/24)
	}
	if h/cfg.Interval > maxDecisions {
		return fault.Hint(fault.New(fault.Invalid, "%d decisions in %.0f days; at most %d can be simulated", h/cfg.Interval, h.Hours()/24, maxDecisions),
			"decide less often, or cut the trace")
	}
	return nil
}

// horizon is when the last job is due.
func horizon(cfg Config, jobs []Job) time.Duration {
	var last time.Duration
	for _, j := range jobs {
		last = max(last, cfg.due(j))
	}
	return last
}

func newRun(cfg Config, policy autoscale.Policy, jobs []Job) *run {
	r := &run{
		cfg: cfg, policy: policy, rand: rand.New(rand.NewPCG(cfg.Seed, 1)),
		jobs: make([]*job, len(jobs)), todo: len(jobs), lanes: lanes{shard: cfg.Shard},
		pools: make([]pool, len(cfg.Kinds)), lines: make([]line, len(cfg.Kinds)),
	}
	guesses := rand.New(rand.NewPCG(cfg.Seed, 2)) // the same for every policy
	all := make([]job, len(jobs))
	for i, j := range jobs {
		all[i] = job{Job: j, due: cfg.due(j), ahead: j.Patches, left: j.Patches}
		all[i].guess = float64(j.Patches) * guessed(guesses, cfg.Guess)
		r.jobs[i] = &all[i]
	}
	for k, kind := range cfg.Kinds {
		r.pools[k].Kind = kind
		r.pools[k].shardTakes = r.pools[k].takes(cfg.Shard)
		r.fastest = append(r.fastest, k)
	}
	slices.SortStableFunc(r.fastest, func(a, b int) int { return cmp.Compare(cfg.Kinds[b].PatchesPerS, cfg.Kinds[a].PatchesPerS) })
	return r
}

// guessed is lognormal with mean 1, so that sums of guesses are right on average.
func guessed(from *rand.Rand, deviation float64) float64 {
	if deviation == 0 {
		return 1
	}
	variance := math.Log1p(deviation * deviation)
	return math.Exp(from.NormFloat64()*math.Sqrt(variance) - variance/2)
}

// until lets things happen in their order. At one moment: shards end, workers get ready
// or are lost, work arrives, the fleet is looked at, a decision is taken.
func (r *run) until(ctx context.Context, last, end time.Duration) error {
	for k := range r.pools { // what has to be there is there from the beginning
		for range r.pools[k].Min {
			r.start(k)
		}
	}
	var looked autoscale.Signals
	var idleIDs [][]seen
	nextLook := time.Duration(0)
	for {
		line, at := r.nextEvent()
		switch {
		case at <= min(r.nextArrival(), nextLook, r.nextTick):
			r.now = at
			if line < 0 {
				r.happen(r.events.pop())
			} else {
				r.happen(r.lines[line].pop())
			}
		case r.nextArrival() <= min(nextLook, r.nextTick):
			r.now = r.nextArrival()
			r.arrive()
		case nextLook <= r.nextTick:
			if err := ctx.Err(); err != nil {
				return err
			}
			r.now = nextLook
			looked, idleIDs = r.look()
			nextLook = never
		default:
			r.now = r.nextTick
			if r.over(last, end) {
				r.settle()
				return nil
			}
			r.nextTick += r.cfg.Interval
			nextLook = r.nextTick - r.cfg.Delay
			r.decide(looked, idleIDs)
		}
	}
}

// nextEvent returns when something happens to a worker, and in which line it stands; -1: in the heap.
func (r *run) nextEvent() (line int, at time.Duration) {
	line, at = -1, never
	if len(r.events) > 0 {
		at = r.events[0].at
	}
	for k := range r.lines {
		if l := &r.lines[k]; l.have > 0 && l.ring[l.first].at <= at {
			line, at = k, l.ring[l.first].at
		}
	}
	return line, at
}

func (r *run) nextArrival() time.Duration {
	if r.arrived == len(r.jobs) {
		return never
	}
	return r.jobs[r.arrived].Arrival
}

func (r *run) happen(e event) {
	w := &r.workers[e.id]
	if e.what == evLost {
		if w.life == e.turn {
			r.lose(e.id)
		}
		return
	}
	if w.turn != e.turn {
		return
	}
	switch e.what {
	case evDone:
		r.done(e.id)
	case evReady:
		r.ready(e.id)
	case evFailed:
		r.failed(e.id)
	}
}

func (r *run) arrive() {
	j := r.jobs[r.arrived]
	r.arrived++
	r.open.add(j)
	r.lanes.put(j)
	r.wake()
}

// scored counts a shard, and ends its job where it was the last.
func (r *run) scored(p piece) {
	p.of.left -= p.patches
	p.of.in.scored(p.of, p.patches)
	if p.of.left == 0 {
		r.todo--
		r.tell.ended(p.of, r.now)
	}
}

// over reports whether nothing is left to be done or given back.
func (r *run) over(last, end time.Duration) bool {
	if r.now >= end {
		return true
	}
	if r.todo > 0 || r.now < last {
		return false
	}
	for k := range r.pools {
		if p := &r.pools[k]; len(p.starting)+len(p.idle)+p.busy > p.Min {
			return false
		}
	}
	return true
}

// settle pays for who is still there.
func (r *run) settle() {
	for id := range r.workers {
		if w := &r.workers[id]; w.doing != gone {
			r.pools[w.kind].paid += (r.now - w.paidFrom).Seconds()
		}
	}
	for _, j := range r.jobs {
		if j.left > 0 {
			r.tell.unfinished(j, r.now)
		}
	}
}
