package autoscale

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// duty is what has to be done by a moment so that a demand is in time: its own patches
// and all that are handed out before them.
type duty struct {
	*Demand
	due  float64   // seconds from now until it is wanted
	span float64   // seconds from its submission until it is wanted; 0: not known
	last time.Time // submission of its last slide
	load float64   // patches
	sure float64   // patches on top, for what the guess may be wrong by

	reach float64 // seconds of work that may be planned with until then
	plan  float64 // the same where workers are added: with room
}

// duties returns them in the order of their times. Urgent work is handed out before
// routine work, and of each the oldest first: who is wanted soon and came late waits
// for all that came before.
func (p *plan) duties() []duty {
	all := make([]duty, 0, len(p.s.Demands))
	for i := range p.s.Demands {
		d := &p.s.Demands[i]
		at, since := d.Deadline, d.Since
		if since.IsZero() { // all are being walked
			since = d.Newest
		}
		if since.IsZero() || since.After(p.s.Now) {
			since = p.s.Now
		}
		if at.IsZero() {
			at = since.Add(p.drain(d.Urgent))
		}
		t := duty{Demand: d, due: at.Sub(p.s.Now).Seconds(), last: d.Since}
		if d.Newest.After(d.Since) {
			t.last = d.Newest
		}
		if !d.Since.IsZero() {
			t.span = at.Sub(d.Since).Seconds()
		}
		all = append(all, t)
	}
	slices.SortStableFunc(all, func(a, b duty) int {
		if a.Urgent != b.Urgent {
			if a.Urgent {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.due, b.due)
	})
	urgent, _ := slices.BinarySearchFunc(all, false, func(d duty, _ bool) int {
		if d.Urgent {
			return -1
		}
		return 0
	})
	load, variance := queued(all[:urgent], 0, 0)
	queued(all[urgent:], load, variance)
	for i := range all {
		d := &all[i]
		d.sure = p.cfg.Work.Sure * math.Sqrt(d.sure)
		d.load += d.sure
		d.reach, d.plan = p.times(d.due, d.Largest)
	}
	slices.SortStableFunc(all, func(a, b duty) int { return cmp.Compare(a.due, b.due) })
	return all
}

// queued sums up a lane: before a duty is done, all that is wanted earlier has to be,
// and all that came before any of that. It returns the sums of the lane and of what
// goes before it; variances are left in sure.
func queued(lane []duty, load, variance float64) (float64, float64) {
	came := make([]int, len(lane)) // by submission
	for i := range came {
		came[i] = i
	}
	slices.SortFunc(came, func(a, b int) int { return lane[a].Since.Compare(lane[b].Since) })
	counted := make([]bool, len(lane))
	count := func(i int) {
		if !counted[i] {
			counted[i] = true
			load += lane[i].Patches
			variance += lane[i].Deviation * lane[i].Deviation
		}
	}
	next := 0
	var last time.Time
	for i := range lane {
		if lane[i].last.After(last) {
			last = lane[i].last
		}
		for ; next < len(came) && !lane[came[next]].Since.After(last); next++ {
			count(came[next])
		}
		count(i)
		lane[i].load, lane[i].sure = load, variance
	}
	return load, variance
}

// times returns how many of the seconds until something is wanted may be planned with,
// by those who are there, and where workers are added. Largest is its largest slide.
func (p *plan) times(due, largest float64) (reach, plan float64) {
	reach = max(0, (1-p.cfg.Work.Slack)*due-p.piece(largest))
	return reach, reach - p.cfg.Work.Room*max(0, reach-p.soonest)
}

func (p *plan) drain(urgent bool) time.Duration {
	if urgent {
		return p.cfg.UrgentDrain
	}
	return p.cfg.Drain
}

// piece returns how long the slowest worker has what it takes at once.
func (p *plan) piece(largest float64) float64 {
	patches := p.s.Shard
	if largest > 0 {
		patches = min(patches, largest)
	}
	return patches / p.slowest
}
