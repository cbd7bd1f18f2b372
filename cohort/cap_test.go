package cohort_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"bcc/cohort"
	"bcc/fault"
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
	m := submitCapped(t, l, 5, usd(0.025))
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
	if !s.Held || *s.CapUSD != 0.025 || math.Abs(*s.Cost.USD-0.045) > 1e-9 || s.Forecast != nil || !strings.Contains(strings.Join(s.Degraded, ";"), "$0.045 of the cap of $0.025 is spent, 2 slides wait; raise it (bcc cap "+m.ID) {
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
