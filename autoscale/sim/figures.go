package sim

import (
	"slices"
	"time"
)

// Figures is how a policy did on a trace.
type Figures struct {
	Policy      string  `json:"policy"`
	Jobs        int     `json:"jobs"`
	Misses      int     `json:"deadline_misses"`   // ended after they were due, or not at all
	Unfinished  int     `json:"unfinished"`        // of Misses: not at all
	Late        float64 `json:"latest_s"`          // how late the latest was, seconds
	P50         float64 `json:"p50_s"`             // time in system, seconds: from arrival to the end of the last shard
	P99         float64 `json:"p99_s"`             //
	Hours       float64 `json:"worker_hours"`      // paid: from wanting a worker until it is gone
	USD         float64 `json:"cost_usd"`          // 0 where no kind has a price
	Reversals   int     `json:"reversals"`         // how often the number wanted went up after it last went down, or down after up
	Changes     int     `json:"changes"`           // how often it changed at all
	Starts      int     `json:"starts"`            // workers wanted, Min among them
	FailedStart int     `json:"failed_starts"`     // that never took work
	Lost        int     `json:"lost_workers"`      // crashed or taken away
	Again       int     `json:"shards_done_again"` // because of that
	Peak        int     `json:"peak_workers"`      // present at once
	Busy        float64 `json:"busy_share"`        // of the hours paid
	RatioHours  float64 `json:"hours_ratio"`       // to Bound.Hours
	RatioUSD    float64 `json:"cost_ratio"`        // to Bound.USD

	Series []Sample `json:"-"` // for a plot
}

// Sample is what was to be seen at a decision.
type Sample struct {
	At      time.Duration
	Backlog float64 // patches that are not scored
	Ready   int
	Present int // ready or starting
	Wanted  int
}

// figures collects.
type figures struct {
	inSystem  []time.Duration
	misses    int
	unended   int
	latest    time.Duration
	series    []Sample
	direction int // of the last change of the number wanted
	wanted    int
	changes   int
	reversals int
	peak      int
}

func (f *figures) ended(j *job, now time.Duration) {
	f.inSystem = append(f.inSystem, now-j.Arrival)
	if now > j.due {
		f.misses++
		f.latest = max(f.latest, now-j.due)
	}
}

func (f *figures) unfinished(j *job, now time.Duration) {
	f.ended(j, max(now, j.due+1))
	f.unended++
}

// decided notes a decision: of all kinds together, since swapping one kind for another
// is no turning round.
func (f *figures) decided(r *run, wanted int, reason string) {
	if len(f.series) == 0 {
		for k := range r.pools {
			f.wanted += r.pools[k].Min
		}
	}
	if d := sign(wanted - f.wanted); d != 0 {
		f.changes++
		if f.direction == -d {
			f.reversals++
		}
		f.direction = d
		if r.cfg.Logger != nil {
			r.cfg.Logger.Debug("decided", "policy", r.policy.Name(), "at", r.now, "was", f.wanted, "wanted", wanted, "reason", reason)
		}
	}
	f.wanted = wanted
	s := Sample{At: r.now, Backlog: float64(r.lanes.patches), Wanted: wanted}
	for k := range r.pools {
		p := &r.pools[k]
		s.Ready += len(p.idle) + p.busy
		s.Present += p.present()
		s.Backlog += float64(p.busy) * float64(r.cfg.Shard) / 2 // in hand; for a picture
	}
	f.peak = max(f.peak, s.Present)
	f.series = append(f.series, s)
}

func sign(n int) int {
	switch {
	case n > 0:
		return 1
	case n < 0:
		return -1
	}
	return 0
}

func (r *run) figures() Figures {
	f := Figures{
		Policy: r.policy.Name(), Jobs: len(r.jobs), Misses: r.tell.misses, Unfinished: r.tell.unended,
		Late: r.tell.latest.Seconds(), Reversals: r.tell.reversals, Changes: r.tell.changes, Peak: r.tell.peak, Series: r.tell.series,
	}
	slices.Sort(r.tell.inSystem)
	f.P50, f.P99 = percentile(r.tell.inSystem, 0.5), percentile(r.tell.inSystem, 0.99)
	var busyTime float64
	for k := range r.pools {
		p := &r.pools[k]
		f.Hours += p.paid / 3600
		f.USD += p.paid / 3600 * p.USDPerHour
		f.Starts += p.starts
		f.FailedStart += p.failed
		f.Lost += p.lost
		f.Again += p.again
		busyTime += p.busyTime
	}
	if f.Hours > 0 {
		f.Busy = busyTime / 3600 / f.Hours
	}
	return f
}

// percentile returns the smallest value that at least a share q does not exceed, in seconds.
func percentile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)].Seconds()
}

// Compare fills in the ratios to a bound.
func (f *Figures) Compare(b Bound) {
	if b.Hours > 0 {
		f.RatioHours = f.Hours / b.Hours
	}
	if b.USD > 0 {
		f.RatioUSD = f.USD / b.USD
	}
}
