package autoscale

import (
	"maps"
	"slices"
	"time"
)

// NewRecord returns what is kept of a decision. asked is what Decide returned beside it.
func NewRecord(s Signals, d Decision, asked map[string]int) Record {
	if asked == nil {
		asked = d.Wanted
	}
	r := Record{At: s.Now, Present: make(map[string]int, len(s.Groups)), Asked: maps.Clone(asked), Wanted: maps.Clone(d.Wanted)}
	for _, w := range s.Demands {
		r.Patches += w.Patches
	}
	ready := 0
	for _, g := range s.Groups {
		r.Present[g.Name] = g.Present()
		r.CPUPercent += g.CPUPercent * float64(g.Ready)
		ready += g.Ready
	}
	r.CPUPercent /= float64(max(ready, 1))
	return r
}

// Trim returns the records that a policy with such a window may still look at.
func Trim(past []Record, now time.Time, window time.Duration) []Record {
	oldest := now.Add(-window)
	i, _ := slices.BinarySearchFunc(past, oldest, func(r Record, t time.Time) int { return r.At.Compare(t) })
	return past[i:]
}

// within returns the records of the last d before now.
func within(past []Record, now time.Time, d time.Duration) []Record { return Trim(past, now, d) }

// total returns how many that are over all kinds.
func total(n map[string]int) int {
	sum := 0
	for _, v := range n {
		sum += v
	}
	return sum
}

// steered returns how many of the group the last decision wanted; with no decision
// before, those that are there. More may be present, which were busy when they should
// have gone, or fewer, which the target still has to start.
func steered(g Group, past []Record) int {
	n := g.Present()
	if len(past) > 0 {
		if w, ok := past[len(past)-1].Wanted[g.Name]; ok {
			n = w
		}
	}
	return bounded(g.Kind, n)
}

// bounded returns n within the kind's bounds.
func bounded(k Kind, n int) int { return max(min(n, k.Max), k.Min, 0) }

// turns returns when the number last went up and when it last went down; the zero
// time: not within the records.
func turns(past []Record) (up, down time.Time) {
	for i := len(past) - 1; i > 0 && (up.IsZero() || down.IsZero()); i-- {
		switch before, after := total(past[i-1].Wanted), total(past[i].Wanted); {
		case after > before && up.IsZero():
			up = past[i].At
		case after < before && down.IsZero():
			down = past[i].At
		}
	}
	return up, down
}
