package sim

import (
	"math"
	"slices"
	"time"
)

// Bound is what no schedule can do without that ends every job by its due time, as far
// as that is possible at all, however well it knows the trace. DESIGN.md has the proofs.
type Bound struct {
	Work  float64 `json:"work_hours"`   // scoring alone, on the fastest kind
	Hours float64 `json:"worker_hours"` // paid
	USD   float64 `json:"cost_usd"`     // 0 where a kind has no price
	Exact bool    `json:"by_search"`    // all schedules were looked at, in grains of Grain; else by peaks alone
	Grain float64 `json:"grain_s"`      // worker-seconds
}

// BoundOf computes it.
func BoundOf(cfg Config, jobs []Job) Bound {
	t := newTube(cfg, jobs)
	b := Bound{Work: t.work * t.slotHours}
	b.Hours = t.byPeaks() * t.slotHours
	if cost, grains := t.search(); grains > 0 {
		b.Exact, b.Grain = true, cfg.Interval.Seconds()/float64(grains)
		b.Hours = max(b.Hours, float64(cost)*t.slotHours)
	}
	b.USD = t.usd(b)
	return b
}

// tube is a trace as the cumulative work that can have been done and that must have
// been done, in worker-slots: what one worker of the fastest kind scores between two
// decisions. All kinds are taken for the fastest, and all start as fast as the fastest
// starter: whatever a real fleet does, this one can do in as many hours or fewer.
type tube struct {
	cfg       Config
	rate      float64 // patches per second
	slotHours float64
	lag       int       // slots from wanting a worker until it works
	minimum   int       // workers that are always there
	most      int       // workers that there can be
	arrived   []float64 // by the end of each slot, counting all of its arrivals
	due       []float64 // by the end of each slot, as far as most workers can have done it
	work      float64
}

func newTube(cfg Config, jobs []Job) *tube {
	t := &tube{cfg: cfg, slotHours: cfg.Interval.Hours()}
	startUp := never
	var capacity float64
	for _, k := range cfg.Kinds {
		t.rate = max(t.rate, k.PatchesPerS)
		startUp = min(startUp, time.Duration(float64(k.StartUp)*(1-cfg.Spread)))
		t.minimum += k.Min
		capacity += float64(k.Max) * k.PatchesPerS
	}
	t.most = int(math.Ceil(capacity / t.rate))
	t.lag = int(startUp / cfg.Interval)
	dues := t.dues(jobs)
	slots := t.slotOf(slices.Max(dues)) + 1
	t.arrived, t.due = make([]float64, slots), make([]float64, slots)
	perSlot := t.rate * cfg.Interval.Seconds()
	for i, j := range jobs {
		w := float64(j.Patches) / perSlot
		t.work += w
		t.arrived[int(j.Arrival/cfg.Interval)] += w
		t.due[t.slotOf(dues[i])] += w
	}
	sum(t.arrived)
	sum(t.due)
	t.clip()
	return t
}

// slotOf is the slot by whose end something due at that time must be done. One that is
// due at a decision belongs to the slot before.
func (t *tube) slotOf(at time.Duration) int { return max(int((at-1)/t.cfg.Interval), 0) }

// dues returns when each job has to be done: when it is due, or, since a lane is worked
// off in its order, when anything that came into it later is due. The last shard of the
// earlier one may still be in hand then.
func (t *tube) dues(jobs []Job) []time.Duration {
	var inHand time.Duration
	for _, k := range t.cfg.Kinds {
		inHand = max(inHand, time.Duration(float64(t.cfg.Shard)/k.PatchesPerS*float64(time.Second)))
	}
	dues := make([]time.Duration, len(jobs))
	later := [2]time.Duration{never, never}
	for i := len(jobs) - 1; i >= 0; i-- {
		lane := 0
		if jobs[i].Urgent {
			lane = 1
		}
		own := t.soonest(jobs[i])
		dues[i] = own
		if later[lane] < own-inHand {
			dues[i] = max(later[lane]+inHand, jobs[i].Arrival)
		}
		later[lane] = min(later[lane], own)
	}
	return dues
}

// soonest is when a job is due, or, where nobody can be as fast, when its first shard
// can be done.
func (t *tube) soonest(j Job) time.Duration {
	shard := time.Duration(float64(min(j.Patches, t.cfg.Shard)) / t.rate * float64(time.Second))
	return max(t.cfg.due(j), j.Arrival+shard)
}

// clip takes back what must have been done to what can be, by all workers from the
// first moment on, and goes on until all is done.
func (t *tube) clip() {
	var done float64
	for k := 0; ; k++ {
		if k == len(t.due) {
			if done >= t.work-1e-9 {
				return
			}
			t.due = append(t.due, t.work)
			t.arrived = append(t.arrived, t.work)
		}
		if k >= t.lag {
			done = min(done+float64(t.most), t.arrived[k])
		}
		t.due[k] = min(t.due[k], done)
	}
}

func sum(s []float64) {
	for k := 1; k < len(s); k++ {
		s[k] += s[k-1]
	}
}

// peak is how many workers there must be at some moment.
func (t *tube) peak() int {
	whole := stretch{0, len(t.due)}
	low, high := 0, t.most
	for low < high {
		mid := (low + high) / 2
		if t.suffices(whole, float64(mid)) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}
