package sim

import (
	"math"
	"slices"
)

// searchCells bounds the work of a search, two seconds; fineCells that of one in finer
// grains than a worker-slot, which large fleets gain little from.
const (
	searchCells = 400e6
	fineCells   = 50e6
)

// search finds the least that has to be paid, in worker-slots, over every whole number
// of workers in every slot, by dynamic programming over (slot, workers, backlog).
// Backlog is counted in grains of a worker-slot; arrivals are rounded up and what is due
// is rounded down, both as sums over time, so that at most a grain of the work is given
// away, once.
//
// Where more workers are there than its table has rows for, they are taken to be of any
// number, to have been started for that number alone and to be paid for what they do.
func (t *tube) search() (cost int64, grains int) {
	rows := max(t.peak(), t.minimum) + 2 // more may pay in a real optimum: then the last row lets them
	if grains = t.affordable(rows); grains == 0 {
		return 0, 0
	}
	return t.cheapest(rows, grains), grains
}

// affordable returns into how many grains a worker-slot can be cut; 0: not even one.
func (t *tube) affordable(rows int) int {
	for _, grains := range []int{16, 8, 4, 2, 1} {
		cells := 0.0
		for k := range t.due {
			cells += float64(rows+1) * ((t.arrived[k]-t.due[k])*float64(grains) + 2)
		}
		if cells <= fineCells || grains == 1 && cells <= searchCells {
			return grains
		}
	}
	return 0
}

const unreachable = math.MaxInt32 / 2

// cheapest returns the least cost with rows 0 to top-1 for that many workers, and row
// top for as many or more.
func (t *tube) cheapest(top, grains int) int64 {
	p := newProgram(t, top, grains)
	for k := range p.arrived {
		p.walk(k)
	}
	row, backlog := p.best()
	return int64(p.cost[row][backlog])
}

// program is the table while it walks from slot to slot: the least that was paid, by
// the workers of the last slot and the backlog after it.
type program struct {
	top, grains  int
	lag          int // what a start costs, in worker-slots
	least        int
	arrived, due []int // in grains
	cost, next   [][]int32
	wide         []int32
	room         int // the largest backlog after the last slot
}

func newProgram(t *tube, top, grains int) *program {
	p := &program{
		top: top, grains: grains, lag: t.lag, least: t.minimum,
		arrived: make([]int, len(t.due)), due: make([]int, len(t.due)),
		cost: make([][]int32, top+1), next: make([][]int32, top+1),
	}
	most := 0
	for k := range t.due {
		p.arrived[k] = int(math.Ceil(t.arrived[k]*float64(grains) - 1e-6))
		p.due[k] = int(math.Floor(t.due[k]*float64(grains) + 1e-6))
		most = max(most, p.arrived[k]-p.due[k])
	}
	for n := range p.cost {
		p.cost[n], p.next[n] = make([]int32, most+1), make([]int32, most+1)
		fill(p.cost[n], unreachable)
	}
	p.cost[0][0] = 0
	return p
}

// came is what arrives in a slot.
func (p *program) came(k int) int {
	if k == 0 {
		return p.arrived[0]
	}
	return p.arrived[k] - p.arrived[k-1]
}

// walk lets slot k pass.
func (p *program) walk(k int) {
	came, room := p.came(k), p.arrived[k]-p.due[k]
	if k < p.lag {
		p.wait(came, room)
	} else {
		if k == p.lag { // whoever has to be there was started, and that is paid for
			row := min(p.least, p.top)
			p.cost[0], p.cost[row] = p.cost[row], p.cost[0]
		}
		p.step(came, room)
	}
	p.room = room
}

// wait lets a slot pass in which nobody works; whoever has to be there is starting.
func (p *program) wait(came, room int) {
	to := p.next[0][:room+1]
	shift(to, p.cost[0][:p.room+1], came, int32(p.least))
	p.cost[0], p.next[0] = p.next[0], p.cost[0]
	for n := 1; n <= p.top; n++ {
		fill(p.cost[n][:room+1], unreachable)
	}
}

// step decides on the workers of a slot and lets them work.
func (p *program) step(came, room int) {
	p.change()
	for n := p.least; n < p.top; n++ {
		shift(p.next[n][:room+1], p.cost[n][:p.room+1], came-n*p.grains, int32(n))
	}
	p.more(came, p.next[p.top][:room+1])
	p.cost, p.next = p.next, p.cost
	for n := range min(p.least, p.top) {
		fill(p.cost[n][:room+1], unreachable)
	}
}

// more lets the last row work: top workers, and any number beyond, each of which does a
// slot's work and is paid for it.
func (p *program) more(came int, to []int32) {
	most := p.room + came
	p.wide = slices.Grow(p.wide[:0], most+p.grains+1)[:most+p.grains+1]
	shift(p.wide, p.cost[p.top][:p.room+1], came-p.top*p.grains, int32(p.top))
	for b := most; b > 0; b-- {
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
			here[b] = min(here[b], c)
		}
	}
	for n := 1; n <= p.top; n++ {
		here, below := p.cost[n][:p.room+1], p.cost[n-1][:p.room+1]
		for b, c := range below {
			here[b] = min(here[b], c+int32(p.lag))
		}
	}
}

func fill(s []int32, v int32) {
	for i := range s {
		s[i] = v
	}
}

// shift writes from, moved by so many grains of backlog and dearer by paid, to to. What
// would fall below no backlog has none; what is over the end of to is late.
func shift(to, from []int32, by int, paid int32) {
	first := max(0, -by) // the first that does not fall below
	if first > 0 {
		none := int32(unreachable)
		for _, c := range from[:min(first+1, len(from))] {
			none = min(none, c)
		}
		to[0] = min(none+paid, unreachable)
		first++
	} else {
		fill(to[:min(by, len(to))], unreachable)
	}
	last := min(len(from)-1, len(to)-1-by)
	if last < first {
		fill(to[min(first+by, len(to)):], unreachable)
		return
	}
	from = from[first : last+1]
	moved := to[first+by:][:len(from)]
	for b, c := range from {
		moved[b] = min(c+paid, unreachable)
	}
	fill(to[last+by+1:], unreachable)
}
