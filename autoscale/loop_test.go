package autoscale

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
)

// world is everything around a loop: the fleet, the target, the lead and who is told.
type world struct {
	now     time.Time
	fleet   Fleet
	frozen  bool          // the server's clock stands still
	jumped  time.Duration // the server's clock
	away    error         // the server is
	blind   error         // of the target, when it is asked who is there
	deaf    error         // of the server, when it is told
	groups  []Group
	refuses map[string]error // by kind
	follows bool
	keeps   int      // workers, whatever it is asked
	scaled  []string // as asked
	told    []Published
}

func (w *world) Fleet(context.Context) (Fleet, error) {
	if !w.frozen {
		w.fleet.Now = w.now.Add(time.Hour + w.jumped) // another clock
	}
	return w.fleet, w.away
}

func (w *world) Groups(context.Context) ([]Group, error) { return w.groups, w.blind }

func (w *world) Scale(_ context.Context, kind string, n int, idle []string) (int, error) {
	w.scaled = append(w.scaled, fmt.Sprint(kind, " ", n, " ", idle))
	return max(n, w.keeps), w.refuses[kind]
}

func (w *world) While(ctx context.Context) (context.Context, context.CancelFunc, bool) {
	ctx, cancel := context.WithCancel(ctx)
	return ctx, cancel, !w.follows
}

func (w *world) Publish(_ context.Context, p Published) error {
	w.told = append(w.told, p)
	return w.deaf
}

// wants is a policy that wants these numbers, and keeps what it was shown.
type wants struct {
	n    map[string]int
	seen Signals
	past []Record
}

func (*wants) Name() string          { return "wants" }
func (*wants) Window() time.Duration { return time.Hour }
func (p *wants) Decide(s Signals, past []Record) (Decision, map[string]int) {
	p.seen, p.past = s, past
	return Decision{maps.Clone(p.n), "as wanted"}, nil
}

