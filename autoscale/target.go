package autoscale

import (
	"fmt"
	"math"
	"time"
)

// HPA is how the Kubernetes horizontal pod autoscaler behaves (autoscaling/v2, the
// defaults of HorizontalPodAutoscalerBehavior). Its metric here is the backlog per
// ready worker; its target is what a worker does in Config.Drain.
type HPA struct {
	Tolerance float64  // no change while metric/target is that near 1; default 0.1
	Up, Down  Behavior // how fast
}

// Behavior bounds how fast the number moves in a direction.
type Behavior struct {
	// Stabilization is how long the most cautious recommendation counts; default none
	// up, 5 min down.
	Stabilization time.Duration
	Percent       float64       // of the workers there were a Period ago; default 100
	Workers       int           // or so many, whichever allows more; default 4 up, none down
	Period        time.Duration // default 15 s
}

// DefaultHPA returns Kubernetes' defaults.
func DefaultHPA() HPA {
	return HPA{
		Tolerance: 0.1,
		Up:        Behavior{Percent: 100, Workers: 4, Period: 15 * time.Second},
		Down:      Behavior{Stabilization: 5 * time.Minute, Percent: 100, Period: 15 * time.Second},
	}
}

func (h HPA) check(p *problems) {
	p.number("target: tolerance", h.Tolerance, 0, 1)
	for _, b := range []struct {
		way string
		Behavior
	}{{"up", h.Up}, {"down", h.Down}} {
		p.between("target: stabilization "+b.way, b.Stabilization, 0, time.Hour)
		p.between("target: period "+b.way, b.Period, time.Second, 30*time.Minute)
		p.number("target: percent "+b.way, b.Percent, 0, 1e4)
		if b.Workers < 0 || (b.Workers == 0 && b.Percent == 0) {
			p.add("target: %d workers and %g %% %s: want a number that lets it move", b.Workers, b.Percent, b.way)
		}
	}
}

// hpa is the Policy. Each kind is a Deployment with an autoscaler of its own, and all
// see the same: how long the workers that are ready would take for the backlog, over
// how long it may take. Urgent work is a second metric with its own target; as there,
// the metric that wants more counts.
//
// https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/ and
// pkg/controller/podautoscaler of Kubernetes 1.37: replica_calculator.go
// (calcPlainMetricReplicas), horizontal.go (convertDesiredReplicasWithBehaviorRate).
type hpa struct{ cfg Config }

func (hpa) Name() string { return "target" }

func (h hpa) Window() time.Duration {
	c := h.cfg.Target
	return max(c.Up.Stabilization, c.Down.Stabilization, c.Up.Period, c.Down.Period) + 2*h.cfg.Interval
}

func (h hpa) Decide(s Signals, past []Record) (Decision, map[string]int) {
	asked, wanted := make(map[string]int, len(s.Groups)), make(map[string]int, len(s.Groups))
	ratio := h.ratio(s)
	starter := h.starter(s, past, ratio)
	for i, g := range s.Groups {
		current := steered(g, past)
		n := h.replicas(g, current, ratio)
		if i == starter {
			n = h.fromNone(s, g)
		}
		asked[g.Name] = bounded(g.Kind, n)
		n = h.stabilize(g.Name, current, asked[g.Name], s.Now, past)
		wanted[g.Name] = h.limit(g.Kind, current, n, s.Now, past)
	}
	reason := "not known: no worker is ready, or its rate is not measured"
	if !math.IsNaN(ratio) {
		reason = fmt.Sprintf("%.2f of what is wanted", ratio)
	}
	all, _ := backlog(s)
	if all == 0 {
		return Decision{wanted, plural(total(wanted), "worker") + ": nothing to do"}, asked
	}
	return Decision{wanted, fmt.Sprintf("%s: the backlog per ready worker (%s patches in all) is %s", plural(total(wanted), "worker"), number(all), reason)}, asked
}

// ratio returns metric over target: the larger one of the whole backlog's and of
// urgent work's. NaN: there is no metric, since nobody is ready whose rate is known.
func (h hpa) ratio(s Signals) float64 {
	all, urgent := backlog(s)
	rate := 0.0
	for _, g := range s.Groups {
		rate += g.PatchesPerS * float64(g.Ready)
	}
	if rate <= 0 {
		return math.NaN()
	}
	return max(all/(rate*h.cfg.Drain.Seconds()), urgent/(rate*h.cfg.UrgentDrain.Seconds()))
}

