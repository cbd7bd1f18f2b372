package autoscale

import (
	"testing"
	"time"
)

// used is a fleet that follows every decision at once, whose use is given.
func used(percent func(i int) float64, demands []Demand) func(time.Time, int) Signals {
	i := -1
	return func(at time.Time, wanted int) Signals {
		i++
		g := Group{Kind: kind(0, 100), Ready: max(wanted, min(10, 10*(1-min(i, 1)))), CPUPercent: percent(i)}
		return Signals{Demands: demands, Groups: []Group{g}}
	}
}

func numbers(all []Decision) []int {
	n := make([]int, len(all))
	for i, d := range all {
		n[i] = total(d.Wanted)
	}
	return n
}

func TestCPUMovesAfterAWindowAndRestsForAWindow(t *testing.T) {
	t.Parallel()
	waits := []Demand{{Patches: 1e6, Slides: 100}}
	for _, c := range []struct {
		name    string
		percent float64
		after   []int // wanted after 0, 1, 2 windows of five minutes
	}{
		{"busy", 95, []int{10, 11, 12}},
		{"as it should be", 50, []int{10, 10, 10}},
		{"idle", 5, []int{10, 9, 8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := numbers(replay(policy(t, "cpu"), noon, 43, used(func(int) float64 { return c.percent }, waits)))
			for i, want := range c.after {
				if got := n[i*21]; got != want {
					t.Errorf("%d workers after %d windows, want %d (all: %v)", got, i, want, n)
				}
			}
			for i := 1; i < len(n); i++ {
				if n[i] != n[i-1] && i%21 != 0 && i != 20 && i != 40 {
					t.Errorf("moved from %d to %d in round %d, within a window", n[i-1], n[i], i)
				}
			}
		})
	}
}

func TestCPUDoesNotFlapOnInstantReadings(t *testing.T) {
	t.Parallel()
	flaps := func(i int) float64 { return 1 + float64(i%2)*98 }
	for i, n := range numbers(replay(policy(t, "cpu"), noon, 200, used(flaps, []Demand{{Patches: 1e6}}))) {
		if n != 10 {
			t.Fatalf("%d workers in round %d of readings that go from 1 to 99 and back, want the 10 there were", n, i)
		}
	}
}

func TestCPUStartsAndEndsByWorkWhereThereIsNoReading(t *testing.T) {
	t.Parallel()
	p := policy(t, "cpu")
	none := []Group{{Kind: kind(0, 100)}}
	if d, _ := p.Decide(Signals{Now: noon, Groups: none}, nil); total(d.Wanted) != 0 {
		t.Errorf("no workers and nothing to do: %d wanted", total(d.Wanted))
	}
	if d, _ := p.Decide(Signals{Now: noon, Groups: none, Demands: []Demand{{Slides: 1}}}, nil); total(d.Wanted) != 1 {
		t.Errorf("no workers and a slide: %d wanted, want one", total(d.Wanted))
	}
	idle := func(int) float64 { return 1 }
	for _, c := range []struct {
		demands []Demand
		want    int
	}{{nil, 0}, {[]Demand{{Patches: 1}}, 1}} {
		n := numbers(replay(policy(t, "cpu"), noon, 21*12, used(idle, c.demands)))
		if last := n[len(n)-1]; last != c.want {
			t.Errorf("idle for an hour with %v to do: %d workers, want %d", c.demands, last, c.want)
		}
	}
}

func TestCPUChangesTheKindWhosePatchesAreCheapestFirst(t *testing.T) {
	t.Parallel()
	cheap, dear := kind(1, 3), kind(0, 9)
	cheap.Name, dear.Name, dear.USDPerHour = "cheap", "dear", 2
	groups := []Group{{Kind: dear}, {Kind: cheap}}
	wanted := map[string]int{"cheap": 2, "dear": 1}
	if move(groups, wanted, 2); wanted["cheap"] != 3 || wanted["dear"] != 2 {
		t.Errorf("two more: %v, want the cheap kind full and one dear", wanted)
	}
	if move(groups, wanted, -4); wanted["cheap"] != 1 || wanted["dear"] != 0 {
		t.Errorf("four fewer: %v, want the dear ones gone first", wanted)
	}
}
