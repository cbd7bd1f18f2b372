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
	late := p.short()
	if late != nil && p.mayWait() {
		p.why = fmt.Sprintf(": %s patches, wanted by %s, are worth no start yet and can wait for more", number(late.load), p.clock(late))
		return p.stand(standing)
	}
	if late == nil {
		return p.stand(standing)
	}
	behind := p.behind(late)
	p.add()
	if p.count() > p.before && p.turnsBack() {
		p.reset()
		p.why = " kept: fewer were wanted a moment ago, and the work has not grown by more than its guess is wrong by"
	}
	p.stand(standing)
	switch {
	case p.count() > p.before && p.before == 0:
		p.why = fmt.Sprintf(": %s patches wanted by %s", number(late.load), p.clock(late))
	case p.count() > p.before:
		p.why = fmt.Sprintf(": %s patches wanted by %s, %s would be late by %s", number(late.load), p.clock(late), number(float64(p.before)), behind)
	case p.why == "":
		p.why = fmt.Sprintf(" kept: %s patches, wanted by %s, will be late by %s, and more would not help", number(late.load), p.clock(late), behind)
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

// mayWait reports whether what is missing is routine work, too little to be worth a
// start, that one worker does in time even if it is wanted later.
//
// Waiting costs a person time, so it has to pay: a start saved for each slide that
// comes meanwhile. It does where work came lately; after a silence as long as a drain
// nothing says that more will come, and a slide that comes alone is begun at once.
func (p *plan) mayWait() bool {
	k := p.next()
	if k == nil || p.cfg.Work.Gather == 0 || p.backlog >= float64(p.before+1)*p.cfg.Work.Worth*k.start*k.rate {
		return false
	}
	if p.before == 0 && !p.busyLately() {
		return false
	}
	for i := range p.due {
		d := &p.due[i]
		missing := d.load - p.capacity(d.reach)
		if missing <= 0 {
			continue
		}
		if d.Urgent || d.due < (1-p.cfg.Work.Gather)*d.span {
			return false
		}
		// Two decisions late, and a start that fails where there is time for it.
		later := 2*p.cfg.Interval.Seconds() + min(k.start, p.cfg.Work.Slack*d.span)
		if missing > k.rate*(d.reach-later-k.start) {
			return false
		}
	}
	return true
}

// next returns the cheapest kind of which there may be one more.
func (p *plan) next() *lineup {
	for _, i := range p.order {
		if k := &p.kinds[i]; k.n < k.Max {
			return k
		}
	}
	return nil
}

// busyLately reports whether there was work before what waits now, within a drain.
func (p *plan) busyLately() bool {
	oldest := p.s.Now
	for _, d := range p.s.Demands {
		if !d.Since.IsZero() && d.Since.Before(oldest) {
			oldest = d.Since
		}
	}
	for _, r := range within(p.past, p.s.Now, p.cfg.Drain) {
		if r.Patches > 0 && r.At.Before(oldest) {
			return true
		}
	}
	return false
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
		left := p.useful() - p.count()
		for _, i := range p.order {
			k := &p.kinds[i]
			each := k.rate * (t - k.start)
			n := min(int(math.Ceil(min(missing/each, 1e9))), k.Max-k.n, left)
			if t-k.start < worthwhile*k.start || each <= 0 || n <= 0 {
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

// reset takes back what was added.
func (p *plan) reset() {
	for i := range p.kinds {
		p.kinds[i].n = p.kinds[i].had
	}
}

// turnsBack reports whether more would be a reversal within a start-up's time for no
// more than noise.
func (p *plan) turnsBack() bool {
	_, down := turns(p.past)
	if down.IsZero() || p.s.Now.Sub(down).Seconds() >= p.longest {
		return false
	}
	return p.backlog-p.patchesAt(down) <= p.noise
}

func (p *plan) patchesAt(t time.Time) float64 {
	if at := within(p.past, t, 0); len(at) > 0 {
		return at[0].Patches
	}
	return 0
}

// behind returns how late a duty would be.
func (p *plan) behind(d *duty) string {
	rate := p.readyRate
	if n := len(p.coming); n > 0 {
		rate += p.coming[n-1].rate
	}
	if rate <= 0 {
		return "any time"
	}
	return lasting((d.load - p.capacity(max(d.due, 0))) / rate)
}

func (p *plan) clock(d *duty) string {
	return clock(p.s.Now.Add(time.Duration(d.due*float64(time.Second))), p.s.Now)
}