// replicas is calcPlainMetricReplicas: pods that are not ready yet count as if they
// had nothing to do where the number would go up, and not at all where it would go down.
func (h hpa) replicas(g Group, current int, ratio float64) int {
	if math.IsNaN(ratio) || current == 0 || g.Present() == 0 || g.Ready == 0 {
		return current // "no metrics returned": the number stays
	}
	tolerated := func(r float64) bool { return math.Abs(1-r) <= h.cfg.Target.Tolerance }
	if ratio <= 1 || len(g.Starting) == 0 {
		if tolerated(ratio) {
			return current
		}
		return int(math.Ceil(ratio * float64(g.Ready)))
	}
	again := ratio * float64(g.Ready) / float64(g.Present())
	if tolerated(again) || again < 1 {
		return current
	}
	return max(int(math.Ceil(again*float64(g.Present()))), current)
}

// starter returns the index of the kind that begins: where there are no workers at all
// and something to do, or where those that there are do not suffice and may not be more.
// -1: none. An autoscaler of pods sees nothing at no pods; KEDA and the gate
// HPAScaleToZero begin by the backlog alone, as here.
func (h hpa) starter(s Signals, past []Record, ratio float64) int {
	if !anything(s) {
		return -1
	}
	for _, g := range s.Groups {
		if n := steered(g, past); n > 0 && (n < g.Max || !(ratio > 1+h.cfg.Target.Tolerance)) {
			return -1
		}
	}
	for _, i := range cheapest(s.Groups) {
		if s.Groups[i].Max > 0 && steered(s.Groups[i], past) == 0 {
			return i
		}
	}
	return -1
}

// fromNone returns the backlog over what one worker of the kind may have.
func (h hpa) fromNone(s Signals, g Group) int {
	all, urgent := backlog(s)
	if g.PatchesPerS <= 0 {
		return 1
	}
	n := max(all/h.cfg.Drain.Seconds(), urgent/h.cfg.UrgentDrain.Seconds()) / g.PatchesPerS
	return max(1, int(math.Ceil(min(n, 1e9))))
}

// stabilize takes the most cautious of the recommendations within the windows.
func (h hpa) stabilize(kind string, current, n int, now time.Time, past []Record) int {
	low, high := n, n // as an upper and a lower bound
	for _, r := range past {
		asked, ok := r.Asked[kind]
		if !ok {
			continue
		}
		if r.At.After(now.Add(-h.cfg.Target.Up.Stabilization)) {
			low = min(low, asked)
		}
		if r.At.After(now.Add(-h.cfg.Target.Down.Stabilization)) {
			high = max(high, asked)
		}
	}
	if current < low {
		return low
	}
	return min(current, high)
}

// limit keeps the number within what may change in a period.
func (h hpa) limit(k Kind, current, n int, now time.Time, past []Record) int {
	up, down := h.cfg.Target.Up, h.cfg.Target.Down
	switch {
	case n > current:
		added, taken := changes(k.Name, now, past, up.Period)
		before := float64(current - added + taken)
		most := max(before+float64(up.Workers), math.Ceil(before*(1+up.Percent/100)), float64(current))
		n = min(n, int(min(most, 1e9)))
	case n < current:
		added, taken := changes(k.Name, now, past, down.Period)
		before := float64(current - added + taken)
		least := before * (1 - down.Percent/100)
		if down.Workers > 0 {
			least = min(least, before-float64(down.Workers))
		}
		n = max(n, int(min(least, float64(current))))
	}
	return bounded(k, n)
}

// changes returns how many of a kind came and went by decisions of the last period.
func changes(kind string, now time.Time, past []Record, period time.Duration) (added, taken int) {
	for i := len(past) - 1; i > 0 && past[i].At.After(now.Add(-period)); i-- {
		switch d := past[i].Wanted[kind] - past[i-1].Wanted[kind]; {
		case d > 0:
			added += d
		case d < 0:
			taken -= d
		}
	}
	return added, taken
}
