package autoscale

import (
	"fmt"
	"math"
	"time"
)

// learn is for a fleet of which nothing was ever measured: one worker finds out.
func (p *plan) learn() {
	switch {
	case !anything(p.s):
		p.release(nil)
		p.why = ": nothing to do"
	case p.before > 0:
		p.why = " kept: how fast they are is not known yet"
	default:
		for i := range p.kinds {
			if k := &p.kinds[i]; k.Max > 0 {
				k.n = 1
				p.why = ": how fast it is is not known yet, and one will tell"
				return
			}
		}
		p.why = ": none is allowed"
	}
}

// grow adds what is missing, and reports whether that was anything.
func (p *plan) grow(standing map[string]int) bool {
	more := p.stand(standing)
	late := p.short()
	if late == nil {
		return more
	}
	if p.mayWait(standing) {
		p.why = fmt.Sprintf(": up to %s patches, wanted by %s, are too few to start a worker for and can wait for more", number(late.load), p.clock(late))
		return more
	}
	behind := p.behind(late)
	p.add()
	if p.count() > p.before && p.turnsBack() {
		p.reset()
		p.stand(standing)
		p.why = " kept: fewer were wanted a moment ago, and the work has not grown by more than its guess is wrong by"
		return true
	}
	p.why = fmt.Sprintf(": up to %s patches wanted by %s", number(late.load), p.clock(late))
	switch {
	case p.count() == p.before:
		p.why = fmt.Sprintf(" kept: %s, %s, and more would not help", p.why[2:], behind)
	case p.before > 0:
		p.why += fmt.Sprintf(", %s %s", number(float64(p.before)), behind)
	}
	return true
}

// short returns the first duty that would be late with those who are there; nil: none.
func (p *plan) short() *duty {
	for i := range p.due {
		if d := &p.due[i]; d.load > p.capacity(d.reach) {
			return d
		}
	}
	return nil
}

// mayWait reports whether what is missing is work that may, too little to be worth a
// start, and that one worker does in time even if it is wanted later. Each slide that comes
// meanwhile saves a start of its own.
//
// Somebody may wait for such work. But when it is wanted was said, by a deadline or by
// Config.Drain, and whoever cannot wait that long submits it as urgent: that waits for a
// moment only (Work.GatherUrgent), and what cannot wait takes all the rest with it.
func (p *plan) mayWait(standing map[string]int) bool {
	k := p.next()
	if k == nil || total(standing) > 0 || p.backlog >= float64(p.before+1)*p.cfg.Work.Worth*k.start*k.rate {
		return false
	}
	for i := range p.due {
		d := &p.due[i]
		missing := d.load - p.capacity(d.reach)
		if missing <= 0 {
			continue
		}
		share := p.cfg.Work.Gather
		if d.Urgent {
			share = p.cfg.Work.GatherUrgent
		}
		if share == 0 || d.due < (1-share)*d.span {
			return false
		}
		later := p.cfg.Interval.Seconds() + startsVary*k.start // the next decision
		if d.span > startsFit*k.start {
			later += k.start // one that fails
		}
		if _, plan := p.times(d.due-later, d.Largest); missing > k.rate*(plan-k.start) {
			return false
		}
	}
	return true
}

// startsFit is how many start-ups have to fit in the time that work has, for one that
// fails to be planned for.
const startsFit = 10

// startsVary is the share of a start-up that it may take longer than usual: estimated,
// from machines in clouds.
const startsVary = 0.25

// next returns the cheapest kind of which there may be one more.
func (p *plan) next() *lineup {
	for _, i := range p.order {
		if k := &p.kinds[i]; k.n < k.Max {
			return k
		}
	}
	return nil
}

// lateStarts is in how many start-ups' time work shall be done that is late whatever
// is done: the workers that start for it have something from it.
const lateStarts = 4

// add wants so many more workers that every duty is done in time, with room.
func (p *plan) add() {
	var late float64
	for i := range p.due {
		d := &p.due[i]
		if p.cover(d.load, d.plan) || p.cover(d.load, d.reach) {
			continue
		}
		late = max(late, d.load)
	}
	if late > 0 {
		p.cover(late, lateStarts*p.longest+p.piece(0))
	}
}

// cover adds workers until load patches can be done within t, those first that do it
// for the least money: who starts late has to be more in number, and each start is
// paid. It reports whether nobody could help, or enough did.
func (p *plan) cover(load, t float64) bool {
	for {
		missing := load - p.capacity(t)
		if missing <= 0 {
			return true
		}
		var best *lineup
		var most int
		least := math.Inf(1)
		left := p.hands - p.count()
		for _, i := range p.order {
			k := &p.kinds[i]
			each := k.rate * (t - k.start)
			n := min(int(math.Ceil(min(missing/each, 1e9))), k.Max-k.n, left)
			if tooSoon(t, k.start) || each <= 0 || n <= 0 {
				continue
			}
			done := min(missing, float64(n)*each)
			if cost := k.price * (float64(n)*k.start + done/k.rate) / done; cost < least {
				best, most, least = k, n, cost
			}
		}
		if best == nil {
			return false
		}
		best.n += most
	}
}

// worthwhile is how long a worker has to work for a deadline, in start-ups, to be
// started for it: below, the number needed grows without bound, and what they cost.
const worthwhile = 0.25

// tooSoon reports whether a worker that starts would have too little of a time to be
// started for it; both in seconds.
func tooSoon(within, start float64) bool { return within < (1+worthwhile)*start }

// reset takes back what was added.
func (p *plan) reset() {
	for i := range p.kinds {
		p.kinds[i].n = p.kinds[i].had
	}
}

// turnsBack reports whether more would be a reversal within a start-up's time for no
// more than noise.
func (p *plan) turnsBack() bool {
	_, down := turns(p.lately())
	if down.IsZero() || p.s.Now.Sub(down).Seconds() >= p.longest {
		return false
	}
	return p.backlog-p.patchesAt(down) <= p.noise
}

// lately returns the records of the last start-up's time, and the one before.
func (p *plan) lately() []Record {
	recent := within(p.past, p.s.Now, time.Duration(p.longest*float64(time.Second)))
	return p.past[max(len(p.past)-len(recent)-1, 0):]
}

func (p *plan) patchesAt(t time.Time) float64 {
	if at := within(p.past, t, 0); len(at) > 0 {
		return at[0].Patches
	}
	return 0
}

// behind says how late a duty would be with those who are there.
func (p *plan) behind(d *duty) string {
	rate := p.rate()
	if rate <= 0 {
		return "would never do it"
	}
	if late := (d.load - p.capacity(max(d.due, 0))) / rate; late > 0 {
		return fmt.Sprintf("would be late by %s", lasting(late))
	}
	return "would have no time to spare"
}

func (p *plan) clock(d *duty) string {
	return clock(p.s.Now.Add(time.Duration(d.due*float64(time.Second))), p.s.Now)
}