func newWorld(t *testing.T, change func(*LoopConfig)) (*world, *wants, *Loop, *prometheus.Registry) {
	t.Helper()
	w := &world{now: noon, groups: []Group{{Kind: kind(0, 10)}}, refuses: map[string]error{}}
	p := &wants{n: map[string]int{"c7i": 2}}
	r := prometheus.NewRegistry()
	cfg := DefaultLoopConfig()
	cfg.Policy, cfg.Source, cfg.Target, cfg.Leader, cfg.Publisher = p, w, w, w, w
	cfg.Registerer, cfg.Now = r, func() time.Time { return w.now }
	if change != nil {
		change(&cfg)
	}
	l, err := NewLoop(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w, p, l, r
}

// step is a round, a time after the one before.
func (w *world) step(t *testing.T, l *Loop, after time.Duration) Outcome {
	t.Helper()
	w.now = w.now.Add(after)
	w.scaled = nil
	return l.Step(t.Context())
}

func workers(n, busy int) []Worker {
	all := make([]Worker, n)
	for i := range all {
		all[i] = Worker{ID: fmt.Sprintf("w%d", i), Kind: "c7i", Busy: i < busy, PatchesPerS: 80, CPUPercent: 50}
	}
	return all
}

func TestLoopHandsTheNumberAndWhoIsIdleToTheTarget(t *testing.T) {
	t.Parallel()
	w, p, l, _ := newWorld(t, nil)
	w.fleet.Workers = append(workers(3, 1), Worker{ID: "going", Kind: "c7i", Draining: true})
	w.groups[0].Ready = 3
	o := w.step(t, l, 0)
	if want := []string{"c7i 2 [w1 w2]"}; !reflect.DeepEqual(w.scaled, want) || o.Err != nil || o.Left["c7i"] != 2 {
		t.Errorf("asked for %q, left %v, %v; want %q", w.scaled, o.Left, o.Err, want)
	}
	g := p.seen.Groups[0]
	if g.Ready != 3 || g.Busy != 1 || g.PatchesPerS != 80 || g.CPUPercent != 50 || g.Max != 10 {
		t.Errorf("the policy saw %+v", g)
	}
	if len(w.told) != 1 || w.told[0].Policy != "wants" || w.told[0].Wanted["c7i"] != 2 || !w.told[0].At.Equal(w.fleet.Now) {
		t.Errorf("told %+v", w.told)
	}
}

func TestLoopKeepsTheLastDecisionWhileTheFleetIsNotKnown(t *testing.T) {
	t.Parallel()
	w, p, l, r := newWorld(t, nil)
	w.away = fault.New(fault.Unavailable, "no answer")
	if o := w.step(t, l, 0); len(w.scaled) != 0 || o.Held == "" || fault.Of(o.Err) != fault.Unavailable {
		t.Errorf("with nothing decided yet: asked for %q, held %q, %v", w.scaled, o.Held, o.Err)
	}
	w.away = nil
	w.fleet.Workers = workers(3, 0)
	w.step(t, l, 15*time.Second)

	w.away = fault.New(fault.Unavailable, "no answer")
	p.n["c7i"] = 0
	o := w.step(t, l, 15*time.Second)
	if want := []string{"c7i 2 []"}; !reflect.DeepEqual(w.scaled, want) || o.Held == "" || o.Decision.Wanted["c7i"] != 2 {
		t.Errorf("without signals: asked for %q, held %q; want %q and nobody named who may go", w.scaled, o.Held, want)
	}
	if len(w.told) != 1 {
		t.Errorf("told %d times, want once: what is held is not news", len(w.told))
	}
	for direction, want := range map[string]float64{"held": 2, "up": 0, "down": 1, "keep": 0} {
		if n := counted(t, r, "bcc_autoscale_decisions_total", direction); n != want {
			t.Errorf("%g decisions %s counted, want %g", n, direction, want)
		}
	}
	w.away = nil
	if o := w.step(t, l, 15*time.Second); o.Held != "" || w.scaled[0] != "c7i 0 [w0 w1 w2]" {
		t.Errorf("with signals again: asked for %q, held %q", w.scaled, o.Held)
	}
}

func TestLoopDecidesOnNothingStale(t *testing.T) {
	t.Parallel()
	w, _, l, _ := newWorld(t, nil)
	w.step(t, l, 0)
	w.frozen = true
	if o := w.step(t, l, time.Minute); o.Held != "" {
		t.Errorf("signals of a minute ago: held %q, want a decision", o.Held)
	}
	if o := w.step(t, l, time.Second); !strings.Contains(o.Held, "61 s old") {
		t.Errorf("signals of 61 s ago: held %q, want that said", o.Held)
	}
	w.frozen = false
	if o := w.step(t, l, time.Second); o.Held != "" {
		t.Errorf("fresh signals: held %q", o.Held)
	}
}

func TestLoopOnlyLooksOnWhileAnotherLeads(t *testing.T) {
	t.Parallel()
	w, p, l, _ := newWorld(t, nil)
	w.follows = true
	w.fleet.Workers = workers(5, 5)
	w.groups[0].Ready = 5
	o := w.step(t, l, 0)
	if len(w.scaled) != 0 || len(w.told) != 0 || o.Leading {
		t.Errorf("asked for %q and told %d times while another leads", w.scaled, len(w.told))
	}
	w.follows = false
	w.step(t, l, 15*time.Second)
	if len(p.past) != 1 || p.past[0].Wanted["c7i"] != 5 {
		t.Errorf("took the lead with the records %+v, want the 5 that the other made of it", p.past)
	}
	if len(w.scaled) != 1 {
		t.Errorf("leads and asked for %q", w.scaled)
	}
}

func TestLoopMovesNothingOnADryRun(t *testing.T) {
	t.Parallel()
	var seen []Outcome
	w, _, l, _ := newWorld(t, func(c *LoopConfig) {
		c.DryRun, c.Explain = true, func(o Outcome) { seen = append(seen, o) }
	})
	w.step(t, l, 0)
	if len(w.scaled)+len(w.told) != 0 || len(seen) != 1 || seen[0].Decision.Reason != "as wanted" {
		t.Errorf("asked for %q, told %d times, explained %+v", w.scaled, len(w.told), seen)
	}
}

func TestLoopAsksATargetThatRefusesLessAndLess(t *testing.T) {
	t.Parallel()
	w, p, l, _ := newWorld(t, nil)
	gpu := kind(0, 10)
	gpu.Name = "gpu"
	w.groups = append(w.groups, Group{Kind: gpu})
	p.n["gpu"] = 1
	w.refuses["c7i"] = fault.New(fault.Busy, "429")
	var rounds []int
	for i := range 16 {
		o := w.step(t, l, 15*time.Second)
		if w.scaled[len(w.scaled)-1] != "gpu 1 []" {
			t.Fatalf("round %d: asked for %q; one kind that refuses must stop no other", i, w.scaled)
		}
		if len(w.scaled) == 2 {
			rounds = append(rounds, i)
			if fault.Of(o.Err) != fault.Busy {
				t.Errorf("round %d: %v, want the target's fault", i, o.Err)
			}
		}
	}
	if want := []int{0, 1, 3, 7, 15}; !reflect.DeepEqual(rounds, want) {
		t.Errorf("asked in rounds %v, want %v", rounds, want)
	}
	delete(w.refuses, "c7i")
	w.step(t, l, 5*time.Minute)
	if w.step(t, l, 15*time.Second); len(w.scaled) != 2 {
		t.Errorf("asked for %q after it obeyed, want both kinds each round", w.scaled)
	}
}

func TestLoopMeasuresStartUpsAndRemembersRates(t *testing.T) {
	t.Parallel()
	w, p, l, _ := newWorld(t, nil)
	w.step(t, l, 0) // wants 2
	w.groups[0].Ready = 2
	for range 3 {
		w.step(t, l, 15*time.Second)
	}
	if g := p.seen.Groups[0]; len(g.Starting) != 2 || g.Ready != 0 || g.StartUp != 2*time.Minute || g.PatchesPerS != 100 {
		t.Errorf("before they greet: %+v, want 2 starting and what was configured", g)
	}
	w.fleet.Workers = workers(2, 2)
	w.step(t, l, 15*time.Second)
	if g := p.seen.Groups[0]; len(g.Starting) != 0 || g.Ready != 2 || g.StartUp != time.Minute || g.PatchesPerS != 80 {
		t.Errorf("when they greet: %+v, want a start-up of 1m and 80 patches per second", g)
	}
	w.fleet.Workers, w.groups[0].Ready = nil, 0
	w.step(t, l, 15*time.Second)
	if g := p.seen.Groups[0]; g.StartUp != time.Minute || g.PatchesPerS != 80 {
		t.Errorf("when they are gone: %+v, want what was measured", g)
	}
}

func TestLoopKnowsWhoIsPaidForAndSilent(t *testing.T) {
	t.Parallel()
	w, p, l, _ := newWorld(t, nil)
	w.groups[0].Ready = 3
	w.groups[0].Starting = []time.Time{noon.Add(time.Minute)}
	w.fleet.Workers = append(workers(1, 0), Worker{ID: "mine", Kind: "by-hand"})
	w.step(t, l, 0)
	w.step(t, l, 30*time.Second)
	g := p.seen.Groups[0]
	ours := time.Hour // the server's clock
	want := []time.Time{noon.Add(ours + time.Minute), noon.Add(ours + g.StartUp), noon.Add(ours + g.StartUp)}
	if g.Ready != 1 || !reflect.DeepEqual(g.Starting, want) {
		t.Errorf("%d ready, starting at %v, want 1 and %v: two are up for the target and silent", g.Ready, g.Starting, want)
	}
	if h := p.seen.Groups[1]; h.Name != "by-hand" || h.Min != 1 || h.Max != 1 || h.Ready != 1 {
		t.Errorf("a worker that somebody started by hand: %+v, want a group that stays as it is", h)
	}
	for _, asked := range w.scaled {
		if strings.HasPrefix(asked, "by-hand") {
			t.Errorf("asked the target for %q, which it does not have", asked)
		}
	}
}

func TestLoopStopsActingWhenTheLeadIsLost(t *testing.T) {
	t.Parallel()
	w, _, l, r := newWorld(t, nil)
	l.cfg.Leader = lost{}
	w.refuses["c7i"] = errors.New("request cancelled")
	if o := w.step(t, l, 0); o.Err != nil {
		t.Errorf("an end of the lead is told as %v", o.Err)
	}
	if n := counted(t, r, "bcc_autoscale_errors_total", "scale"); n != 0 {
		t.Errorf("%g failures of the target counted", n)
	}
}

// counted reads the counter of that name whose only label has this value.
func counted(t *testing.T, r *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s of %s", name, label)
	return 0
}

// lost is a lead that ends at once.
type lost struct{}

func (lost) While(ctx context.Context) (context.Context, context.CancelFunc, bool) {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx, cancel, true
}

func TestLoopRunsUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	rounds := make(chan struct{}, 100)
	_, _, l, _ := newWorld(t, func(c *LoopConfig) {
		c.Interval = 10 * time.Millisecond
		c.Explain = func(Outcome) { rounds <- struct{}{} }
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	<-rounds
	<-rounds
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNewLoopRefusesWhatCannotRun(t *testing.T) {
	t.Parallel()
	_, err := NewLoop(LoopConfig{Interval: time.Millisecond})
	for _, want := range []string{"a target", "decisions every 1ms", "signals older"} {
		if err == nil || fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want it to name %q", err, want)
		}
	}
}
