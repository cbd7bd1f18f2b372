package cli

import (
	"math"
	"testing"
	"time"

	"bcc/autoscale"
	"bcc/autoscale/sim"
	"bcc/capacity"
)

// constant wants so many workers while there is work.
type constant struct{ n int }

func (constant) Name() string          { return "constant" }
func (constant) Window() time.Duration { return 0 }
func (c constant) Decide(now autoscale.Signals, _ []autoscale.Record) (autoscale.Decision, map[string]int) {
	patches := 0.0
	for _, d := range now.Demands {
		patches += d.Patches
	}
	n := c.n
	if patches == 0 {
		n = 0
	}
	return autoscale.Decision{Wanted: map[string]int{now.Groups[0].Name: n}, Reason: "so it is"}, nil
}

// What is planned for n machines is what n machines do in the simulator, which counts
// every shard: time within 2 %, hours within what its decisions every 15 s add.
func TestPlansAreWhatTheSimulatorDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ slides, n int }{{300, 1}, {300, 8}, {300, 40}, {40, 24}} {
		work, err := capacity.Usual(c.slides, capacity.Patch{UM: 112}, capacity.UsualTissue())
		if err != nil {
			t.Fatal(err)
		}
		var jobs []sim.Job
		sizes := make([]capacity.Size, len(work.Patches))
		for i, p := range work.Patches {
			n := max(int(math.Round(p)), 1)
			jobs, sizes[i] = append(jobs, sim.Job{Patches: n, Deadline: time.Second}), capacity.Size{Patches: float64(n)}
		}
		if work, err = capacity.Sized(sizes, capacity.Patch{UM: 112}, capacity.UsualTissue()); err != nil {
			t.Fatal(err)
		}
		cfg := sim.DefaultConfig()
		kind := &cfg.Kinds[0]
		ran, err := sim.Run(t.Context(), cfg, constant{c.n}, jobs)
		if err != nil {
			t.Fatal(err)
		}

		machine := capacity.Type{Name: "m", VCPU: 2, USD: kind.USDPerHour}
		rates := capacity.Rates{{Type: "m", PatchesPerS: kind.PatchesPerS, Given: true}}
		ideal := capacity.DefaultConfig()
		ideal.StartUp, ideal.Efficiency, ideal.Max = kind.StartUp, 1, c.n
		types, err := (&capacity.Catalogue{}).With(machine).Only(nil)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := capacity.New(work, types, rates, ideal)
		if err != nil {
			t.Fatal(err)
		}
		o := plan.Fastest
		if o.N != c.n {
			t.Fatalf("%d slides: the fastest is %v", c.slides, o)
		}
		last := ran.Late + 1 // all were due after a second
		if off := o.Finish.Mid.Seconds()/last - 1; math.Abs(off) > 0.02 {
			t.Errorf("%d slides on %d: planned %v, simulated %.0f s: %+.1f %%", c.slides, c.n, o.Finish.Mid, last, 100*off)
		}
		if most := o.Hours + float64(c.n)*(20+15)/3600; ran.Hours < 0.97*o.Hours || ran.Hours > most {
			t.Errorf("%d slides on %d: planned %.2f machine-hours, simulated %.2f", c.slides, c.n, o.Hours, ran.Hours)
		}
	}
}
