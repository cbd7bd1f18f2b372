package cohort

import (
	"math"
	"testing"
	"time"

	"bcc/queue"
)

// quiet returns a ledger without a store, with a rate of 100 patches a second
// measured over five minutes.
func quiet(now time.Time) *Ledger {
	l := &Ledger{open: map[string]*book{}, workers: map[string]WorkerState{}}
	for i := range 300 {
		at := now.Add(time.Duration(i-300) * time.Second)
		l.meter.tick(at, true)
		l.meter.scored(at, 100)
	}
	l.meter.tick(now, false)
	return l
}

func (l *Ledger) with(lane queue.Lane, submitted time.Time, planned ...int) *book {
	b := newBook(Manifest{ID: NewID(), Priority: lane, Submitted: submitted, Slides: make([]Slide, len(planned))})
	for i, p := range planned {
		if p >= 0 {
			b.set(i, line{state: Running, planned: p})
		}
	}
	b.seen, b.price = submitted, l.price
	l.open[b.ID] = b
	return b
}

func TestTheRateIsThatOfWorkAndNotOfIdleTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	l := quiet(now)
	for _, later := range []time.Duration{0, time.Hour, 24 * time.Hour} {
		l.meter.tick(now.Add(later), false)
		if r, sure := l.meter.rate(); math.Abs(r-100) > 2 || sure.over(600) > 0.1 {
			t.Errorf("after %v: %.1f patches a second ± %.2f, want 100", later, r, sure.over(600))
		}
	}
	if r, _ := (&meter{}).rate(); r != 0 {
		t.Errorf("%v patches a second where nothing was measured", r)
	}
}

func TestTheForecastCountsWhatGoesFirst(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	l := quiet(now)
	first := l.with(queue.Routine, now.Add(-2*time.Minute), 1000, 1000, 1000, 1000, -1)
	second := l.with(queue.Routine, now.Add(-time.Minute), 2000)
	urgent := l.with(queue.Urgent, now, 500)
	for name, c := range map[string]struct {
		b    *book
		want float64 // patches before its end
	}{"first": {first, 5000 + 500}, "second": {second, 5000 + 500 + 2000}, "urgent": {urgent, 500}} {
		f := l.forecast(c.b, l.outlook(now, name == "first"))
		if f == nil || math.Abs(f.RemainingS-c.want/100) > 0.05*c.want/100 || !(f.LowS < f.RemainingS && f.RemainingS < f.HighS) {
			t.Errorf("%s: %+v, want %.1f s", name, f, c.want/100)
		}
	}
}

func TestTheBacklogGuessesACohortBySlidesOfItsOwn(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	l := quiet(now)
	for range 10 {
		l.with(queue.Routine, now, 100) // small ones were seen before
	}
	l.with(queue.Routine, now, 2000, -1, -1, -1)
	l.with(queue.Routine, now, -1) // nothing is known of this one: as all others are
	load := l.Load()
	if want := 1000 + 4*2000 + (1000+2000)/11; math.Abs(float64(load.Patches-want)) > 1 {
		t.Errorf("%d patches left, want %d", load.Patches, want)
	}
}

func TestAForecastIsSurerOfWhatIsKnown(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	l := quiet(now)
	known := l.with(queue.Urgent, now, 1000, 1000, 1000, 1000)
	width := func(f *Forecast) float64 { return (f.HighS - f.LowS) / f.RemainingS }
	sure := width(l.forecast(known, l.outlook(now, true)))
	delete(l.open, known.ID)
	unknown := l.with(queue.Urgent, now, 200, 3000, -1, -1)
	if unsure := width(l.forecast(unknown, l.outlook(now, false))); unsure < 2*sure {
		t.Errorf("width %.2f of the unknown, %.2f of the known", unsure, sure)
	}
}

// What a list takes where many synchronous requests wait, each a cohort of one slide.
func BenchmarkSummaries(b *testing.B) {
	now := time.Now()
	l := quiet(now)
	for i := range 20_000 {
		l.with(queue.Routine, now.Add(time.Duration(i)*time.Millisecond), 1000)
	}
	for b.Loop() {
		if s, err := l.Summaries(b.Context(), "", true); err != nil || s[0].Forecast == nil {
			b.Fatal(err)
		}
	}
}

func TestTheCostIsThatOfTheTimeOfWorkers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	l := quiet(now)
	l.cfg.PricePerHour = 3.6 // a tenth of a cent a second
	b := l.with(queue.Routine, now, -1, -1, -1)
	b.finish(0, &End{State: Done, Patches: 100, ComputeS: 10})
	b.finish(1, &End{State: Done, Patches: 100, Cached: true})
	c := l.summary(b, l.outlook(now, false))
	if c.Cost.Patches != 100 || math.Abs(*c.Cost.USD-0.01) > 1e-9 {
		t.Errorf("cost %+v", c.Cost)
	}
	if f := c.Forecast; f.Cost.Patches != 200 || math.Abs(*f.Cost.USD-0.02) > 1e-9 {
		t.Errorf("whole cost %+v", f.Cost)
	}
}
