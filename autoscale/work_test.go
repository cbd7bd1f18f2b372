package autoscale

import (
	"strings"
	"testing"
	"time"
)

// lot is work of slides of 1,300 patches.
func lot(slides int, since time.Duration, urgent bool, deadline time.Time) Demand {
	return Demand{Urgent: urgent, Deadline: deadline, Slides: slides, Patches: float64(slides) * 1300, Largest: 1300, Since: noon.Add(-since)}
}

func fleet(ready, busy int) Group { return Group{Kind: kind(0, 1000), Ready: ready, Busy: busy} }

func decide(t *testing.T, s Signals, past ...Record) (Decision, map[string]int) {
	t.Helper()
	s.Now, s.Shard = noon, 512
	return policy(t, "work").Decide(s, past)
}

func TestWorkWantsTheFewestThatAreInTime(t *testing.T) {
	t.Parallel()
	deadline := noon.Add(2 * time.Hour)
	for _, c := range []struct {
		name   string
		groups Group
		demand Demand
		least  int
		most   int
		reason string
	}{
		{"nothing to do", fleet(0, 0), Demand{}, 0, 0, "nothing to do"},
		// 3.6 million patches are ten worker-hours.
		{"ten worker-hours in two", fleet(0, 0), lot(2770, 0, false, deadline), 6, 8, "wanted by 14:00"},
		{"enough are there", fleet(7, 7), lot(2770, 0, false, deadline), 7, 7, "nothing is late"},
		{"too few are there", fleet(4, 4), lot(2770, 0, false, deadline), 6, 8, "4 would be late by 30 min"},
		{"without a deadline, an hour", fleet(0, 0), lot(2770, 0, false, time.Time{}), 12, 16, "wanted by 13:00"},
		{"urgent, a quarter of one", fleet(0, 0), lot(277, 0, true, time.Time{}), 6, 8, "wanted by 12:15"},
		{"one urgent slide waits for the others of its case", fleet(0, 0), lot(1, time.Minute, true, time.Time{}), 0, 0, "can wait for more"},
		{"for a tenth of its time", fleet(0, 0), lot(1, 91*time.Second, true, time.Time{}), 1, 1, "wanted by 12:13"},
		{"one routine slide waits for more", fleet(0, 0), lot(1, 0, false, time.Time{}), 0, 0, "can wait for more"},
		{"as long as it can", fleet(0, 0), lot(1, 57*time.Minute, false, time.Time{}), 1, 1, "wanted by 12:03"},
		{"what is worth a start does not wait", fleet(0, 0), lot(200, 0, false, deadline), 1, 1, "wanted by 14:00"},
		{"late whatever is done: not at any price", fleet(0, 0), lot(277, time.Hour, false, noon.Add(-time.Minute)), 5, 15, "wanted by 11:59"},
		{"no more than have something in hand", fleet(0, 0), lot(2, 0, false, noon.Add(150*time.Second)), 1, 6, "wanted by 12:02"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := Signals{Groups: []Group{c.groups}}
			if c.demand.Slides > 0 {
				s.Demands = []Demand{c.demand}
			}
			d, _ := decide(t, s)
			if n := d.Wanted["c7i"]; n < c.least || n > c.most || !strings.Contains(d.Reason, c.reason) {
				t.Errorf("%d wanted: %q; want %d to %d and %q", n, d.Reason, c.least, c.most, c.reason)
			}
		})
	}
}

func TestWorkThatCameLastWaitsForAllBeforeIt(t *testing.T) {
	t.Parallel()
	soon := lot(2, 0, false, noon.Add(10*time.Minute))
	late := lot(400, time.Minute, false, noon.Add(8*time.Hour))
	s := Signals{Groups: []Group{fleet(1, 1)}, Demands: []Demand{soon, late}}
	behind, _ := decide(t, s)
	// One of an hour ago that is wanted at the same minute hides nothing.
	soon.Newest, soon.Since = soon.Since, noon.Add(-time.Hour)
	s.Demands[0] = soon
	both, _ := decide(t, s)
	if behind.Wanted["c7i"] < 10 || both.Wanted["c7i"] != behind.Wanted["c7i"] {
		t.Errorf("%d wanted for what came last, %d with an older one: %s", behind.Wanted["c7i"], both.Wanted["c7i"], both.Reason)
	}
}

