package autoscale

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bcc/fault"
)

// Config is what the policies go by. How many workers of a kind there may be stands in
// its Kind.
type Config struct {
	// Interval is how long it is from one decision to the next, default 15 s: what the
	// Kubernetes autoscaler takes, a fraction of any start-up.
	Interval time.Duration
	// Drain is how soon work is wanted that was submitted as routine and without a
	// deadline, default 1 h.
	Drain time.Duration
	// UrgentDrain is the same of urgent work, default 15 min: a frozen section is
	// answered in 20, and somebody has to look at the picture too.
	UrgentDrain time.Duration

	CPU    CPU
	Target HPA
	Work   Work
}

// Names are those of the policies, the default first.
func Names() []string { return []string{"work", "cpu", "target"} }

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Interval: 15 * time.Second, Drain: time.Hour, UrgentDrain: 15 * time.Minute,
		CPU: DefaultCPU(), Target: DefaultHPA(), Work: DefaultWork(),
	}
}

// Validate returns every problem at once.
func (c Config) Validate() error {
	var p problems
	p.between("decisions every", c.Interval, time.Second, time.Hour)
	p.between("drain", c.Drain, time.Second, 400*24*time.Hour)
	p.between("urgent drain", c.UrgentDrain, time.Second, 400*24*time.Hour)
	c.CPU.check(&p)
	c.Target.check(&p)
	c.Work.check(&p)
	return errors.Join(p...)
}

// New returns the policy of that name.
func New(name string, cfg Config) (Policy, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	switch name {
	case "work":
		return work{cfg}, nil
	case "cpu":
		return cpu{cfg}, nil
	case "target":
		return hpa{cfg}, nil
	}
	return nil, fault.Hint(fault.New(fault.Invalid, "no policy %.80q", name), "want one of %s", strings.Join(Names(), ", "))
}

// problems gathers what is wrong with a Config.
type problems []error

func (p *problems) add(format string, args ...any) {
	*p = append(*p, fault.New(fault.Invalid, format, args...))
}

func (p *problems) between(what string, d, low, high time.Duration) {
	if d < low || d > high {
		p.add("%s %v: want %v to %v", what, d, low, high)
	}
}

// number refuses what is not a number, too.
func (p *problems) number(what string, v, low, high float64) {
	if !(v >= low && v <= high) {
		p.add("%s %g: want %g to %g", what, v, low, high)
	}
}

// CheckKinds returns everything that is wrong with kinds of workers.
func CheckKinds(kinds []Kind) error {
	var p problems
	var names []string
	for _, k := range kinds {
		if k.Name == "" || slices.Contains(names, k.Name) {
			p.add("kind %q: each needs a name of its own", k.Name)
		}
		names = append(names, k.Name)
		p.number("kind "+k.Name+": patches per second", k.PatchesPerS, 0, 1e9)
		p.number("kind "+k.Name+": USD per hour", k.USDPerHour, 0, 1e6)
		p.between("kind "+k.Name+": start-up", k.StartUp, 0, 24*time.Hour)
		if k.Min < 0 || k.Max < max(k.Min, 1) || k.Max > 1_000_000 {
			p.add("kind %s: %d to %d workers: want 0 or more, and at most 1 or more, up to 1,000,000", k.Name, k.Min, k.Max)
		}
	}
	return errors.Join(p...)
}
