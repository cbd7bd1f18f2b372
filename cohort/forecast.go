package cohort

import (
	"math"
	"time"
)

// usualPatches is taken for a slide where none has been measured: the median of
// COBRA's 5,147 biopsies, 0.163 Gpx of which four tenths are tissue, in usual patches
// (sizes.go).
const usualPatches = 1300

// nineInTen is how many standard deviations lie on each side of nine in ten.
const nineInTen = 1.645

// student returns how much wider an interval of nine in ten is where the deviation
// was measured with so many degrees of freedom: the first term of Student's t.
func student(freedom float64) float64 {
	return 1 + (nineInTen*nineInTen+1)/(4*max(freedom, 1))
}

// perSlide returns the mean number of usual patches of the slides measured, its standard
// deviation and their number.
func (t *tally) perSlide() (mean, deviation float64, n int) {
	if t.sized == 0 {
		return usualPatches, usualPatches, 0
	}
	n = t.sized
	mean = t.sum / float64(n)
	deviation = mean // of one slide nothing is learned
	if n > 1 {
		deviation = math.Sqrt(max(t.squares/float64(n)-mean*mean, 0)*float64(n)/float64(n-1)) * student(float64(n-1))
	}
	return mean, deviation, n
}

// forecast says when b ends, where the slides before it go first. Nil: nothing is
// measured yet, or it is over.
func (l *Ledger) forecast(b *book, o *outlook) *Forecast {
	if b.over() || o.rate == 0 || b.held() {
		return nil
	}
	own, unsure := b.remaining(o.all)
	left := o.until(b)
	remaining := left.patches / o.rate
	spread := nineInTen * math.Hypot(o.sure.over(remaining), math.Sqrt(left.variance)/max(left.patches, 1))
	h := l.inHand(b, o.like)
	f := &Forecast{
		Finish:     o.now.Add(time.Duration(min(remaining, 1e9) * float64(time.Second))).UTC().Truncate(time.Second),
		RemainingS: remaining,
		LowS:       remaining / (1 + spread),
		HighS:      remaining * (1 + spread),
		Cost:       l.costNow(b, h),
	}
	f.Cost.InHandUSD = nil
	f.Cost.Patches += int(math.Round(own))
	f.Cost.ComputeS += own * h.seconds
	if l.cfg.prices() {
		rest := own * h.each
		// A patch takes more of a worker's time while the fleet is slow.
		off := 1 + nineInTen*math.Hypot(unsure/max(own, 1), o.sure.over(remaining))
		now := *f.Cost.USD
		usd, low, high := now+rest, now+rest/off, now+rest*off
		f.Cost.USD, f.CostLowUSD, f.CostHighUSD = &usd, &low, &high
	}
	return f
}

// prices reports whether it is known what a worker costs.
func (c *Config) prices() bool { return c.PricePerHour > 0 || len(c.Prices) > 0 }

// price is what a slide took, USD, by the kinds of those who worked on it.
func (l *Ledger) price(e *End) float64 {
	if len(e.ComputeBy) == 0 {
		return e.ComputeS / 3600 * l.hour(e.Kind)
	}
	sum := 0.0
	for kind, seconds := range e.ComputeBy {
		sum += seconds / 3600 * l.hour(kind)
	}
	return sum
}

// hour is the price of an hour of a worker of a kind, USD; 0 where none is known.
func (l *Ledger) hour(kind string) float64 {
	if usd, is := l.cfg.Prices[kind]; is {
		return usd
	}
	return l.cfg.PricePerHour
}

// cost is what t's slides took, with what that costs where prices are known.
func (l *Ledger) cost(t *tally) Cost {
	c := t.spent
	if l.cfg.prices() {
		usd := t.usd
		c.USD = &usd
	}
	return c
}

// all returns the sums over the open cohorts, and what is known of slides that
// have gone.
func (l *Ledger) all() *tally {
	t := l.gone
	for _, b := range l.open {
		t.merge(&b.tally, 1)
	}
	return &t
}

// merge adds what another tally knows of slides and what they took, or takes it away
// (sign -1).
func (t *tally) merge(o *tally, sign int) {
	t.left += sign * o.left
	t.unsized.merge(o.unsized, float64(sign))
	t.sized += sign * o.sized
	t.sum += float64(sign) * o.sum
	t.squares += float64(sign) * o.squares
	t.spent.Patches += sign * o.spent.Patches
	t.spent.ComputeS += float64(sign) * o.spent.ComputeS
	t.usd += float64(sign) * o.usd
	t.weights.merge(&o.weights, float64(sign))
	t.counts.Submitted += sign * o.counts.Submitted
	t.counts.Pending += sign * o.counts.Pending
	t.counts.Running += sign * o.counts.Running
	t.counts.Done += sign * o.counts.Done
	t.counts.Failed += sign * o.counts.Failed
	t.counts.Quarantined += sign * o.counts.Quarantined
	t.counts.Cancelled += sign * o.counts.Cancelled
}
