package capacity

import (
	"errors"
	"math"
	"time"

	"bcc/fault"
)

// Config says under which conditions machines are had.
type Config struct {
	// StartUp is from asking for a machine until it takes work: its start, the program's
	// image, the model. Paid for. Default 2 min: an assumption, measure your own.
	StartUp time.Duration
	// Max is how many machines of a type there may be. Default 64.
	Max int
	// Efficiency is the part of their time for which machines that share work walk slides.
	// Default 0.984: queue, leases and records add 1.2 % to the processor time of walking,
	// and engines of a large pool stood still for 0.4 % of the time while slides waited
	// (bcc bench fleet, docs/results.md). What the end of a list costs comes on top, by
	// counting shards.
	Efficiency float64
	// MinBilled is paid for each machine at least. Default 60 s; then by the second.
	MinBilled time.Duration
	// Shard is how many patches a machine takes at once. Default 512.
	Shard int
	// Spot takes spot prices, where the catalogue has them. That such machines are taken
	// away is not reckoned with.
	Spot bool

	Deadline time.Duration // from now; 0: none
	Budget   float64       // USD; 0: none
}

// DefaultConfig is one without a deadline or a budget.
func DefaultConfig() Config {
	return Config{StartUp: 2 * time.Minute, Max: 64, Efficiency: 0.984, MinBilled: time.Minute, Shard: usualShard}
}

// Most of what may be asked for.
const (
	maxMachines = 10_000
	maxSpan     = 100 * 365 * 24 * time.Hour
)

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fault.New(fault.Invalid, format, args...))
		}
	}
	wrong(c.StartUp < 0 || c.StartUp > 24*time.Hour, "start-up of %v: want 0 to 24 h", c.StartUp)
	wrong(c.Max < 1 || c.Max > maxMachines, "%d machines at most: want 1 to %d", c.Max, maxMachines)
	wrong(!(c.Efficiency > 0 && c.Efficiency <= 1), "efficiency %v: want more than 0, 1 at most", c.Efficiency)
	wrong(c.MinBilled < 0 || c.MinBilled > 24*time.Hour, "billed %v at least: want 0 to 24 h", c.MinBilled)
	wrong(c.Shard < 1, "shards of %d patches: want 1 or more", c.Shard)
	wrong(c.Deadline < 0 || c.Deadline > maxSpan, "deadline in %v: want it to come, within a hundred years", c.Deadline)
	wrong(c.Budget < 0 || math.IsNaN(c.Budget) || math.IsInf(c.Budget, 0), "budget of %v USD: want a sum", c.Budget)
	return errors.Join(errs...)
}

// Span is a time with the interval in which nine in ten lie.
type Span struct{ Mid, Low, High time.Duration }

// USD is a sum with the interval in which nine in ten lie.
type USD struct{ Mid, Low, High float64 }

// Option is machines that can be had: N of a type, all started now and ended when the last
// slide is through.
type Option struct {
	Type   Type
	N      int
	Speed  Speed   // of each
	Finish Span    // from now
	USD    USD     // of all
	Hours  float64 // of all machines, start-up included
}

// LeftOut is a type that cannot be planned with.
type LeftOut struct {
	Type Type
	Why  string
}

// Plan is what can be had.
type Plan struct {
	Work     Work
	Frontier []Option  // fastest first: each is cheaper than all that are faster
	Advised  *Option   // nil: nothing meets what was asked for
	Why      string    // of the advice, in words
	Fastest  Option    // of all
	Cheapest Option    // of all
	LeftOut  []LeftOut // in the catalogue's order
	cfg      Config
}

// New plans the work on each type of the catalogue, of which the network has rates (Of). A
// network without any is NotFound.
//
// The intervals hold what is not known of the slides' tissue and of the machines' speed,
// as far as it was measured or assumed (Work.Deviation, Speed.Deviation); both are the
// same for all machines. Advice goes by their worse end: an estimate has to be much
// better than a measurement to be preferred.
func New(w Work, c *Catalogue, rs Rates, cfg Config) (*Plan, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if w.Slides < 1 || len(w.Patches) != w.Slides {
		return nil, fault.New(fault.Invalid, "plan: no slide")
	}
	if len(rs) == 0 {
		return nil, errNone()
	}
	p := &Plan{Work: w, cfg: cfg}
	parts := newShare(w, float64(cfg.Shard))
	busiest := map[int]float64{} // the same for all types
	var all []Option
	for _, t := range c.types {
		speed, why, is := rs.SpeedOf(t)
		if is && cfg.Spot && t.SpotUSD == 0 {
			why, is = "no spot price in the catalogue", false
		}
		if !is {
			p.LeftOut = append(p.LeftOut, LeftOut{t, why})
			continue
		}
		for _, n := range numbers(min(cfg.Max, len(parts.shards))) {
			if _, is := busiest[n]; !is {
				busiest[n] = parts.busiest(n)
			}
			all = append(all, cfg.option(t, n, speed, w, busiest[n]))
		}
	}
	if len(all) == 0 {
		return nil, fault.Hint(fault.New(fault.NotFound, "no type of the catalogue has a rate: %s: %s", p.LeftOut[0].Type.Name, p.LeftOut[0].Why),
			"bcc bench engine --type NAME --write rates.csv on such a machine, or --rate TYPE=PATCHES_PER_S")
	}
	p.choose(all)
	return p, nil
}

// numbers are the numbers of machines that are tried: all up to 64, then some 3 % apart.
func numbers(most int) (all []int) {
	for n := 1; n <= most; n++ {
		if n > 64 {
			n = min(n+n/32-1, most)
		}
		all = append(all, n)
	}
	return all
}

// option reckons n machines of the type, the busiest of which has so many patches.
func (c Config) option(t Type, n int, s Speed, w Work, busiest float64) Option {
	seconds := (busiest/s.PatchesPerS + float64(w.Slides)*s.SlideS/float64(min(n, w.Slides))) / c.Efficiency
	factor := math.Exp(nineInTen * math.Hypot(s.Deviation, w.Deviation))
	o := Option{Type: t, N: n, Speed: s}
	o.Finish = Span{c.finish(seconds), c.finish(seconds / factor), c.finish(seconds * factor)}
	cost := func(d time.Duration) float64 { return float64(n) * c.price(t) * c.billed(d).Hours() }
	o.USD = USD{cost(o.Finish.Mid), cost(o.Finish.Low), cost(o.Finish.High)}
	o.Hours = float64(n) * o.Finish.Mid.Hours()
	return o
}

// price is what an hour of the type costs.
func (c Config) price(t Type) float64 {
	if c.Spot {
		return t.SpotUSD
	}
	return t.USD
}

// Price is what an hour of the type costs in this plan.
func (p *Plan) Price(t Type) float64 { return p.cfg.price(t) }

func (c Config) finish(seconds float64) time.Duration {
	return c.StartUp + time.Duration(min(seconds*1e9, float64(maxSpan)))
}

// billed is what is paid of a machine's time: whole seconds, and MinBilled at least.
func (c Config) billed(d time.Duration) time.Duration {
	return max((d + time.Second - 1).Truncate(time.Second), c.MinBilled)
}
