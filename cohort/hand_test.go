package cohort

import (
	"math"
	"testing"
	"time"

	"bcc/queue"
)

func TestASlideInHandCostsWhatItHasAndWhatItsOtherPatchesWill(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		planned, scored int
		told            hand
		so, yet         float64 // USD
	}{
		"nothing is told":        {-1, 0, hand{}, 0, 0.1}, // as the other: 100 patches of a second at a tenth of a cent
		"how many it has":        {400, 0, hand{}, 0, 0.4},
		"how many are through":   {400, 100, hand{}, 0.1, 0.3},
		"a shard":                {400, 100, hand{100, 100, map[string]float64{"": 50}}, 0.05, 0.225}, // 150 s of 200 patches
		"another kind":           {400, 100, hand{100, 100, map[string]float64{"gpu": 10}}, 0.1, 0.3},
		"what was kept":          {400, 300, hand{300, 0, nil}, 0, 0.1},
		"beyond the shard":       {400, 200, hand{100, 100, map[string]float64{"": 100}}, 0.2, 0.2},
		"more than was expected": {100, 100, hand{100, 100, map[string]float64{"": 900}}, 0.9, 0},
	} {
		l := quiet(now)
		l.cfg.PricePerHour, l.cfg.Prices = 3.6, map[string]float64{"gpu": 36}
		b := l.with(queue.Routine, now, -1, -1, -1)
		b.finish(0, &End{State: Done, Patches: 100, ComputeS: 100})
		b.set(1, line{state: Running, planned: c.planned, scored: c.scored})
		b.running[1] = c.told
		h := l.inHand(b, l.like())
		if math.Abs(h.usd-c.so) > 1e-9 || math.Abs(h.rest-c.yet) > 1e-9 {
			t.Errorf("%s: %.4f so far and %.4f yet, want %.4f and %.4f", name, h.usd, h.rest, c.so, c.yet)
		}
		for off, want := range map[float64]bool{-1e-6: true, 1e-6: false} {
			limit := 0.1 + c.so + c.yet + off
			if b.cap.usd = &limit; l.exceeds(b, l.like()) != want {
				t.Errorf("%s: with a cap of %.4f it is held: %v", name, limit, !want)
			}
		}
		f := l.forecast(b, l.outlook(now, false))
		mean, _, _ := b.perSlide() // of the third
		if want := 0.1 + c.so + c.yet + mean*h.each; math.Abs(*f.Cost.USD-want) > 1e-9 || f.Cost.InHandUSD != nil {
			t.Errorf("%s: %.4f in all, want %.4f", name, *f.Cost.USD, want)
		}
	}
}

func TestWhatAPatchTakesIsSaidByTheNearestThatIsKnown(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := quiet(now)
	l.cfg.PricePerHour, l.cfg.Prices = 3.6, map[string]float64{"gpu": 36}
	b := l.with(queue.Routine, now, 100)
	want := func(what string, seconds, usd float64) {
		t.Helper()
		if s, u := l.aPatch(b, l.inHand(b, l.like()), l.like()); math.Abs(s-seconds) > 0.02*seconds || math.Abs(u-usd) > 0.02*usd {
			t.Errorf("%s: %v s and %v USD a patch, want %v and %v", what, s, u, seconds, usd)
		}
	}
	want("the rate", 0.01, 0.00001)
	l.workers["a"], l.workers["b"] = WorkerState{CapacityPatchesPerS: 10}, WorkerState{Kind: "gpu", CapacityPatchesPerS: 90}
	want("what workers say", 0.02, 0.00011) // a second of both: 100 patches for 0.001 and 0.01
	l.with(queue.Routine, now, -1).finish(0, &End{State: Done, Patches: 10, ComputeS: 5})
	want("what others took", 0.5, 0.0005)
	b.running[0] = hand{20, 20, map[string]float64{"gpu": 4}}
	want("what its own took", 0.2, 0.002)
}
