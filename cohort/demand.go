package cohort

import (
	"cmp"
	"math"
	"slices"
	"time"

	"bcc/queue"
)

// Demand is the work of open cohorts that share a lane and a deadline to the minute or,
// without one, the minute of submission. Of cohorts whose cap is reached only what is
// begun counts.
type Demand struct {
	Urgent    bool       `json:"urgent"`
	Deadline  *time.Time `json:"deadline"`          // the earliest of them; nil: when everything is done
	Slides    int        `json:"slides"`            // without an end
	Patches   float64    `json:"patches"`           // left, guessed where slides were not looked at yet
	Deviation float64    `json:"patches_deviation"` // standard deviation of that guess
	Largest   float64    `json:"largest_patches"`   // left of the largest slide: no more workers than its shards can share it
	Since     *time.Time `json:"since"`             // since when the oldest slide waits; nil: all are being walked
	Newest    time.Time  `json:"newest"`            // when the last cohort of it was submitted
}

// maxDemands bounds the list: where there are more deadlines, those that are near each
// other are taken together, by ever coarser steps.
const maxDemands = 256

// Demands returns what is to be done by when: urgent work first, the earliest deadline
// first, what has none last, oldest first.
func (l *Ledger) Demands() []Demand {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.all()
	for step := time.Minute; ; step *= 4 {
		if list := l.demands(all, step); len(list) <= maxDemands {
			return list
		}
	}
}

// demandKey is what cohorts of one demand have in common.
type demandKey struct {
	urgent bool
	step   int64 // of the deadline; math.MaxInt64: none
	since  int64 // step of the submission, of those without a deadline
}

// gathering is a demand while it is summed up.
type gathering struct {
	Demand
	variance float64
	unsized  unsized // of cohorts of which none was looked at: all are guessed by one mean
}

// demands takes deadlines together that lie in the same step. The caller holds mu.
func (l *Ledger) demands(all *tally, step time.Duration) []Demand {
	groups := map[demandKey]*gathering{}
	for _, b := range l.open {
		slides := b.wanted()
		if slides == 0 {
			continue
		}
		key := demandKey{urgent: b.Priority == queue.Urgent, step: math.MaxInt64}
		if b.Deadline != nil {
			key.step = b.Deadline.Unix() / int64(step.Seconds())
		} else {
			key.since = b.seen.Unix() / int64(step.Seconds())
		}
		g := groups[key]
		if g == nil {
			g = &gathering{Demand: Demand{Urgent: key.urgent}}
			groups[key] = g
		}
		g.add(b, slides, all)
	}
	list := make([]Demand, 0, len(groups))
	mean, each, n := all.perSlide()
	for _, g := range groups {
		patches, unsure := g.unsized.guess(mean, each, n)
		g.Patches += patches
		g.variance += unsure
		g.Deviation = math.Sqrt(g.variance)
		list = append(list, g.Demand)
	}
	slices.SortFunc(list, compareDemands)
	return list
}

func compareDemands(a, b Demand) int {
	if a.Urgent != b.Urgent {
		if a.Urgent {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(unixOf(a.Deadline), unixOf(b.Deadline)), a.Newest.Compare(b.Newest))
}

func unixOf(t *time.Time) int64 {
	if t == nil {
		return math.MaxInt64
	}
	return t.Unix()
}

// add takes a cohort in, of which so many slides are wanted.
func (g *gathering) add(b *book, slides int, all *tally) {
	g.Slides += slides
	if b.seen.After(g.Newest) {
		g.Newest = b.seen.UTC().Truncate(time.Millisecond)
	}
	if b.Deadline != nil && (g.Deadline == nil || b.Deadline.Before(*g.Deadline)) {
		g.Deadline = b.Deadline
	}
	if slides == b.counts.Running || b.counts.Pending == b.foreign {
		// nothing of it waits
	} else if g.Since == nil || b.seen.Before(*g.Since) {
		since := b.seen.UTC().Truncate(time.Millisecond)
		g.Since = &since
	}
	if b.held() { // its slides that wait are nobody's work
		for i := range b.running {
			g.begun(b.lines[i], b.size(i))
		}
		return
	}
	var largest size // of those not looked at yet
	for i, line := range b.lines {
		switch {
		case line.state.Final():
		case line.planned >= 0:
			g.Largest = max(g.Largest, float64(line.planned-line.scored))
		default:
			if s := b.size(i); s.density*float64(1+s.bytes) > largest.density*float64(1+largest.bytes) {
				largest = s
			}
		}
	}
	if b.unsized.n > 0 {
		g.Largest = max(g.Largest, b.guess(all, largest))
	}
	if b.sized == 0 && b.weights.left.n == 0 {
		g.unsized.merge(b.unsized, 1)
		return
	}
	patches, deviation := b.remaining(all)
	g.Patches += patches
	g.variance += deviation * deviation
}

// begun adds a slide that is being walked.
func (g *gathering) begun(l line, of size) {
	left := float64(l.planned - l.scored)
	if l.planned < 0 {
		g.unsized.add(of.density, 1)
		return
	}
	g.Patches += left
	g.Largest = max(g.Largest, left)
}

// wanted returns how many slides are to be brought to their end.
func (b *book) wanted() int {
	if b.held() {
		return b.counts.Running
	}
	return b.counts.Pending + b.counts.Running - b.foreign
}
