package autoscale

import (
	"fmt"
	"testing"
	"time"
)

// TestKindsThatComeAndGoLeaveNoSeries has workers started by hand, each day under other
// names, and at last each under its own.
func TestKindsThatComeAndGoLeaveNoSeries(t *testing.T) {
	t.Parallel()
	w, _, l, r := newWorld(t, nil)
	count := func(kind string) (all, of int) {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			all += len(f.GetMetric())
			for _, m := range f.GetMetric() {
				for _, label := range m.GetLabel() {
					if label.GetValue() == kind {
						of++
					}
				}
			}
		}
		return all, of
	}
	greet := func(kinds ...string) {
		w.fleet.Workers = workers(1, 1)
		for _, kind := range kinds {
			w.fleet.Workers = append(w.fleet.Workers, Worker{ID: kind, Kind: kind, Busy: true})
		}
		if o := w.step(t, l, 15*time.Second); o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	greet("day-0")
	first, _ := count("")
	for day := range 300 {
		kind := fmt.Sprintf("day-%d", day+1)
		greet(kind)
		all, own := count("c7i")
		if _, of := count(kind); of == 0 || own != of || all != first {
			t.Fatalf("day %d: %d series, %d at first; %d of the target's kind, %d of the other", day, all, first, own, of)
		}
	}
	if len(l.kinds) != 1 {
		t.Errorf("of %d kinds something is remembered, of which one is the target's", len(l.kinds))
	}
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf("a-%d", i) // before the target's by name
	}
	greet(many...)
	if all, own := count("c7i"); all > 400 || own == 0 {
		t.Errorf("%d series of 300 kinds, %d of the target's", all, own)
	}
	greet()
	if all, own := count("c7i"); all != first-own {
		t.Errorf("%d series when they are gone, want %d", all, first-own)
	}
}
