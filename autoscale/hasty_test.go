package autoscale

import (
	"testing"
	"time"
)

// What is called hasty is what the policy keeps workers for, and nothing else.
func TestADrainIsHastyWhereWorkersAreKeptForIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		drain time.Duration
		want  bool
	}{{time.Hour, false}, {5 * time.Minute, false}, {150 * time.Second, true}, {20 * time.Second, true}} {
		cfg := DefaultConfig()
		cfg.Drain, cfg.Work.Gather = c.drain, 0
		k := kind(0, 10) // starts in two minutes
		off := kind(0, 0)
		off.Name, off.StartUp = "off", time.Second
		start, routine, urgent := cfg.Hasty([]Group{{Kind: k}, {Kind: off}})
		if start != 2*time.Minute || routine != c.want || urgent {
			t.Errorf("%v: starts in %v, hasty %v, urgent %v; want %v", c.drain, start, routine, urgent, c.want)
		}
		p, err := New("work", cfg)
		if err != nil {
			t.Fatal(err)
		}
		g := Group{Kind: k}
		all := replay(p, noon, 100, func(at time.Time, _ int) Signals {
			s := Signals{Now: at, Groups: []Group{g}, Shard: 512}
			if at.Before(noon.Add(time.Minute)) { // a slide, and it takes as long
				s.Demands = []Demand{{Slides: 1, Patches: 500, Largest: 500, Since: noon}}
				g.Ready, g.Busy = 1, 1
			} else {
				g.Busy = 0
			}
			return s
		})
		if last := all[len(all)-1]; (last.Wanted["c7i"] > 0) != c.want {
			t.Errorf("%v: 20 min after a slide %d are kept (%s), want some: %v", c.drain, last.Wanted["c7i"], last.Reason, c.want)
		}
	}
}