func TestWorkCountsThoseThatStart(t *testing.T) {
	t.Parallel()
	g := fleet(0, 0)
	for range 7 {
		g.Starting = append(g.Starting, noon.Add(time.Minute))
	}
	s := Signals{Groups: []Group{g}, Demands: []Demand{lot(2770, 0, false, noon.Add(2*time.Hour))}}
	if d, _ := decide(t, s); d.Wanted["c7i"] != 7 {
		t.Errorf("%d wanted, want the 7 that start: %s", d.Wanted["c7i"], d.Reason)
	}
	for i := range g.Starting {
		g.Starting[i] = noon.Add(-10 * time.Minute)
	}
	if d, _ := decide(t, s); d.Wanted["c7i"] <= 7 {
		t.Errorf("%d wanted, want more than the 7 that should have come ten minutes ago: %s", d.Wanted["c7i"], d.Reason)
	}
}

func TestWorkSendsAwayWhoIsIdleAndNobodyElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		g       Group
		demands []Demand
		want    int
	}{
		{"all idle", fleet(5, 0), nil, 0},
		{"the last shards are in hand", fleet(5, 2), []Demand{{Slides: 1, Patches: 600, Largest: 600, Since: noon.Add(-time.Minute)}}, 2},
		{"idle for a moment, with work that waits", fleet(5, 2), []Demand{lot(100, 0, false, time.Time{})}, 5},
		{"all busy", fleet(5, 5), []Demand{lot(2, 0, false, time.Time{})}, 5},
		{"no fewer than Min", Group{Kind: kind(3, 10), Ready: 5}, nil, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if d, _ := decide(t, Signals{Groups: []Group{c.g}, Demands: c.demands}); d.Wanted["c7i"] != c.want {
				t.Errorf("%d wanted, want %d: %s", d.Wanted["c7i"], c.want, d.Reason)
			}
		})
	}
}

func TestWorkSendsAwayWhoIsIdleWhereShardsAreNotKnown(t *testing.T) {
	t.Parallel()
	if d, _ := policy(t, "work").Decide(Signals{Now: noon, Groups: []Group{fleet(3, 0)}}, nil); d.Wanted["c7i"] != 0 {
		t.Errorf("%d wanted with nothing to do: %s", d.Wanted["c7i"], d.Reason)
	}
}

func TestWorkReplacesWhoIsLostWhileThereIsWork(t *testing.T) {
	t.Parallel()
	five := map[string]int{"c7i": 5}
	past := rounds(20, Record{Patches: 1e6, Present: five, Asked: map[string]int{}, Wanted: five})
	s := Signals{Groups: []Group{fleet(4, 4)}, Demands: []Demand{lot(800, 0, false, time.Time{})}}
	if d, _ := decide(t, s, past...); d.Wanted["c7i"] != 5 {
		t.Errorf("%d wanted after one of five crashed, want 5: %s", d.Wanted["c7i"], d.Reason)
	}
	s = Signals{Groups: []Group{fleet(4, 3)}, Demands: []Demand{lot(1, 0, false, time.Time{})}}
	if d, _ := decide(t, s, past...); d.Wanted["c7i"] != 3 {
		t.Errorf("%d wanted after one of five crashed and another has nothing to do, want 3: %s", d.Wanted["c7i"], d.Reason)
	}
}

// rounds makes records of past rounds, the last a decision ago.
func rounds(n int, each Record) []Record {
	past := make([]Record, n)
	for i := range past {
		past[i] = each
		past[i].At = noon.Add(time.Duration(i-n) * 15 * time.Second)
	}
	return past
}

