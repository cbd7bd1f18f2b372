package cohort_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
)

// atPrices has an hour of a worker cost 3.6 USD, a second a tenth of a cent, and of the
// kind gpu ten times as much.
func atPrices(c *cohort.Config) {
	c.PricePerHour, c.Prices = 3.6, map[string]float64{"gpu": 36}
}

func usd(v float64) *float64 { return &v }

func submitCapped(t *testing.T, l *cohort.Ledger, n int, at *float64) cohort.Manifest {
	t.Helper()
	m, err := l.Submit(t.Context(), cohort.Manifest{Owner: "k1", CapUSD: at, Slides: slides(n)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// took is an end that took so many seconds of a worker.
func took(seconds float64, kind string) cohort.End {
	e := done(10)
	e.ComputeS, e.Kind = seconds, kind
	return e
}

// end brings the next slide to its end, or drops its job where its cohort is held.
func (w *world) end(t *testing.T, d *cohort.Desk, e cohort.End) error {
	t.Helper()
	task, lease, err := begin(t, w, d)
	if err == nil {
		if err := d.End(t.Context(), task, e); err != nil {
			t.Fatal(err)
		}
	} else if !errors.Is(err, cohort.ErrCapped) {
		t.Fatal(err)
	}
	if err := lease.Done(t.Context()); err != nil {
		t.Fatal(err)
	}
	return err
}

func summary(t *testing.T, l *cohort.Ledger, id string) cohort.Summary {
	t.Helper()
	s, err := l.Summary(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	adds(t, s)
	return s
}

func TestACohortIsHeldAtItsCapAndGoesOnWhenThatIsRaised(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t, atPrices), w.desk()
	m := submitCapped(t, l, 5, usd(0.04))
	running, lease, err := begin(t, w, d) // begun before: it comes to its end
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.end(t, d, took(15, "")); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "it is held", func() bool { return summary(t, l, m.ID).Held })
	if err := w.end(t, d, took(15, "")); !errors.Is(err, cohort.ErrCapped) {
		t.Errorf("a slide is begun beyond the cap: %v", err)
	}
	if err := errors.Join(d.End(t.Context(), running, took(15, "")), lease.Done(t.Context())); err != nil {
		t.Fatal(err)
	}
	s := eventually(t, l, m.ID, [5]int{2, 0, 3, 0, 0})
	if !s.Held || *s.CapUSD != 0.04 || math.Abs(*s.Cost.USD-0.045) > 1e-9 || s.Forecast != nil || !strings.Contains(strings.Join(s.Degraded, ";"), "$0.045 of the cap of $0.040 is spent, 2 slides wait; raise it (bcc cap "+m.ID) {
		t.Errorf("%+v of %v: %q", s.Cost, *s.CapUSD, s.Degraded)
	}
	if load := l.Load(); load.SlidesWaiting != 0 || load.Patches != 0 || len(l.Demands()) != 0 {
		t.Errorf("what is held counts as work: %+v, %+v", load, l.Demands())
	}
	if err := w.end(t, d, took(15, "")); !errors.Is(err, cohort.ErrCapped) { // the last job
		t.Errorf("%v", err)
	}

	raised := time.Now()
	if err := l.SetCap(t.Context(), m.ID, usd(10)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.end(t, d, took(15, "")); err != nil {
			t.Errorf("after the cap was raised: %v", err)
		}
	}
	over(t, w, m.ID)
	if took := time.Since(raised); took > 20*time.Second {
		t.Errorf("it took %v until it went on", took)
	}
	if s := summary(t, l, m.ID); s.Held || s.State != cohort.Done || len(s.Degraded) > 0 || *s.CapUSD != 10 {
		t.Errorf("%+v", s)
	}
	if err := l.SetCap(t.Context(), m.ID, nil); fault.Of(err) != fault.Invalid {
		t.Errorf("the cap of a cohort that is over is set: %v", err)
	}
}

func TestACapHoldsForEveryServerAndAfterARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, d := w.ledger(t, atPrices), w.desk()
	second := w.ledger(t, atPrices)
	m := submitCapped(t, first, 3, usd(0.001))
	if err := w.end(t, d, took(15, "")); err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]*cohort.Ledger{"first": first, "second": second} {
		until(t, name+" holds it", func() bool { s, err := l.Summary(t.Context(), m.ID); return err == nil && s.Held })
	}
	for range 2 {
		if err := w.end(t, d, took(15, "")); !errors.Is(err, cohort.ErrCapped) {
			t.Fatal(err)
		}
	}
	first.Close()
	second.Close()
	third := w.ledger(t, atPrices) // which heard of nothing
	if s := summary(t, third, m.ID); !s.Held || counts(s.Counts) != [5]int{2, 0, 1, 0, 0} {
		t.Fatalf("%+v", s)
	}
	if b, err := w.queue.Backlog(t.Context()); err != nil || b.Routine+b.Leased > 0 {
		t.Errorf("jobs of what is held were put again: %+v, %v", b, err)
	}
	if err := third.SetCap(t.Context(), m.ID, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.end(t, d, took(15, "")); err != nil {
			t.Error(err)
		}
	}
	over(t, w, m.ID)
}

