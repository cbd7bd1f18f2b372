package autoscale

import (
	"cmp"
	"slices"
)

// cheapest returns the groups' indices, the one whose patches cost least first. Where
// a price or a rate is not known prices are not compared: faster ones come first, since
// then there are fewer.
func cheapest(groups []Group) []int {
	order := make([]int, len(groups))
	priced := true
	for i, g := range groups {
		order[i] = i
		priced = priced && g.USDPerHour > 0 && g.PatchesPerS > 0
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := groups[a], groups[b]
		if priced {
			return cmp.Compare(x.USDPerHour/x.PatchesPerS, y.USDPerHour/y.PatchesPerS)
		}
		return cmp.Compare(y.PatchesPerS, x.PatchesPerS)
	})
	return order
}

// backlog returns the patches that are left of all demands, and of the urgent ones.
func backlog(s Signals) (all, urgent float64) {
	for _, d := range s.Demands {
		all += d.Patches
		if d.Urgent {
			urgent += d.Patches
		}
	}
	return all, urgent
}

// anything reports whether something is to be done; a slide that nobody looked at yet
// may have no patches.
func anything(s Signals) bool {
	return slices.ContainsFunc(s.Demands, func(d Demand) bool { return d.Patches > 0 || d.Slides > 0 })
}

// ready returns how many workers take work.
func ready(groups []Group) int {
	n := 0
	for _, g := range groups {
		n += g.Ready
	}
	return n
}
