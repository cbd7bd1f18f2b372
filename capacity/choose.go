package capacity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// tenth is how much more than the cheapest is spent on time where neither a deadline nor a
// budget was given.
const tenth = 1.1

// choose keeps the frontier of all options and says which one is advised. Everything goes
// by the worse end of the intervals, in whole seconds: sixteen times the money for half a
// second is no choice that anybody has.
func (p *Plan) choose(all []Option) {
	slices.SortStableFunc(all, func(a, b Option) int {
		if d := cmp.Compare(a.Finish.seconds(), b.Finish.seconds()); d != 0 {
			return d
		}
		return cmp.Compare(a.USD.High, b.USD.High)
	})
	cheapest := math.Inf(1)
	for _, o := range all {
		if o.USD.High < cheapest {
			cheapest = o.USD.High
			p.Frontier = append(p.Frontier, o)
		}
	}
	p.Fastest, p.Cheapest = p.Frontier[0], p.Frontier[len(p.Frontier)-1]
	p.Advised, p.Why = p.advise()
}

// seconds is the worse end, as time is billed.
func (s Span) seconds() time.Duration { return (s.High + time.Second - 1).Truncate(time.Second) }

// advise looks along the frontier, on which the slower ones are the cheaper ones.
func (p *Plan) advise() (*Option, string) {
	deadline, budget := p.cfg.Deadline, p.cfg.Budget
	last := func(fits func(Option) bool) *Option {
		var found *Option
		for i := range p.Frontier {
			if fits(p.Frontier[i]) {
				found = &p.Frontier[i]
			}
		}
		return found
	}
	first := func(fits func(Option) bool) *Option {
		if i := slices.IndexFunc(p.Frontier, fits); i >= 0 {
			return &p.Frontier[i]
		}
		return nil
	}
	inTime := func(o Option) bool { return o.Finish.High <= deadline }
	affordable := func(o Option) bool { return o.USD.High <= budget }
	switch {
	case deadline > 0:
		o := last(inTime)
		switch {
		case o == nil:
			return nil, p.late()
		case budget > 0 && !affordable(*o):
			return nil, fmt.Sprintf("the cheapest in time, %s, may cost %s: more than the %s allowed", o, Dollars(o.USD.High), Dollars(budget))
		}
		return o, "the cheapest that is in time in nine of ten cases"
	case budget > 0:
		if o := first(affordable); o != nil {
			return o, "the fastest that costs no more than allowed in nine of ten cases"
		}
		return nil, fmt.Sprintf("the cheapest, %s, may cost %s: more than the %s allowed", p.Cheapest, Dollars(p.Cheapest.USD.High), Dollars(budget))
	}
	o := first(func(o Option) bool { return o.USD.High <= tenth*p.Cheapest.USD.High })
	return o, "the fastest that costs at most a tenth more than the cheapest"
}

// late says why nothing is in time.
func (p *Plan) late() string {
	f := p.Fastest
	words := fmt.Sprintf("nothing is in time: the fastest, %s, needs %s (up to %s in nine of ten cases)", f, Words(f.Finish.Mid), Words(f.Finish.High))
	if p.cfg.StartUp >= p.cfg.Deadline {
		words += fmt.Sprintf("; machines take %s to start", Words(p.cfg.StartUp))
	}
	return words
}

// String names the option as people do: 4 × c7a.2xlarge.
func (o Option) String() string { return fmt.Sprintf("%d × %s", o.N, o.Type.Name) }

// Few returns n options of the frontier at most, evenly spread in time on a logarithmic
// scale, with the fastest, the cheapest and the advised one among them.
func (p *Plan) Few(n int) []Option {
	if len(p.Frontier) <= n {
		return p.Frontier
	}
	from, to := math.Log(p.Fastest.Finish.Mid.Seconds()+1), math.Log(p.Cheapest.Finish.Mid.Seconds()+1)
	var few []Option
	step := 0
	for i, o := range p.Frontier {
		at := int((math.Log(o.Finish.Mid.Seconds()+1) - from) / max(to-from, 1e-9) * float64(n-2))
		if i == 0 || i == len(p.Frontier)-1 || at > step || p.Advised == &p.Frontier[i] {
			few, step = append(few, o), max(at, step)
		}
	}
	return few
}

// Dollars writes an amount with two digits that count: slides cost fractions of a cent.
func Dollars(usd float64) string {
	digits := 2
	for v := usd; v > 0 && v < 0.095 && digits < 6; v *= 10 {
		digits++
	}
	return fmt.Sprintf("$%.*f", digits, usd)
}

// Words writes a duration in two units at most: 3 d 4 h, 2 h 5 min, 40 s.
func Words(d time.Duration) string {
	s := int64(math.Round(d.Seconds()))
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 10*60:
		return two(s/60, "min", s%60, "s")
	case s < 3600:
		return fmt.Sprintf("%d min", (s+30)/60)
	case s < 48*3600:
		m := (s + 30) / 60
		return two(m/60, "h", m%60, "min")
	}
	h := (s + 1800) / 3600
	return two(h/24, "d", h%24, "h")
}

func two(a int64, unit string, b int64, smaller string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, unit)
	}
	return fmt.Sprintf("%d %s %d %s", a, unit, b, smaller)
}
