package autoscale

import (
	"maps"
	"time"
)

// Work is how the policy of that name weighs. Workers cost by the hour, so a given work
// costs the same done by few or by many; only starts and idle time are wasted.
type Work struct {
	// Slack is the share of the time until a deadline that is not planned with,
	// default 0.1: workers that die, urgent work that comes in between.
	Slack float64
	// Room is the share of the time that a new worker would have before the deadline,
	// that is not planned with when workers are added; default 0.2. What was added once
	// with room lasts: the number is not raised by one again and again.
	Room float64
	// Sure is how many standard deviations of what is left are planned for, default 1.
	Sure float64
	// Gather is the share of the time until its deadline that routine work, too little
	// to be worth a start, may wait for more; default 1: as long as the deadline allows.
	// 0: nothing waits.
	Gather float64
	// GatherUrgent is the same share for urgent work, default 0.1: of a quarter of an
	// hour 90 s, in which the other slides of the case come. 0: the first of them
	// starts a worker at once.
	GatherUrgent float64
	// Worth is how many start-ups' time of work are worth a start without waiting any
	// longer, default 20: then the start is a twentieth of the cost.
	Worth float64
	// Keep is how long workers stay for work that is wanted sooner than one starts,
	// counted from when there last was some; default 30 min.
	Keep time.Duration
}

// DefaultWork returns the defaults.
func DefaultWork() Work {
	return Work{Slack: 0.1, Room: 0.2, Sure: 1, Gather: 1, GatherUrgent: 0.1, Worth: 20, Keep: 30 * time.Minute}
}

func (w Work) check(p *problems) {
	p.number("work: slack", w.Slack, 0, 0.9)
	p.number("work: room", w.Room, 0, 0.9)
	p.number("work: sure by deviations", w.Sure, 0, 10)
	p.number("work: gather", w.Gather, 0, 1)
	p.number("work: gather urgent work", w.GatherUrgent, 0, 1)
	p.number("work: start-ups a start is worth", w.Worth, 0, 1e6)
	p.between("work: keep", w.Keep, 0, 24*time.Hour)
}

// work is the Policy: the fewest, cheapest workers that finish everything in time.
type work struct{ cfg Config }

func (work) Name() string { return "work" }

func (w work) Window() time.Duration {
	return max(w.cfg.Work.Keep, w.cfg.Drain) + 2*w.cfg.Interval
}

func (w work) Decide(s Signals, past []Record) (Decision, map[string]int) {
	p := newPlan(w.cfg, s, past)
	asked := p.standing()
	if len(p.order) == 0 {
		p.learn()
	} else if standing := maps.Clone(asked); !p.grow(standing) {
		p.shrink(standing)
	}
	wanted := make(map[string]int, len(p.kinds))
	for _, k := range p.kinds {
		wanted[k.Name] = k.n
	}
	return Decision{wanted, p.names() + p.why}, asked
}
