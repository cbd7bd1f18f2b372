package cohort

import "sync"

// hand is what the worker of a running slide has told of what it took so far.
type hand struct {
	through int                // patches of shards that are through, also those kept from before
	looked  int                // of these: looked at
	by      map[string]float64 // seconds of workers, by their kinds
}

// inHand is what the running slides of a cohort cost before any of them has an end, which
// then says what is true. A worker that dies takes what it spent with it, as its slide's
// end does.
type inHand struct {
	spent Cost    // so far: told a shard at a time, the rest estimated by its patches
	usd   float64 // of spent
	rest  float64 // USD that they will cost yet, estimated
}

// inHand returns it; like is what is known of all cohorts' slides. The caller holds mu.
func (l *Ledger) inHand(b *book, like func() *tally) inHand {
	var h inHand
	if len(b.running) == 0 {
		return h
	}
	for _, told := range b.running {
		h.spent.Patches += told.looked
		for kind, seconds := range told.by {
			h.spent.ComputeS += seconds
			h.usd += seconds * l.hour(kind) / 3600
		}
	}
	seconds, usd := l.aPatch(b, h, like)
	var others *tally
	if b.sized == 0 {
		others = like()
	}
	for i, told := range b.running {
		line := b.lines[i]
		planned := float64(line.planned)
		if line.planned < 0 {
			planned = b.guess(others, b.size(i))
		}
		more := max(line.scored-told.through, 0) // of shards that are not through
		h.spent.Patches += more
		h.spent.ComputeS += float64(more) * seconds
		h.usd += float64(more) * usd
		h.rest += max(planned-float64(told.through+more), 0) * usd
	}
	return h
}

// aPatch returns what a patch takes, as the cohort's own have so far, told of those in hand
// too; else as those of all cohorts have; else as workers say; else as if they had made the
// whole rate together. 0: nothing is known.
func (l *Ledger) aPatch(b *book, told inHand, like func() *tally) (seconds, usd float64) {
	if n := float64(b.spent.Patches + told.spent.Patches); n > 0 {
		if s := b.spent.ComputeS + told.spent.ComputeS; s > 0 {
			return s / n, (b.usd + told.usd) / n
		}
	}
	if all := like(); all.spent.Patches > 0 && all.spent.ComputeS > 0 {
		n := float64(all.spent.Patches)
		return all.spent.ComputeS / n, all.usd / n
	}
	var n, rate, hour float64
	for _, w := range l.workers {
		if r := w.CapacityPatchesPerS; r > 0 {
			n, rate, hour = n+1, rate+r, hour+l.hour(w.Kind)
		}
	}
	if rate > 0 {
		return n / rate, hour / 3600 / rate
	}
	if rate, _ = l.rate(); rate > 0 {
		seconds = float64(max(len(l.workers), 1)) / rate
	}
	return seconds, seconds * l.hour("") / 3600
}

// like returns what is known of all cohorts' slides, summed up where it is asked for. The
// caller holds mu as long as it uses it.
func (l *Ledger) like() func() *tally { return sync.OnceValue(l.all) }

// costNow is what a cohort has cost so far, slides in hand included. The caller holds mu.
func (l *Ledger) costNow(b *book, like func() *tally) Cost {
	c, h := l.cost(&b.tally), l.inHand(b, like)
	c.Patches += h.spent.Patches
	c.ComputeS += h.spent.ComputeS
	if c.USD != nil && h.usd > 0 {
		*c.USD += h.usd
		c.InHandUSD = &h.usd
	}
	return c
}
