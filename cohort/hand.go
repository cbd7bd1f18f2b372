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

	seconds, each float64 // what a patch takes, and USD
}

// inHand returns it. The caller holds mu.
func (l *Ledger) inHand(b *book, like func() *usual) inHand {
	var h inHand
	for _, told := range b.running {
		h.spent.Patches += told.looked
		for kind, seconds := range told.by {
			h.spent.ComputeS += seconds
			h.usd += seconds * l.hour(kind) / 3600
		}
	}
	h.seconds, h.each = l.aPatch(b, h, like)
	var others *tally
	if b.sized == 0 {
		others = like().all
	}
	for i, told := range b.running {
		line := b.lines[i]
		planned := float64(line.planned)
		if line.planned < 0 {
			planned = b.guess(others, b.size(i))
		}
		more := max(line.scored-told.through, 0) // of shards that are not through
		h.spent.Patches += more
		h.spent.ComputeS += float64(more) * h.seconds
		h.usd += float64(more) * h.each
		h.rest += max(planned-float64(told.through+more), 0) * h.each
	}
	return h
}

// aPatch returns what a patch takes, as the cohort's own have so far, told of those in hand
// too; else as anybody's.
func (l *Ledger) aPatch(b *book, told inHand, like func() *usual) (seconds, usd float64) {
	if n := float64(b.spent.Patches + told.spent.Patches); n > 0 {
		if s := b.spent.ComputeS + told.spent.ComputeS; s > 0 {
			return s / n, (b.usd + told.usd) / n
		}
	}
	u := like()
	return u.seconds, u.usd
}

// usual is what is known of all cohorts, for one of which nothing is.
type usual struct {
	all          *tally
	seconds, usd float64 // of a patch; 0: nothing is known
}

// usual returns it: what patches took, else as workers say, else as if they had made the
// whole rate together. The caller holds mu.
func (l *Ledger) usual(all *tally) *usual {
	if n := float64(all.spent.Patches); n > 0 && all.spent.ComputeS > 0 {
		return &usual{all, all.spent.ComputeS / n, all.usd / n}
	}
	var n, rate, hour float64
	for _, w := range l.workers {
		if r := w.CapacityPatchesPerS; r > 0 {
			n, rate, hour = n+1, rate+r, hour+l.hour(w.Kind)
		}
	}
	if rate > 0 {
		return &usual{all, n / rate, hour / 3600 / rate}
	}
	u := &usual{all: all}
	if rate, _ = l.rate(); rate > 0 {
		u.seconds = float64(max(len(l.workers), 1)) / rate
		u.usd = u.seconds * l.hour("") / 3600
	}
	return u
}

// like returns what is usual, summed up where it is asked for. The caller holds mu as long
// as it uses it.
func (l *Ledger) like() func() *usual {
	return sync.OnceValue(func() *usual { return l.usual(l.all()) })
}

// costNow is what a cohort has cost so far, slides in hand included.
func (l *Ledger) costNow(b *book, h inHand) Cost {
	c := l.cost(&b.tally)
	c.Patches += h.spent.Patches
	c.ComputeS += h.spent.ComputeS
	if c.USD != nil && h.usd > 0 {
		*c.USD += h.usd
		c.InHandUSD = &h.usd
	}
	return c
}