func TestACapThatIsLoweredHoldsAtOnceAndOneThatWasRaisedTwiceGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t, atPrices), w.desk()
	m := submit(t, l, 4)
	if err := w.end(t, d, took(10, "")); err != nil {
		t.Fatal(err)
	}
	eventually(t, l, m.ID, [5]int{3, 0, 1, 0, 0})
	for _, c := range []struct {
		cap  *float64
		held bool
	}{{usd(0.005), true}, {usd(0.006), true}, {usd(5), false}, {usd(0.01), true}, {nil, false}} {
		if err := l.SetCap(t.Context(), m.ID, c.cap); err != nil {
			t.Fatal(err)
		}
		if s := summary(t, l, m.ID); s.Held != c.held {
			t.Fatalf("held is %v with 0.01 spent at a cap of %v", s.Held, c.cap)
		}
		if c.held {
			if err := w.end(t, d, took(1, "")); !errors.Is(err, cohort.ErrCapped) {
				t.Fatalf("a slide is begun: %v", err)
			}
		}
	}
	for done := 0; done < 3; { // some jobs were put twice: the second finds the slide over
		task, lease, err := begin(t, w, d)
		if err == nil {
			done++
			err = d.End(t.Context(), task, took(1, ""))
		} else if errors.Is(err, cohort.ErrOver) {
			err = nil
		}
		if err := errors.Join(err, lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	over(t, w, m.ID)
}

func TestAMixedPoolIsPricedByItsKinds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t, atPrices), w.desk()
	m := submit(t, l, 3)
	mixed := took(30, "cpu")
	mixed.ComputeBy = map[string]float64{"cpu": 20, "gpu": 10}
	for _, e := range []cohort.End{took(10, "cpu"), took(10, "gpu"), mixed} {
		if err := w.end(t, d, e); err != nil {
			t.Fatal(err)
		}
	}
	over(t, w, m.ID)
	want := 0.01 + 0.1 + 0.02 + 0.1
	if s := summary(t, l, m.ID); math.Abs(*s.Cost.USD-want) > 1e-9 {
		t.Errorf("it cost %v, want %v", *s.Cost.USD, want)
	}
	l.Close()
	if s := summary(t, w.ledger(t, atPrices), m.ID); math.Abs(*s.Cost.USD-want) > 1e-9 {
		t.Errorf("after a restart it cost %v, want %v", *s.Cost.USD, want)
	}
}

func TestACapThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	unpriced, priced := w.ledger(t), w.ledger(t, atPrices)
	for name, c := range map[string]struct {
		l   *cohort.Ledger
		cap float64
	}{"no price": {unpriced, 1}, "nothing": {priced, 0}, "less": {priced, -1}, "endless": {priced, math.Inf(1)}, "no number": {priced, math.NaN()}} {
		m := cohort.Manifest{CapUSD: &c.cap, Slides: slides(1)}
		_, err := c.l.Submit(t.Context(), m)
		if fault.Of(err) != fault.Invalid || name == "no price" && !strings.Contains(fault.HintOf(err), "--price-per-hour") {
			t.Errorf("%s: %v (%s)", name, err, fault.HintOf(err))
		}
	}
	m := submit(t, priced, 1)
	if err := unpriced.SetCap(t.Context(), m.ID, usd(1)); fault.Of(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
	if err := priced.SetCap(t.Context(), cohort.NewID(), usd(1)); fault.Of(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
}

func TestWhatIsTriedAgainHasTheCapWhereThereAreStillPrices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t, atPrices), w.desk()
	m := submitCapped(t, l, 1, usd(3))
	if err := w.end(t, d, cohort.End{State: cohort.Failed, Problem: &cohort.Problem{Message: "m"}}); err != nil {
		t.Fatal(err)
	}
	over(t, w, m.ID)
	if again, err := l.Retry(t.Context(), m.ID); err != nil || again.CapUSD == nil || *again.CapUSD != 3 {
		t.Errorf("%v, %v", again.CapUSD, err)
	}
	if again, err := w.ledger(t).Retry(t.Context(), m.ID); err != nil || again.CapUSD != nil {
		t.Errorf("without prices: %v, %v", again.CapUSD, err)
	}
}

func TestADamagedCapLeavesTheOneBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t, atPrices), w.desk()
	m := submitCapped(t, l, 3, usd(0.02))
	if err := l.SetCap(t.Context(), m.ID, usd(7)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := w.store.Put(t.Context(), "cohorts/"+m.ID+"/caps/1.json", strings.NewReader("{nonsense")); err != nil {
		t.Fatal(err)
	}
	l = w.ledger(t, atPrices)
	if s := summary(t, l, m.ID); *s.CapUSD != 0.02 {
		t.Errorf("the cap is %v", *s.CapUSD)
	}
	if err := w.end(t, d, took(30, "")); err != nil {
		t.Fatal(err)
	}
	until(t, "it is held at the lower one", func() bool { return summary(t, l, m.ID).Held })
	if err := w.end(t, d, took(30, "")); !errors.Is(err, cohort.ErrCapped) {
		t.Errorf("%v", err)
	}
	if err := l.SetCap(t.Context(), m.ID, usd(8)); err != nil {
		t.Fatal(err)
	}
	if s := summary(t, l, m.ID); s.Held || *s.CapUSD != 8 {
		t.Errorf("%+v", s)
	}
}

func TestAFollowerHearsThatItsCohortIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t, atPrices), w.desk()
	m := submitCapped(t, l, 2, usd(0.001))
	events, err := l.Follow(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.end(t, d, took(15, "")); err != nil {
		t.Fatal(err)
	}
	for e := range events {
		if e.Summary != nil && e.Summary.Held {
			return
		}
	}
	t.Error("never told")
}

// told has a slide of 100 patches begun, of which so many are through, at a tenth of a
// second a patch.
func told(t *testing.T, w *world, d *cohort.Desk, through int, kind string) (cohort.Task, *queue.Lease) {
	t.Helper()
	task, lease, err := begin(t, w, d)
	if err != nil {
		t.Fatal(err)
	}
	d.Planned(task, 100)
	d.Spent(task, through, kind, float64(through)/10)
	d.Scored(task, through)
	hello(t, d)
	return task, lease
}

// hello has everything told that was not yet.
func hello(t *testing.T, d *cohort.Desk) {
	t.Helper()
	if err := d.Hello(cohort.WorkerState{ID: "w", Jobs: 2}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatSlidesInHandHaveCostSoFarIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t, atPrices), w.desk()
	m := submit(t, l, 3)
	first, lease := told(t, w, d, 20, "")
	told(t, w, d, 10, "gpu")
	until(t, "both are told of", func() bool {
		c := summary(t, l, m.ID).Cost
		return math.Abs(*c.USD-0.012) < 1e-9 && math.Abs(*c.InHandUSD-0.012) < 1e-9 && math.Abs(c.ComputeS-3) < 1e-9 && c.Patches == 30
	})

	// What is scored beyond shards that are through costs what patches did so far.
	d.Scored(first, 10)
	hello(t, d)
	until(t, "more is estimated", func() bool {
		c := summary(t, l, m.ID).Cost
		return c.Patches == 40 && math.Abs(c.ComputeS-4) < 1e-9 && math.Abs(*c.USD-0.016) < 1e-9
	})

	// Its end says what is true.
	e := took(7, "")
	e.Patches = 100
	if err := errors.Join(d.End(t.Context(), first, e), lease.Done(t.Context())); err != nil {
		t.Fatal(err)
	}
	until(t, "the end counts", func() bool { c := summary(t, l, m.ID).Cost; return math.Abs(*c.USD-0.007-0.01) < 1e-9 })
	if c := summary(t, l, m.ID).Cost; math.Abs(*c.InHandUSD-0.01) > 1e-9 {
		t.Errorf("%v in hand, want what the other has cost", *c.InHandUSD)
	}
}

func TestWhatIsKeptFromBeforeCostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t, atPrices), w.desk()
	m := submit(t, l, 1)
	task, _ := told(t, w, d, 20, "")
	d.Spent(task, 60, "", 0)
	d.Scored(task, 60)
	hello(t, d)
	until(t, "all are told of", func() bool { return summary(t, l, m.ID).Patches.Done == 80 })
	if c := summary(t, l, m.ID).Cost; c.Patches != 20 || math.Abs(*c.USD-0.002) > 1e-9 {
		t.Errorf("%d patches were looked at for %v USD, want 20 for 0.002", c.Patches, *c.USD)
	}
}

