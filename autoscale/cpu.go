package autoscale

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// CPU is the scaling guide's rule, more workers above High and fewer below Low, with
// what it takes not to flap: the reading is a mean over a window, the number rests
// until the whole window was read after it last changed, and it moves in small steps.
type CPU struct {
	High, Low float64       // percent; default 80 and 20, the guide's
	Window    time.Duration // of the mean, and the rest after a change; default 5 min, the rest of EC2's simple policies
	// Step is the share of the workers that comes or goes at a time, at least one;
	// default 0.1: from 10,000 one at a time would take a month, and a tenth cannot
	// carry the use from one threshold over the other.
	Step float64
}

// DefaultCPU returns the defaults.
func DefaultCPU() CPU { return CPU{High: 80, Low: 20, Window: 5 * time.Minute, Step: 0.1} }

func (c CPU) check(p *problems) {
	p.number("cpu: more above percent", c.High, 1, 100)
	p.number("cpu: fewer below percent", c.Low, 0, 99)
	if c.Low >= c.High {
		p.add("cpu: fewer below %g %% and more above %g %%: want the first smaller", c.Low, c.High)
	}
	p.between("cpu: window", c.Window, time.Second, 24*time.Hour)
	p.number("cpu: step", c.Step, 0, 1)
}

// cpu is the Policy. It knows neither deadlines nor the backlog, but for one thing: at
// no workers there is no reading, so work that waits starts the first one, and while
// there is work the last one stays.
type cpu struct{ cfg Config }

func (cpu) Name() string            { return "cpu" }
func (c cpu) Window() time.Duration { return 2 * c.cfg.CPU.Window }

func (c cpu) Decide(s Signals, past []Record) (Decision, map[string]int) {
	wanted := make(map[string]int, len(s.Groups))
	sum := 0
	for _, g := range s.Groups {
		wanted[g.Name] = steered(g, past)
		sum += wanted[g.Name]
	}
	d := func(format string, args ...any) (Decision, map[string]int) {
		return Decision{wanted, fmt.Sprintf(format, args...)}, nil
	}
	if sum == 0 {
		if !anything(s) {
			return d("no workers: nothing to do")
		}
		move(s.Groups, wanted, 1)
		return d("%s: work waits, and nobody is there whose use could be read", plural(total(wanted), "worker"))
	}
	mean, whole := c.mean(s, past)
	if !whole {
		return d("%s kept: its use is not known yet over %v since the last change", plural(sum, "worker"), c.cfg.CPU.Window)
	}
	step := max(1, int(math.Round(c.cfg.CPU.Step*float64(sum))))
	switch {
	case mean > c.cfg.CPU.High:
		move(s.Groups, wanted, step)
		return d("%s: the cores were used to %.0f %% over %v, more than %g", plural(total(wanted), "worker"), mean, c.cfg.CPU.Window, c.cfg.CPU.High)
	case mean < c.cfg.CPU.Low:
		if anything(s) {
			step = min(step, sum-1)
		}
		move(s.Groups, wanted, -step)
		return d("%s: the cores were used to %.0f %% over %v, less than %g", plural(total(wanted), "worker"), mean, c.cfg.CPU.Window, c.cfg.CPU.Low)
	}
	return d("%s kept: the cores were used to %.0f %% over %v", plural(sum, "worker"), mean, c.cfg.CPU.Window)
}

// mean returns the mean use over the window; whole tells whether that was read since
// the number last changed, and by workers that were ready.
func (c cpu) mean(s Signals, past []Record) (mean float64, whole bool) {
	up, down := turns(past)
	since := up
	if down.After(up) {
		since = down
	}
	from := s.Now.Add(-c.cfg.CPU.Window)
	if since.After(from) || len(past) == 0 || past[0].At.After(from) {
		return 0, false
	}
	now := NewRecord(s, Decision{}, nil)
	n := 0.0
	for _, r := range slices.Concat(within(past, s.Now, c.cfg.CPU.Window), []Record{now}) {
		if r.CPUPercent == 0 && r.Patches > 0 {
			continue // with work to do somebody uses something: nobody was ready
		}
		mean += r.CPUPercent
		n++
	}
	return mean / max(n, 1), n > 0 && ready(s.Groups) > 0
}

// move adds n workers, of the kind whose patches cost least first, or takes -n away,
// of the dearest first, within the bounds.
func move(groups []Group, wanted map[string]int, n int) {
	order := cheapest(groups)
	for i := range order {
		g := groups[order[i]]
		if n < 0 {
			g = groups[order[len(order)-1-i]]
		}
		to := bounded(g.Kind, wanted[g.Name]+n)
		n -= to - wanted[g.Name]
		wanted[g.Name] = to
	}
}
