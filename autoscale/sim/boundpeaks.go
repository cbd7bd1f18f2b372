package sim

import (
	"cmp"
	"slices"

	"bcc/autoscale"
)

// byPeaks is a bound for fleets that are too large to search, in worker-slots: the work,
// and in each stretch of it the starts that its highest peak needs.
func (t *tube) byPeaks() float64 {
	cost := t.work
	for _, s := range t.stretches() {
		cost += float64(t.lag) * max(0, t.density(s)-float64(t.minimum))
	}
	return max(cost+float64(t.minimum*t.lag), float64(t.minimum*len(t.due)))
}

// stretch is slots between which there is work all the time, from the first to before
// the end.
type stretch struct{ first, end int }

// stretches are apart for at least a start-up's time in which nothing can be done: who
// works in two of them was started twice, or idle for as long.
func (t *tube) stretches() []stretch {
	var all []stretch
	before := 0.0
	for k := range t.due {
		if t.arrived[k]-before < 1e-9 { // nothing is open
			continue
		}
		if n := len(all); n > 0 && k-all[n-1].end < max(t.lag, 1) {
			all[n-1].end = k + 1
		} else {
			all = append(all, stretch{k, k + 1})
		}
		before = t.due[k]
	}
	return all
}

// density is the least real number of workers that suffices when they are there for a
// whole stretch.
func (t *tube) density(s stretch) float64 {
	low, high := 0.0, float64(t.most)
	for range 50 {
		if mid := (low + high) / 2; t.suffices(s, mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return low
}

// suffices reports whether so many workers, there for a whole stretch, are enough.
func (t *tube) suffices(s stretch, n float64) bool {
	done := 0.0
	if s.first > 0 {
		done = t.due[s.first-1]
	}
	for k := s.first; k < s.end; k++ {
		if k >= t.lag {
			done = min(done+n, t.arrived[k])
		}
		if done < t.due[k]-1e-9 {
			return false
		}
	}
	return true
}

// usd bounds the cost; 0 where a price is not known. Each kind's patches have a price,
// and no more of a kind's can be had than all of its workers make in all the time.
func (t *tube) usd(b Bound) float64 {
	kinds := slices.Clone(t.cfg.Kinds)
	cheapest := kinds[0].USDPerHour
	for _, k := range kinds {
		cheapest = min(cheapest, k.USDPerHour)
	}
	if cheapest == 0 {
		return 0
	}
	if len(kinds) == 1 {
		return b.Hours * cheapest
	}
	slices.SortFunc(kinds, func(a, b autoscale.Kind) int {
		return cmp.Compare(a.USDPerHour/a.PatchesPerS, b.USDPerHour/b.PatchesPerS)
	})
	hours := float64(len(t.due)) * t.slotHours
	patches := t.work * t.rate * t.slotHours * 3600
	cost, peak := 0.0, 0.0
	for _, s := range t.stretches() {
		peak = max(peak, t.density(s)*t.rate)
	}
	for _, k := range kinds { // those that are always there are paid for anyway
		cost += float64(k.Min) * hours * k.USDPerHour
		patches -= float64(k.Min) * hours * 3600 * k.PatchesPerS
		peak -= float64(k.Min) * k.PatchesPerS
	}
	start := never.Hours()
	for _, k := range kinds {
		some := min(max(patches, 0), float64(k.Max-k.Min)*hours*3600*k.PatchesPerS)
		cost += some / k.PatchesPerS / 3600 * k.USDPerHour
		patches -= some
		start = min(start, k.StartUp.Hours()*(1-t.cfg.Spread)*k.USDPerHour/k.PatchesPerS)
	}
	return max(cost+max(peak, 0)*start, b.Hours*cheapest)
}