// Long slides: one is told of, at a cent each, and the cap is two and a half of them.
func TestNothingIsBegunThatTheCapIsNotEnoughFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t, atPrices), w.desk()
	m := submitCapped(t, l, 8, usd(0.025))
	type inHand struct {
		task  cohort.Task
		lease *queue.Lease
	}
	var hands []inHand
	for range 3 {
		task, lease := told(t, w, d, 10, "")
		hands = append(hands, inHand{task, lease})
	}
	until(t, "it is held before any has ended", func() bool { return summary(t, l, m.ID).Held })
	if err := w.end(t, d, took(10, "")); !errors.Is(err, cohort.ErrCapped) {
		t.Fatalf("a fourth is begun: %v", err)
	}
	until(t, "all are told of", func() bool { return math.Abs(*summary(t, l, m.ID).Cost.USD-0.003) < 1e-9 })
	words := strings.Join(summary(t, l, m.ID).Degraded, ";")
	if !strings.Contains(words, "$0.0030 of the cap of $0.025 is spent, 3 slides are yet to come to their end, 5 slides wait") {
		t.Errorf("it says %q", words)
	}
	for _, h := range hands {
		e := took(10, "")
		e.Patches = 100
		if err := errors.Join(d.End(t.Context(), h.task, e), h.lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	s := eventually(t, l, m.ID, [5]int{5, 0, 3, 0, 0})
	if !s.Held || math.Abs(*s.Cost.USD-0.03) > 1e-9 || s.Cost.InHandUSD != nil {
		t.Errorf("%+v, want 0.03 USD, and held", s.Cost)
	}
}

// Slides are expected to cost a cent and cost a tenth of one.
func TestACohortGoesOnWhereItsSlidesCostLessThanWasExpected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t, atPrices), w.desk()
	m := submitCapped(t, l, 6, usd(0.015))
	first, firstLease := told(t, w, d, 10, "")
	second, secondLease := told(t, w, d, 10, "")
	until(t, "it is held", func() bool { return summary(t, l, m.ID).Held })
	for range 4 {
		if err := w.end(t, d, took(1, "")); !errors.Is(err, cohort.ErrCapped) {
			t.Fatalf("%v", err)
		}
	}
	for task, lease := range map[cohort.Task]*queue.Lease{first: firstLease, second: secondLease} {
		if err := errors.Join(d.End(t.Context(), task, took(1, "")), lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, l, m.ID, [5]int{4, 0, 2, 0, 0})
	if !summary(t, l, m.ID).Held {
		t.Error("it goes on before this server can have heard of all who walk its slides")
	}
	l.Age(time.Hour)
	until(t, "it goes on", func() bool { return !summary(t, l, m.ID).Held })
	for range 4 {
		if err := w.end(t, d, took(1, "")); err != nil {
			t.Fatal(err)
		}
	}
	over(t, w, m.ID)
}

// lookedAt waits until the ledger has done whatever follows from where the cap stands.
func lookedAt(t *testing.T, store *capLists) {
	t.Helper()
	n := store.n.Load()
	until(t, "it was looked at", func() bool { return store.n.Load() > n+2 })
}

// Two slots, and a cap that is enough for one slide more: both would take one.
func TestACohortDoesNotGoOnWhereThatWouldSpendTooMuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := &capLists{Store: w.store}
	l, d := w.ledger(t, atPrices, func(c *cohort.Config) { c.Store = store }), w.desk()
	l.Age(time.Hour)
	m := submitCapped(t, l, 6, usd(0.0095))
	first, firstLease := told(t, w, d, 10, "")
	until(t, "it is held", func() bool { return summary(t, l, m.ID).Held })
	if err := errors.Join(d.End(t.Context(), first, took(4, "")), firstLease.Done(t.Context())); err != nil {
		t.Fatal(err)
	}
	eventually(t, l, m.ID, [5]int{5, 0, 1, 0, 0})
	lookedAt(t, store)
	if s := summary(t, l, m.ID); !s.Held {
		t.Errorf("it went on with %v of %v spent", *s.Cost.USD, *s.CapUSD)
	}
}

func TestAServerForWhichItIsSpentHoldsItForAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dear, d := w.ledger(t, atPrices), w.desk()
	m := submitCapped(t, dear, 3, usd(0.005))
	if err := w.end(t, d, took(10, "")); err != nil {
		t.Fatal(err)
	}
	until(t, "it is held", func() bool { return summary(t, dear, m.ID).Held })
	dear.Close()
	store := &capLists{Store: w.store}
	cheap := w.ledger(t, func(c *cohort.Config) { c.PricePerHour, c.Store = 0.36, store })
	cheap.Age(time.Hour)
	lookedAt(t, store)
	if !summary(t, cheap, m.ID).Held {
		t.Error("a server with lower prices lets it go on")
	}
}
