package sim

import (
	"context"
	"math"
	"slices"
	"time"

	"bcc/autoscale"
)

// Clairvoyant is the name under which a plan's figures stand.
const Clairvoyant = "(clairvoyant)"

// PlanOf is what somebody could do who knew the trace: the best schedule of a world
// that is a little harder than the real one (work can be begun at the decision after it
// came, and has to be done a decision early), put through the same simulation as the
// policies. So a reader sees between which two numbers the best possible lies.
//
// ok is false where none is known: with several kinds, with workers that fail, with
// fleets too large to search.
func PlanOf(ctx context.Context, cfg Config, jobs []Job) (f Figures, ok bool, err error) {
	if len(cfg.Kinds) > 1 || cfg.Spread+cfg.FailStarts > 0 || cfg.CrashEvery > 0 || (cfg.SpotEvery > 0 && cfg.Kinds[0].Spot) {
		return Figures{}, false, nil
	}
	n := newTube(cfg, jobs).harder().plan()
	if n == nil {
		return Figures{}, false, nil
	}
	f, err = Run(ctx, cfg, follow{cfg, wantedFor(n, cfg)}, jobs)
	f.Policy = Clairvoyant
	return f, err == nil, err
}

// follow wants what was planned.
type follow struct {
	cfg    Config
	wanted []int // at each decision
}

func (f follow) Name() string          { return Clairvoyant }
func (f follow) Window() time.Duration { return 0 }

func (f follow) Decide(s autoscale.Signals, _ []autoscale.Record) (autoscale.Decision, map[string]int) {
	k, n := int(s.Now.Sub(Epoch)/f.cfg.Interval), 0
	if k < len(f.wanted) {
		n = f.wanted[k]
	}
	return autoscale.Decision{Wanted: map[string]int{f.cfg.Kinds[0].Name: n}, Reason: "planned"}, nil
}

// wantedFor returns how many workers have to be wanted at each decision so that n[k]
// work from the k-th to the next: those that work, and those that will by then.
func wantedFor(n []int, cfg Config) []int {
	lag := int(math.Ceil(float64(cfg.Kinds[0].StartUp) / float64(cfg.Interval)))
	wanted := slices.Clone(n)
	before := 0
	for k, now := range n {
		for i := max(0, k-lag); i < k; i++ {
			wanted[i] += max(0, now-before)
		}
		before = now
	}
	return wanted
}

// harder returns a tube of which every schedule can really be followed.
func (t *tube) harder() *tube {
	h := *t
	h.lag = int(math.Ceil(float64(t.cfg.Kinds[0].StartUp) / float64(t.cfg.Interval)))
	h.arrived = append([]float64{0}, t.arrived...)
	h.due = append(slices.Clone(t.due[1:]), t.work, t.work)
	h.clip()
	return &h
}

// plan returns the workers of each slot of the cheapest schedule; nil where there are
// too many to search. Tables are kept for one stretch of slots at a time and made again
// from the beginning of a stretch, so that memory grows with the root of the slots.
func (t *tube) plan() []int {
	rows := max(t.peak(), t.minimum) + 2
	grains := t.affordable(rows)
	if grains == 0 {
		return nil
	}
	p := newProgram(t, rows, grains)
	stretch := int(math.Sqrt(float64(len(p.arrived)))) + 1
	var saved []snapshot
	for k := range p.arrived {
		if k%stretch == 0 {
			saved = append(saved, p.save())
		}
		p.walk(k)
	}
	n := make([]int, len(p.arrived))
	row, backlog := p.best()
	for s := len(saved) - 1; s >= 0; s-- {
		p.restore(saved[s])
		first, end := s*stretch, min((s+1)*stretch, len(n))
		tables := make([]snapshot, 0, stretch)
		for k := first; k < end; k++ {
			tables = append(tables, p.save())
			if k < end-1 {
				p.walk(k)
			}
		}
		for k := end - 1; k >= first; k-- {
			n[k], row, backlog = p.back(k, tables[k-first], row, backlog)
		}
		saved[s] = snapshot{}
	}
	return n
}

// snapshot is a table between two slots.
type snapshot struct {
	room int
	cost [][]int32
}

func (p *program) save() snapshot {
	s := snapshot{p.room, make([][]int32, len(p.cost))}
	for n := range p.cost {
		s.cost[n] = slices.Clone(p.cost[n][:p.room+1])
	}
	return s
}

func (p *program) restore(s snapshot) {
	p.room = s.room
	for n := range s.cost {
		copy(p.cost[n], s.cost[n])
	}
}

// best returns the cheapest end.
func (p *program) best() (row, backlog int) {
	least := int32(unreachable + 1)
	for n := range p.cost {
		for b, c := range p.cost[n][:p.room+1] {
			if c < least {
				least, row, backlog = c, n, b
			}
		}
	}
	return row, backlog
}

// back returns how many worked in slot k on the cheapest way to a row and a backlog
// after it, and where that way was before.
func (p *program) back(k int, before snapshot, row, backlog int) (workers, row0, backlog0 int) {
	came := p.came(k)
	if k < p.lag {
		return 0, 0, max(0, min(backlog-came, before.room))
	}
	least := int64(math.MaxInt64)
	for b := range before.room + 1 {
		done := b + came - backlog
		n := row
		if row == p.top {
			n = max(row, (done+p.grains-1)/p.grains)
		}
		if done > n*p.grains || (backlog > 0 && done != row*p.grains && row < p.top) || (backlog > 0 && row == p.top && done < row*p.grains) {
			continue
		}
		for from := range before.cost {
			c := int64(before.cost[from][b])
			if c >= unreachable {
				continue
			}
			at := from
			if k == p.lag { // those that have to be there have been starting
				at = min(p.least, p.top)
			}
			if c += int64(n + p.lag*max(0, row-at)); c < least {
				least, workers, row0, backlog0 = c, n, from, b
			}
		}
	}
	return workers, row0, backlog0
}