func TestWorkKeepsWhomTheInflowKeepsBusy(t *testing.T) {
	t.Parallel()
	five := map[string]int{"c7i": 5}
	// Five that are busy two thirds of the time, and a backlog that stays as it is.
	past := rounds(250, Record{Patches: 1000, CPUPercent: 65, Present: five, Asked: map[string]int{}, Wanted: five})
	last := []Demand{{Slides: 1, Patches: 500, Largest: 500, Since: noon}}
	if d, _ := decide(t, Signals{Groups: []Group{fleet(5, 1)}, Demands: last}, past...); d.Wanted["c7i"] != 3 {
		t.Errorf("%d wanted, want the 3 that what comes in keeps busy: %s", d.Wanted["c7i"], d.Reason)
	}
	for i := len(past) - 10; i < len(past); i++ {
		past[i].Patches, past[i].CPUPercent = 0, 0
	}
	if d, _ := decide(t, Signals{Groups: []Group{fleet(5, 0)}}, past...); d.Wanted["c7i"] != 0 {
		t.Errorf("%d wanted after a start-up's time of nothing, want none: %s", d.Wanted["c7i"], d.Reason)
	}
}

func TestWorkDoesNotTurnRoundWithinAStartUp(t *testing.T) {
	t.Parallel()
	at := func(n int, patches float64) Record {
		m := map[string]int{"c7i": n}
		return Record{Patches: patches, Present: m, Asked: map[string]int{}, Wanted: m}
	}
	before := func(was, is int, patches float64) []Record {
		past := rounds(5, at(is, patches))
		past[0] = Record{At: past[0].At, Patches: patches, Present: map[string]int{"c7i": was}, Wanted: map[string]int{"c7i": was}}
		return past
	}
	idle := Signals{Groups: []Group{fleet(5, 0)}}
	if d, _ := decide(t, idle, before(3, 5, 1000)...); d.Wanted["c7i"] != 5 {
		t.Errorf("%d wanted a minute after two more were, want 5: %s", d.Wanted["c7i"], d.Reason)
	}
	if d, _ := decide(t, idle, before(3, 5, 1e7)...); d.Wanted["c7i"] != 0 {
		t.Errorf("%d wanted after ten million patches were called off, want none: %s", d.Wanted["c7i"], d.Reason)
	}
	work := Signals{Groups: []Group{fleet(1, 1)}, Demands: []Demand{lot(400, 0, true, time.Time{})}}
	if d, _ := decide(t, work, before(3, 1, 400*1300)...); d.Wanted["c7i"] != 1 {
		t.Errorf("%d wanted a minute after two fewer were, and no more work came; want 1: %s", d.Wanted["c7i"], d.Reason)
	}
	if d, _ := decide(t, work, before(3, 1, 1300)...); d.Wanted["c7i"] < 4 {
		t.Errorf("%d wanted though 399 slides came since; want more than there were: %s", d.Wanted["c7i"], d.Reason)
	}
}

func TestWorkStandsReadyForWhatCannotWaitForAStart(t *testing.T) {
	t.Parallel()
	tight := Demand{Slides: 1, Patches: 3000, Largest: 3000, Since: noon.Add(-10 * time.Second), Deadline: noon.Add(30 * time.Second)}
	d, asked := decide(t, Signals{Groups: []Group{fleet(0, 0)}, Demands: []Demand{tight}})
	if d.Wanted["c7i"] != 1 || asked["c7i"] != 1 {
		t.Errorf("%v wanted, %v asked for; want one for a slide that is wanted in less than a start-up: %s", d.Wanted, asked, d.Reason)
	}
	one := map[string]int{"c7i": 1}
	past := rounds(240, Record{Present: one, Asked: map[string]int{}, Wanted: one})
	past[130].Asked = one // 27 minutes ago
	if d, _ := decide(t, Signals{Groups: []Group{fleet(1, 0)}}, past...); d.Wanted["c7i"] != 1 || !strings.Contains(d.Reason, "could not wait") {
		t.Errorf("%d wanted, want one that stands ready: %s", d.Wanted["c7i"], d.Reason)
	}
	past[130].Asked, past[110].Asked = nil, one // 32 minutes ago
	if d, _ := decide(t, Signals{Groups: []Group{fleet(1, 0)}}, past...); d.Wanted["c7i"] != 0 {
		t.Errorf("%d wanted half an hour after such work, want none: %s", d.Wanted["c7i"], d.Reason)
	}
}

