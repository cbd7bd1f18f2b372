package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bcc/autoscale"
)

// tiny is a trace small enough for every schedule to be tried.
func tiny(from *rand.Rand) (Config, []Job) {
	cfg := DefaultConfig()
	cfg.Kinds[0].StartUp = []time.Duration{0, 10 * time.Second, 15 * time.Second, 30 * time.Second}[from.IntN(4)]
	cfg.Kinds[0].Min = from.IntN(5) / 4
	cfg.Shard = 100
	var jobs []Job
	for range 1 + from.IntN(5) {
		j := Job{Arrival: time.Duration(from.IntN(60)) * time.Second, Patches: 100 + from.IntN(2500)}
		j.Deadline = j.Arrival + time.Duration(5+from.IntN(60))*time.Second
		jobs = append(jobs, j)
	}
	slices.SortFunc(jobs, func(a, b Job) int { return int(a.Arrival - b.Arrival) })
	return cfg, jobs
}

// inTime reports whether workers, of which n[k] work from decision k to the next, can
// end every job when it is due: the first come first, as liquid.
func inTime(cfg Config, jobs []Job, from time.Duration, n []int) bool {
	left := make([]float64, len(jobs))
	moments := []time.Duration{}
	for i, j := range jobs {
		left[i] = float64(j.Patches)
		moments = append(moments, j.Arrival, cfg.due(j))
	}
	for k := range n {
		moments = append(moments, time.Duration(k)*cfg.Interval, time.Duration(k+1)*cfg.Interval)
		if at := time.Duration(k)*cfg.Interval + from; from > 0 {
			moments = append(moments, at)
		}
	}
	slices.Sort(moments)
	for i, at := range moments[:len(moments)-1] {
		k := int((at - from) / cfg.Interval) // workers begin their slot so much after the decision
		if at < from || k >= len(n) {
			continue
		}
		can := (moments[i+1] - at).Seconds() * cfg.Kinds[0].PatchesPerS * float64(n[k])
		for can > 1e-9 {
			next := -1
			for x, j := range jobs {
				if left[x] > 1e-9 && j.Arrival <= at && next < 0 {
					next = x
				}
			}
			if next < 0 {
				break
			}
			if cfg.due(jobs[next]) <= at {
				return false
			}
			done := min(can, left[next])
			left[next] -= done
			can -= done
		}
	}
	return slices.Max(left) < 1e-6
}

// every calls f with each schedule of up to most workers.
func every(slots, least, most int, f func(n []int)) {
	n := make([]int, slots)
	for i := range n {
		n[i] = least
	}
	for {
		f(n)
		i := 0
		for i < slots && n[i] == most {
			n[i] = least
			i++
		}
		if i == slots {
			return
		}
		n[i]++
	}
}

// paid returns the worker-slots of a schedule: what works and what is started, at
// decisions, so many slots before it works.
func paid(n []int, lag, least int) int {
	cost, before := least*lag, least
	for _, now := range n {
		cost += now + lag*max(0, now-before)
		before = now
	}
	return cost
}

func TestBoundIsBelowEveryScheduleOfTinyTraces(t *testing.T) {
	t.Parallel()
	from := rand.New(rand.NewPCG(1, 1))
	tried, tight, gap := 0, 0, 0.0
	for tried < 60 {
		cfg, jobs := tiny(from)
		lag := int(cfg.Kinds[0].StartUp / cfg.Interval) // rounded down, as somebody lucky would have it
		slots := int(horizon(cfg, jobs)/cfg.Interval) + 1 - lag
		least := cfg.Kinds[0].Min
		best := -1
		every(slots, least, 3, func(n []int) {
			if cost := paid(n, lag, least); (best < 0 || cost < best) && inTime(cfg, jobs, time.Duration(lag)*cfg.Interval, n) {
				best = cost
			}
		})
		if best < 0 {
			continue // not to be done in time by three
		}
		tried++
		bound := BoundOf(cfg, jobs)
		got := bound.Hours * 3600 / cfg.Interval.Seconds()
		if got > float64(best)+1e-9 {
			t.Fatalf("bound of %.3f worker-slots, and %d are enough: start-up %v, jobs %+v", got, best, cfg.Kinds[0].StartUp, jobs)
		}
		gap += float64(best) - got
		if float64(best)-got < 1e-9 {
			tight++
		}
	}
	t.Logf("equal to the best schedule in %d of %d, %.2f worker-slots below it on average", tight, tried, gap/float64(tried))
	if tight < tried/3 {
		t.Errorf("equal to the best schedule in %d of %d only", tight, tried)
	}
}

// relaxed is the tube's own world, tried out: slots and grains.
func (t *tube) relaxed(grains, most int) int {
	best := -1
	every(len(t.due)-t.lag, t.minimum, most, func(n []int) {
		cost := paid(n, t.lag, t.minimum)
		if best >= 0 && cost >= best {
			return
		}
		done := 0
		for k := range t.due {
			arrived, due := int(t.arrived[k]*float64(grains)+1-1e-6), int(t.due[k]*float64(grains)+1e-6)
			if k >= t.lag {
				done = min(arrived, done+n[k-t.lag]*grains)
			}
			if done < due {
				return
			}
		}
		best = cost
	})
	return best
}

