package worker

import (
	"fmt"
	"time"

	"bcc/detect"
)

// Degrade says when routine slides are looked at less closely, so that a backlog
// does not grow without end. Urgent ones never are.
type Degrade struct {
	// Overlap is the backlog, as time until nothing is left, from which overlap is
	// given up. Default 30 min. 0: never.
	Overlap time.Duration
	// Coarse is the backlog from which a coarse pass goes first and the rest is looked
	// at only where that is suspicious. Default 2 h. 0: never.
	Coarse time.Duration
	// Sustained is how long a backlog has to last before it counts. Default 60 s.
	Sustained time.Duration
}

// The levels of giving up.
const (
	levelFull    = 0
	levelOverlap = 1 // no overlap
	levelCoarse  = 2 // and a coarse pass first
)

// pressed is what is remembered of the backlog. The zero value is that of none.
type pressed struct {
	level int
	since [levelCoarse + 1]time.Time // that the backlog has been above each level's; zero: it is not
}

// next returns the state after the backlog was drain at now: up when it has stayed
// above a level's bound for long enough, down at once when it is below half of it.
func (d Degrade) next(p pressed, now time.Time, drain time.Duration) pressed {
	for level, bound := range [...]time.Duration{levelOverlap: d.Overlap, levelCoarse: d.Coarse} {
		if level == levelFull || bound <= 0 {
			continue
		}
		switch {
		case drain <= bound:
			p.since[level] = time.Time{}
		case p.since[level].IsZero():
			p.since[level] = now
		}
		if !p.since[level].IsZero() && now.Sub(p.since[level]) >= d.Sustained {
			p.level = max(p.level, level)
		}
	}
	for p.level > levelFull && drain < d.bound(p.level)/2 {
		p.level--
		for p.level > levelFull && d.bound(p.level) <= 0 {
			p.level-- // it is never gone to
		}
	}
	return p
}

func (d Degrade) bound(level int) time.Duration {
	if level == levelCoarse {
		return d.Coarse
	}
	return d.Overlap
}

// giveUp changes c as the level asks and returns what that leaves out: for metrics,
// and in words.
func giveUp(c *detect.Config, level int) (what, words []string) {
	if level >= levelOverlap && c.Patch.Overlap > 0 {
		what = append(what, "overlap")
		words = append(words, fmt.Sprintf("overload: patches do not overlap, asked was an overlap of %.2f", c.Patch.Overlap))
		c.Patch.Overlap = 0
	}
	if level >= levelCoarse && c.Head == nil { // a head wants all patches
		what = append(what, "full_pass")
		words = append(words, "overload: a coarse pass went first, and all of it was looked at only where that was suspicious")
		c.Coarse.On = true
	}
	return what, words
}