func TestWorkTakesTheCheapestKindThatIsInTime(t *testing.T) {
	t.Parallel()
	slow, fast := kind(0, 4), kind(0, 10)
	slow.Name, slow.StartUp = "slow", 10*time.Minute
	fast.Name, fast.StartUp, fast.USDPerHour = "fast", 30*time.Second, 0.5
	groups := []Group{{Kind: fast}, {Kind: slow}}
	for _, c := range []struct {
		name       string
		demand     Demand
		slow, fast bool
	}{
		{"time enough", lot(1000, 0, false, noon.Add(4*time.Hour)), true, false},
		{"sooner than the cheap ones start", lot(200, 0, false, noon.Add(9*time.Minute)), false, true},
		{"more than the cheap ones do", lot(4000, 0, false, noon.Add(2*time.Hour)), true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, _ := decide(t, Signals{Groups: groups, Demands: []Demand{c.demand}})
			if (d.Wanted["slow"] > 0) != c.slow || (d.Wanted["fast"] > 0) != c.fast {
				t.Errorf("%v wanted; slow ones %v, fast ones %v expected: %s", d.Wanted, c.slow, c.fast, d.Reason)
			}
		})
	}
}

func TestWorkPlansWithLessOfWhoMayBeTakenAway(t *testing.T) {
	t.Parallel()
	g := fleet(7, 7) // just enough
	s := Signals{Groups: []Group{g}, Demands: []Demand{lot(3400, 0, false, noon.Add(2*time.Hour))}}
	if d, _ := decide(t, s); d.Wanted["c7i"] != 7 {
		t.Errorf("%d wanted, want the 7 that are there: %s", d.Wanted["c7i"], d.Reason)
	}
	s.Groups[0].Spot = true
	if d, _ := decide(t, s); d.Wanted["c7i"] <= 7 {
		t.Errorf("%d wanted of workers that may be taken away, want more than 7: %s", d.Wanted["c7i"], d.Reason)
	}
}

// TestWorkSeesWhatIsHandedOutBefore: a lane is worked off in its order, urgent work
// before all.
func TestWorkSeesWhatIsHandedOutBefore(t *testing.T) {
	t.Parallel()
	tomorrow := lot(2770, time.Minute, false, noon.Add(24*time.Hour))
	soon := lot(1, 0, false, noon.Add(time.Hour))
	soon.Since = noon.Add(-time.Second)
	s := Signals{Groups: []Group{fleet(1, 1)}, Demands: []Demand{soon, tomorrow}}
	if d, _ := decide(t, s); d.Wanted["c7i"] < 10 {
		t.Errorf("%d wanted: ten worker-hours lie before a slide that is wanted in one: %s", d.Wanted["c7i"], d.Reason)
	}
	s.Demands[0].Urgent = true
	if d, _ := decide(t, s); d.Wanted["c7i"] != 1 {
		t.Errorf("%d wanted: an urgent slide goes first: %s", d.Wanted["c7i"], d.Reason)
	}
}

func TestWorkLearnsARateFromOneWorker(t *testing.T) {
	t.Parallel()
	g := fleet(0, 0)
	g.PatchesPerS = 0
	s := Signals{Groups: []Group{g}, Demands: []Demand{lot(1000, 0, false, time.Time{})}}
	if d, _ := decide(t, s); d.Wanted["c7i"] != 1 {
		t.Errorf("%d wanted, want one to learn from: %s", d.Wanted["c7i"], d.Reason)
	}
	s.Groups[0].Ready, s.Groups[0].Busy = 3, 3
	if d, _ := decide(t, s); d.Wanted["c7i"] != 3 {
		t.Errorf("%d wanted, want the 3 there are: %s", d.Wanted["c7i"], d.Reason)
	}
	s.Groups[0].Busy, s.Demands = 0, nil
	if d, _ := decide(t, s); d.Wanted["c7i"] != 0 {
		t.Errorf("%d wanted with nothing to do, want none: %s", d.Wanted["c7i"], d.Reason)
	}
}