func TestSearchFindsTheBestOfItsWorld(t *testing.T) {
	t.Parallel()
	from := rand.New(rand.NewPCG(2, 1))
	for range 60 {
		cfg, jobs := tiny(from)
		tube := newTube(cfg, jobs)
		for _, grains := range []int{1, 4} {
			want := tube.relaxed(grains, 4)
			if want < 0 {
				continue
			}
			if got := tube.cheapest(4, grains); int(got) > want {
				t.Errorf("found %d worker-slots, %d are enough: %+v", got, want, jobs)
			}
			if got := tube.cheapest(8, grains); int(got) < want && tube.relaxed(grains, 6) == want {
				t.Errorf("found %d worker-slots, there is nothing below %d: %+v", got, want, jobs)
			}
		}
	}
}

func TestSearchWithFewerRowsNeverFindsMore(t *testing.T) {
	t.Parallel()
	from := rand.New(rand.NewPCG(3, 1))
	for range 200 {
		cfg, jobs := tiny(from)
		tube := newTube(cfg, jobs)
		before := int64(0)
		for _, top := range []int{1, 2, 3, 5, 9} {
			got := tube.cheapest(max(top, tube.minimum), 4)
			if got < before {
				t.Fatalf("%d rows: %d worker-slots, with fewer it was %d", top, got, before)
			}
			before = got
		}
		if peaks := tube.byPeaks(); peaks > float64(before)+1 { // a grain is given away by the search, a fraction of a worker by the peaks
			t.Fatalf("%.2f worker-slots by peaks, %d are enough", peaks, before)
		}
		if float64(before)+1 < tube.work {
			t.Fatalf("%d worker-slots for %.2f of work", before, tube.work)
		}
	}
}

func TestNoPolicyThatIsNeverLateBeatsTheBound(t *testing.T) {
	t.Parallel()
	from := rand.New(rand.NewPCG(4, 1))
	inTime := 0
	for i, made := range []string{"single", "tiny", "bursts", "tight", "sparse", "urgent-only", "long-on-off", "far"} {
		jobs, err := MadeOf(made, from.Uint64())
		if err != nil {
			t.Fatal(err)
		}
		cfg := DefaultConfig()
		cfg.Kinds[0].Min = from.IntN(2)
		if i%2 == 0 {
			cfg.Kinds = append(cfg.Kinds, autoscale.Kind{Name: "slow", PatchesPerS: 30, USDPerHour: 0.09, StartUp: 45 * time.Second, Max: 1 + from.IntN(5)})
		}
		bound := BoundOf(cfg, jobs)
		for _, name := range autoscale.Names() {
			policy, err := autoscale.New(name, autoscale.DefaultConfig())
			if err != nil {
				t.Fatal(err)
			}
			f, err := Run(t.Context(), cfg, policy, jobs)
			if err != nil {
				t.Fatal(err)
			}
			if f.Hours < bound.Work {
				t.Errorf("%s, %s: %.4f worker-hours for %.4f of work", made, name, f.Hours, bound.Work)
			}
			if f.Misses > 0 {
				continue
			}
			inTime++
			if f.Hours < bound.Hours-1e-9 {
				t.Errorf("%s, %s: never late with %.4f worker-hours, the bound is %.4f", made, name, f.Hours, bound.Hours)
			}
			if f.USD < bound.USD-1e-9 {
				t.Errorf("%s, %s: never late for %.4f USD, the bound is %.4f", made, name, f.USD, bound.USD)
			}
		}
	}
	if inTime < 8 {
		t.Errorf("only %d runs were never late: nothing was tried", inTime)
	}
}

func TestALargeFleetIsBoundByItsPeaks(t *testing.T) {
	t.Parallel()
	// 2,000 worker-hours each, wanted within half an hour, nine hours apart.
	var jobs []Job
	for _, at := range []time.Duration{time.Hour, 10 * time.Hour} {
		for range 1000 {
			jobs = append(jobs, Job{Arrival: at, Deadline: at + 30*time.Minute, Patches: 720_000})
		}
	}
	cfg := DefaultConfig()
	b := BoundOf(cfg, jobs)
	if want := 4000 + 2*4000*cfg.Kinds[0].StartUp.Hours(); b.Exact || b.Hours < 0.999*want || b.Hours > want {
		t.Errorf("bound %+v, want just below %.1f worker-hours", b, want)
	}
	cfg.Kinds[0].USDPerHour = 2
	cfg.Kinds = append(cfg.Kinds, autoscale.Kind{Name: "cheap", PatchesPerS: 10, USDPerHour: 0.1, Max: 50})
	b = BoundOf(cfg, jobs)
	if scored := 4000 * 3600 * 100.0; b.USD >= scored/100/3600*2 || b.USD < (scored-50*10*3600*11)/100/3600*2 {
		t.Errorf("bound %+v: fifty cheap ones can do a little of it", b)
	}
}

func TestThePlanShowsThatTheBoundIsNear(t *testing.T) {
	t.Parallel()
	for _, made := range []string{"tiny", "bursts", "burst-deadlines"} {
		jobs, err := MadeOf(made, 1)
		if err != nil {
			t.Fatal(err)
		}
		cfg := DefaultConfig()
		bound := BoundOf(cfg, jobs)
		plan, ok, err := PlanOf(t.Context(), cfg, jobs)
		if err != nil || !ok {
			t.Fatalf("%s: no plan: %v", made, err)
		}
		if plan.Misses > 0 || plan.Hours < bound.Hours-1e-9 || plan.Hours > 1.05*bound.Hours {
			t.Errorf("%s: planned %.3f worker-hours with %d late, the bound is %.3f", made, plan.Hours, plan.Misses, bound.Hours)
		}
	}
}
