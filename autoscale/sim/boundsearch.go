package sim

import (
	"math"
	"slices"
)

// searched is the cheapest schedule of the relaxed world.
type searched struct {
	cost   int64 // worker-slots paid
	grains int   // of a worker-slot
}

// searchCells bounds the work of a search: about a second.
const searchCells = 400e6

// search finds the least that has to be paid, over every whole number of workers in
// every slot, by dynamic programming over (slot, workers, backlog). Backlog is counted
// in grains of a worker-slot; arrivals are rounded up and what is due is rounded down,
// both as sums over time, so that at most a grain of the work is given away, once.
//
// Where more workers are there than its table has rows for, they are taken to be of any
// number, to have been started for that number alone and to be paid for what they do.
func (t *tube) search() (searched, bool) {
	rows := max(t.peak(), t.minimum) + 2 // more may pay in a real optimum: then the last row lets them
	for _, grains := range []int{16, 8, 4, 2, 1} {
		cells := 0.0
		for k := range t.due {
			cells += float64(rows+1) * ((t.arrived[k]-t.due[k])*float64(grains) + 2)
		}
		if cells <= searchCells {
			return searched{t.cheapest(rows, grains), grains}, true
		}
	}
	return searched{}, false
}

const unreachable = math.MaxInt32 / 2

// cheapest returns the least cost with rows 0 to top-1 for that many workers, and row
// top for as many or more.
func (t *tube) cheapest(top, grains int) int64 {
	most := 0
	arrived, due := make([]int, len(t.due)), make([]int, len(t.due))
	for k := range t.due {
		arrived[k] = int(math.Ceil(t.arrived[k]*float64(grains) - 1e-6))
		due[k] = int(math.Floor(t.due[k]*float64(grains) + 1e-6))
		most = max(most, arrived[k]-due[k])
	}
	p := program{top: top, grains: grains, lag: int32(t.lag), least: t.minimum}
	p.cost, p.next = make([][]int32, top+1), make([][]int32, top+1)
	for n := range p.cost {
		p.cost[n], p.next[n] = make([]int32, most+1), make([]int32, most+1)
		fill(p.cost[n], unreachable)
	}
	p.cost[0][0] = 0
	room, before := 0, 0
	for k := range due {
		came := arrived[k] - before
		before = arrived[k]
		p.room, p.came = room, came
		room = arrived[k] - due[k]
		switch {
		case k < t.lag: // nobody works yet
			p.wait(room, int32(t.minimum))
		case k == t.lag:
			p.begin()
			fallthrough
		default:
			p.step(room)
		}
	}
	best := int32(unreachable)
	for n := range p.cost {
		best = min(best, slices.Min(p.cost[n][:room+1]))
	}
	return int64(best)
}

// program is the table while it walks from slot to slot: the least that was paid, by
// the workers of the last slot and the backlog after it.
type program struct {
	top, grains int
	lag         int32 // what a start costs, in worker-slots
	least       int
	cost, next  [][]int32
	wide        []int32
	room        int // the largest backlog after the last slot
	came        int // in this slot
}

func fill(s []int32, v int32) {
	for i := range s {
		s[i] = v
	}
}

// wait lets a slot pass in which nobody works; whoever has to be there is starting.
func (p *program) wait(room int, paid int32) {
	fill(p.next[0][:room+1], unreachable)
	for b := range p.room + 1 {
		if to := b + p.came; to <= room {
			p.next[0][to] = p.cost[0][b] + paid
		}
	}
	p.cost[0], p.next[0] = p.next[0], p.cost[0]
}

// begin moves everything to the row of those that have to be there: their start is paid for.
func (p *program) begin() {
	row := min(p.least, p.top)
	if row > 0 {
		p.cost[0], p.cost[row] = p.cost[row], p.cost[0]
	}
}

// step decides on the workers of a slot and lets them work.
func (p *program) step(room int) {
	p.change()
	for n := p.least; n < p.top; n++ {
		shift(p.next[n][:room+1], p.cost[n][:p.room+1], p.came-n*p.grains, int32(n))
	}
	p.more(p.next[p.top][:room+1])
	p.cost, p.next = p.next, p.cost
	for n := range min(p.least, p.top) {
		fill(p.cost[n][:room+1], unreachable)
	}
}

// more lets the last row work: top workers, and any number beyond, each of which does a
// slot's work and is paid for it.
func (p *program) more(to []int32) {
	p.wide = slices.Grow(p.wide[:0], p.room+p.came+p.grains+1)[:p.room+p.came+p.grains+1]
	shift(p.wide, p.cost[p.top][:p.room+1], p.came-p.top*p.grains, int32(p.top))
	for b := p.room + p.came; b > 0; b-- {
		p.wide[b] = min(p.wide[b], p.wide[b+p.grains]+1)
	}
	for _, c := range p.wide[1 : p.grains+1] {
		p.wide[0] = min(p.wide[0], c+1)
	}
	copy(to, p.wide)
}

// change makes each row the cheapest way to that number of workers: down is free, up
// costs starts.
func (p *program) change() {
	for n := p.top - 1; n >= 0; n-- {
		here, above := p.cost[n][:p.room+1], p.cost[n+1][:p.room+1]
		for b, c := range above {
			if c < here[b] {
				here[b] = c
			}
		}
	}
	for n := 1; n <= p.top; n++ {
		here, below := p.cost[n][:p.room+1], p.cost[n-1][:p.room+1]
		for b, c := range below {
			if c += p.lag; c < here[b] {
				here[b] = c
			}
		}
	}
}

// shift writes from, moved by so many grains of backlog and dearer by paid, to to. What
// would fall below no backlog has none; what is over the end of to is late.
func shift(to, from []int32, by int, paid int32) {
	fill(to, unreachable)
	first := max(0, -by) // the first that does not fall below
	if first > 0 {
		none := int32(unreachable)
		for _, c := range from[:min(first+1, len(from))] {
			none = min(none, c)
		}
		to[0] = min(none+paid, unreachable)
		first++
	}
	last := min(len(from)-1, len(to)-1-by)
	for b := first; b <= last; b++ {
		to[b+by] = min(from[b]+paid, unreachable)
	}
}
