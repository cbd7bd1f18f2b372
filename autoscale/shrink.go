package autoscale

import (
	"fmt"
	"math"
	"time"
)

// shrink sends away who has nothing to do. There is no sense in keeping them for what
// may come: routine work can wait for a start, and for work that cannot there is
// standing. Nor in sending away others: while there is work each has some.
func (p *plan) shrink(standing map[string]int) {
	if p.why != "" {
		return // those that wait explain themselves
	}
	if p.turnsDown() {
		p.release(standing)
	}
	switch gone := p.before - p.count(); {
	case gone > 0:
		p.why = fmt.Sprintf(": %s had nothing to do", number(float64(gone)))
	case p.before == 0:
		p.why = ": nothing to do"
	case p.backlog > 0:
		p.why = fmt.Sprintf(" kept: %s patches, done in %s, nothing is late", number(p.backlog), lasting(p.lasts()))
	case total(standing) > 0:
		p.why = fmt.Sprintf(" kept: work came in the last %v that could not wait for a start", p.cfg.Work.Keep)
	default:
		p.why = " kept"
	}
}

// lasts returns how long those who are there take for what is left.
func (p *plan) lasts() float64 { return p.backlog / max(p.rate(), 1e-9) }

// release takes idle workers back, the dearest first, as long as the others can do
// what comes in all the time.
func (p *plan) release(standing map[string]int) {
	idle, rate := 0, 0.0
	for _, k := range p.kinds {
		idle += max(k.Ready-k.Busy, 0)
		rate += k.rate * float64(k.n)
	}
	idle = min(idle, max(ready(p.s.Groups)-p.hands, 0))
	steady := p.inflow()
	order := cheapest(p.s.Groups)
	for i := len(order) - 1; i >= 0; i-- {
		k := &p.kinds[order[i]]
		n := min(max(k.Ready-k.Busy, 0), idle)
		if k.rate > 0 {
			n = min(n, max(int(math.Ceil((rate-steady)/k.rate)), 0))
		}
		if n == 0 {
			continue // who is lost while there is work is replaced
		}
		idle -= n
		to := min(k.n, max(k.Present()-n, k.Min, standing[k.Name]))
		rate -= k.rate * float64(k.n-to)
		k.n = to
	}
}

// inflow returns the patches per second that came in, both lately and over a drain:
// workers in that number have something to do as long as it goes on, though they have
// nothing at a moment. Once there was no work for as long as a start takes, it is over:
// to keep somebody any longer costs more than to start him again.
//
// What was done is told by the processors. Where they are idle while accelerators work
// it comes out too small, and workers go that are started again later.
func (p *plan) inflow() float64 {
	lately := p.inflowOver(fewStarts * p.longest)
	return min(lately, p.inflowOver(p.cfg.Drain.Seconds()))
}

// fewStarts is over how many start-ups' time inflow is lately: long enough that a burst
// is not taken for more to come, at 2 min from wanting a worker.
const fewStarts = 5

func (p *plan) inflowOver(seconds float64) float64 {
	past := within(p.past, p.s.Now, time.Duration(seconds*float64(time.Second)))
	if len(past) == 0 || seconds <= 0 {
		return 0
	}
	came := p.backlog - past[0].Patches
	worked := time.Time{}
	for i, r := range past {
		until := p.s.Now
		if i+1 < len(past) {
			until = past[i+1].At
		}
		if r.Patches > 0 {
			worked = until
		}
		took := until.Sub(r.At).Seconds() * r.CPUPercent / 100
		for _, k := range p.kinds {
			came += took * k.rate * float64(r.Present[k.Name])
		}
	}
	if p.s.Now.Sub(worked).Seconds() >= p.longest && p.backlog == 0 {
		return 0
	}
	return came / seconds
}

// turnsDown reports whether fewer would be no reversal within a start-up's time, or one
// for more than what the workers could have done and noise.
func (p *plan) turnsDown() bool {
	up, _ := turns(p.lately())
	since := p.s.Now.Sub(up).Seconds()
	if up.IsZero() || since >= p.longest {
		return true
	}
	return p.patchesAt(up)-p.backlog > p.capacity(since)+p.noise
}

// standing returns how many workers have to be there before work comes: some came
// lately that was wanted sooner than a worker starts, and only who is there already can
// do such work in time. Their number is what the work of the recent past asked for at
// its most, and it is forgotten Config.Work.Keep after the last of it. Work that is
// over before anybody looks shows as workers that are busy with nothing.
func (p *plan) standing() map[string]int {
	density, loose := 0.0, 0.0
	for i := range p.due {
		d := &p.due[i]
		time := (1-p.cfg.Work.Slack)*d.span - p.piece(d.Largest)
		if d.span == 0 || !tooSoon(time, p.soonest) {
			loose += d.Patches
			continue
		}
		if d.due > -p.cfg.Interval.Seconds() { // what is older waited for a start, and came one by one
			density += d.Patches / max(time, p.piece(d.Largest))
		}
	}
	past := within(p.past, p.s.Now, p.cfg.Work.Keep)
	kept := 0
	for _, r := range past {
		kept = max(kept, total(r.Asked))
	}
	busy := 0
	for _, k := range p.kinds {
		busy += k.Busy
	}
	asked := make(map[string]int, len(p.kinds))
	if loose == 0 {
		p.share(asked, min(kept, busy))
	}
	for _, i := range p.order {
		k := &p.kinds[i]
		n := min(int(math.Ceil(min(density/k.rate, 1e9))), k.Max, p.hands)
		asked[k.Name] = max(asked[k.Name], n)
		density -= float64(n) * k.rate
	}
	return asked
}

// share gives n workers to the cheapest kinds.
func (p *plan) share(among map[string]int, n int) {
	for _, i := range p.order {
		k := &p.kinds[i]
		among[k.Name] = min(n, k.Max)
		n -= among[k.Name]
	}
}

// stand raises the number to what has to be there, and reports whether that was more.
func (p *plan) stand(standing map[string]int) bool {
	before := p.count()
	past := within(p.past, p.s.Now, p.cfg.Work.Keep)
	for i := range p.kinds {
		k := &p.kinds[i]
		n := standing[k.Name]
		for _, r := range past {
			n = max(n, r.Asked[k.Name])
		}
		standing[k.Name] = n
		k.n = max(k.n, min(n, k.Max))
	}
	if p.count() > before && p.why == "" {
		p.why = ": work came that cannot wait for a start"
	}
	return p.count() > before
}
