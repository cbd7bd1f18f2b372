package autoscale

import (
	"testing"
	"time"
)

// perWorker is signals of so many ready and starting workers whose backlog is that
// share of what they do in a drain.
func perWorker(ready, starting int, share float64) Signals {
	g := Group{Kind: kind(0, 100), Ready: ready, Starting: make([]time.Time, starting)}
	return Signals{Now: noon, Groups: []Group{g}, Demands: []Demand{{Slides: 1, Patches: share * float64(ready) * 100 * 3600}}}
}

// TestTargetComputesWhatKubernetesDoes has the cases of its documentation and of
// replica_calculator_test.go, in our metric.
func TestTargetComputesWhatKubernetesDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		ready, starting int
		share           float64
		want            int // asked, before it is steadied
	}{
		{"twice the target: twice the workers", 4, 0, 2, 8},
		{"half of it: half of them", 4, 0, 0.5, 2},
		{"rounded up", 3, 0, 1.2, 4},
		{"within the tolerance, above", 10, 0, 1.09, 10},
		{"within the tolerance, below", 10, 0, 0.91, 10},
		{"just outside", 10, 0, 1.11, 12},
		{"who is not ready counts as idle on the way up", 4, 2, 3, 12},
		{"which may leave nothing to do", 4, 4, 2, 8},
		{"or would turn the way round", 4, 8, 2, 12},
		{"who is not ready does not count on the way down", 4, 2, 0.5, 2},
		{"nothing to do", 4, 0, 0, 0},
		{"nobody ready: no metric, no change", 0, 3, 1, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, asked := policy(t, "target").Decide(perWorker(c.ready, c.starting, c.share), nil); asked["c7i"] != c.want {
				t.Errorf("%d asked for, want %d", asked["c7i"], c.want)
			}
		})
	}
}

func TestTargetTakesTheMetricThatWantsMore(t *testing.T) {
	t.Parallel()
	s := perWorker(4, 0, 1)
	s.Demands = append(s.Demands, Demand{Urgent: true, Slides: 1, Patches: 2 * 4 * 100 * 900})
	if _, asked := policy(t, "target").Decide(s, nil); asked["c7i"] != 8 {
		t.Errorf("%d asked for, want 8: urgent work is twice what 4 do in 15 minutes", asked["c7i"])
	}
}

func TestTargetBeginsByTheBacklogWhereThereAreNoWorkers(t *testing.T) {
	t.Parallel()
	p := policy(t, "target")
	s := Signals{Now: noon, Groups: []Group{{Kind: kind(0, 100)}}}
	if d, _ := p.Decide(s, nil); total(d.Wanted) != 0 {
		t.Errorf("%d workers for nothing", total(d.Wanted))
	}
	s.Demands = []Demand{{Slides: 9, Patches: 2.5 * 100 * 3600}}
	if d, _ := p.Decide(s, nil); total(d.Wanted) != 3 {
		t.Errorf("%d workers for what 2.5 do in an hour, want 3", total(d.Wanted))
	}
}

func TestTargetGoesUpAtMostFourOrTwiceAPeriodAndDownAfterFiveMinutes(t *testing.T) {
	t.Parallel()
	load := 50.0 * 100 * 3600 // what 50 do in a drain
	all := replay(policy(t, "target"), noon, 60, func(at time.Time, wanted int) Signals {
		if !at.Before(noon.Add(5 * time.Minute)) {
			load = 10 * 100 * 3600
		}
		g := Group{Kind: kind(1, 100), Ready: max(wanted, 1)}
		return Signals{Groups: []Group{g}, Demands: []Demand{{Slides: 1, Patches: load}}}
	})
	n := numbers(all)
	for i, want := range map[int]int{0: 5, 1: 10, 2: 20, 3: 40, 4: 50, 20: 50, 38: 50, 40: 10} {
		if n[i] != want {
			t.Errorf("round %d: %d workers, want %d (all: %v)", i, n[i], want, n)
		}
	}
}
