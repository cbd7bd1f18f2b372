package autoscale

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// plan is what a decision is made with. Times are seconds from now.
type plan struct {
	cfg  Config
	s    Signals
	past []Record

	kinds   []lineup
	order   []int // kinds whose rate is known, cheapest first
	slowest float64
	soonest float64 // start-up
	longest float64 // start-up
	before  int     // workers wanted by the last decision

	due     []duty
	backlog float64 // patches
	noise   float64 // patches that the backlog may be wrong by
	hands   int     // workers that can have something in hand at once

	readyRate float64   // patches per second of who is ready
	coming    []arrival // of who is not, by time
	why       string
}

// lineup is a kind and how many of it there will be.
type lineup struct {
	Group
	n     int // wanted
	had   int // wanted so far
	rate  float64
	start float64
	price float64 // USD per hour; where some have no price: 1, so that hours count
}

// arrival is when workers take work; rate and moment are sums over all until then, of
// rates and of rates times moments.
type arrival struct{ at, rate, moment float64 }

// spotShare is what is planned with of a worker that may be taken away: what it had in
// hand is done again, and its successor starts. An estimate: one loss in two hours, of
// a start-up of some minutes.
const spotShare = 0.95

func newPlan(cfg Config, s Signals, past []Record) *plan {
	p := &plan{cfg: cfg, s: s, past: past, slowest: math.Inf(1), soonest: math.Inf(1)}
	priced := !slices.ContainsFunc(s.Groups, func(g Group) bool { return g.USDPerHour <= 0 })
	for _, g := range s.Groups {
		k := lineup{Group: g, rate: g.PatchesPerS, start: g.StartUp.Seconds(), price: 1}
		k.n = steered(g, past)
		k.had = k.n
		if g.Spot {
			k.rate *= spotShare
		}
		if priced {
			k.price = g.USDPerHour
		}
		p.kinds = append(p.kinds, k)
		p.before += k.n
	}
	for _, i := range cheapest(s.Groups) {
		if k := p.kinds[i]; k.rate > 0 && k.Max > 0 {
			p.order = append(p.order, i)
			p.slowest = min(p.slowest, k.rate)
			p.soonest = min(p.soonest, k.start)
			p.longest = max(p.longest, k.start)
		}
	}
	var variance float64
	for _, d := range s.Demands {
		p.backlog += d.Patches
		variance += d.Deviation * d.Deviation
	}
	p.hands = hands(s, cfg.Work.Sure)
	p.noise = max(cfg.Work.Sure*math.Sqrt(variance), s.Shard)
	p.workers()
	if len(p.order) > 0 {
		p.due = p.duties()
	}
	return p
}

// workers sums up who works from when on.
func (p *plan) workers() {
	for _, k := range p.kinds {
		p.readyRate += k.rate * float64(min(k.Ready, k.had))
		left := k.had - k.Ready
		for _, t := range k.Starting {
			at := t.Sub(p.s.Now).Seconds()
			if t.IsZero() {
				at = k.start
			}
			if at < -k.start { // twice as late as it should be: it does not come
				continue
			}
			if left--; left < 0 {
				break
			}
			p.coming = append(p.coming, arrival{at: max(at, 0), rate: k.rate})
		}
		if lost := k.had - k.Present(); lost > 0 { // the target starts them anew
			p.coming = append(p.coming, arrival{at: k.start, rate: k.rate * float64(lost)})
		}
	}
	byTime := func(a, b arrival) int { return cmp.Compare(a.at, b.at) }
	if !slices.IsSortedFunc(p.coming, byTime) {
		slices.SortFunc(p.coming, byTime)
	}
	var rate, moment float64
	for i := range p.coming {
		c := &p.coming[i]
		rate += c.rate
		moment += c.rate * c.at
		c.rate, c.moment = rate, moment
	}
}

// capacity returns the patches that can be done in t seconds, by those who are there
// and those who were added.
func (p *plan) capacity(t float64) float64 {
	if t <= 0 {
		return 0
	}
	sum := p.readyRate * t
	i, _ := slices.BinarySearchFunc(p.coming, t, func(c arrival, t float64) int { return cmp.Compare(c.at, t) })
	if i > 0 {
		sum += p.coming[i-1].rate*t - p.coming[i-1].moment
	}
	for _, k := range p.kinds {
		sum += float64(k.n-k.had) * k.rate * max(0, t-k.start)
	}
	return sum
}

// rate returns what all who are there do in a second, once they are ready.
func (p *plan) rate() float64 {
	rate := p.readyRate
	if n := len(p.coming); n > 0 {
		rate += p.coming[n-1].rate
	}
	return rate
}

// count returns how many workers are wanted.
func (p *plan) count() int {
	n := 0
	for _, k := range p.kinds {
		n += k.n
	}
	return n
}

// hands returns how many workers can have something in hand at once.
func hands(s Signals, sure float64) int {
	switch {
	case len(s.Demands) == 0:
		return 0
	case s.Shard <= 0: // not known
		return math.MaxInt32
	}
	n := 0.0
	for _, d := range s.Demands {
		n += max(1, math.Ceil((d.Patches+sure*d.Deviation)/s.Shard))
	}
	return int(min(n, math.MaxInt32))
}

// names says how many of what: "18 workers", where there are several kinds "18 × c7i, 2 × g6".
func (p *plan) names() string {
	if len(p.kinds) == 1 {
		return plural(p.kinds[0].n, "worker")
	}
	var some []string
	for _, k := range p.kinds {
		if k.n > 0 {
			some = append(some, fmt.Sprintf("%s × %s", number(float64(k.n)), k.Name))
		}
	}
	if len(some) == 0 {
		return "no workers"
	}
	return strings.Join(some, ", ")
}
