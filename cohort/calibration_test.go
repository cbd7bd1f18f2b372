package cohort

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"bcc/queue"
)

// fleet is a synthetic one: a rate that breathes within minutes and drifts within
// hours, slides whose sizes differ as those of COBRA do, eight of them walked at
// once.
type fleet struct {
	l    *Ledger
	b    *book
	rand *rand.Rand
	now  time.Time

	sizes        []int
	base         float64 // patches a second
	breath, tide float64 // of the rate's logarithm
	next         int     // slide to begin
	carry        float64 // of a patch
}

func newFleet(seed uint64, slides int) *fleet {
	f := &fleet{
		l:    &Ledger{open: map[string]*book{}, workers: map[string]WorkerState{}},
		rand: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), base: 500,
	}
	f.breath = 0.15 * f.rand.NormFloat64()
	f.b = newBook(Manifest{ID: NewID(), Priority: queue.Routine, Slides: make([]Slide, slides)})
	f.l.open[f.b.ID] = f.b
	for range slides {
		f.sizes = append(f.sizes, 1+int(1000*math.Exp(0.8*f.rand.NormFloat64())))
	}
	return f
}

// step lets a second go by.
func (f *fleet) step() {
	const minute, hour = 60.0, 3600.0
	f.breath += -f.breath/minute + 0.15*math.Sqrt(2/minute)*f.rand.NormFloat64()
	f.tide += -f.tide/hour + 0.05*math.Sqrt(2/hour)*f.rand.NormFloat64()
	for len(f.b.running) < 8 && f.next < len(f.sizes) {
		f.b.set(f.next, line{state: Running, planned: f.sizes[f.next]})
		f.next++
	}
	f.now = f.now.Add(time.Second)
	f.carry += f.base * math.Exp(f.breath+f.tide)
	n := int(f.carry)
	f.carry -= float64(n)
	f.l.meter.tick(f.now, true)
	f.l.meter.scored(f.now, n)
	for i := 0; i < f.next && n > 0; i++ { // the oldest first
		l := f.b.lines[i]
		if l.state != Running {
			continue
		}
		more := min(n, l.planned-l.scored)
		l.scored, n = l.scored+more, n-more
		f.b.set(i, l)
		if l.scored == l.planned {
			f.b.finish(i, &End{State: Done, Patches: l.planned})
		}
	}
}

// The interval is said to hold nine in ten ends. Over 300 cohorts and four moments
// of each, it shall hold neither clearly fewer nor nearly all.
func TestTheForecastsIntervalHoldsNineInTen(t *testing.T) {
	t.Parallel()
	const slides = 150
	type told struct {
		at   time.Time
		f    *Forecast
		part int
	}
	var held, asked [4]int
	var width float64
	for seed := range uint64(300) {
		f := newFleet(seed, slides)
		var all []told
		for !f.b.over() {
			f.step()
			if part := len(all); part < len(held) && f.b.counts.Done >= [4]int{8, 30, 75, 120}[part] {
				all = append(all, told{f.now, f.l.forecast(f.b, f.l.outlook(f.now, false)), part})
			}
		}
		for _, a := range all {
			if a.f == nil {
				continue
			}
			took := f.now.Sub(a.at).Seconds()
			asked[a.part]++
			if a.f.LowS <= took && took <= a.f.HighS {
				held[a.part]++
			}
			width += (a.f.HighS - a.f.LowS) / a.f.RemainingS / 1200
		}
	}
	var h, n int
	for part := range held {
		t.Logf("after part %d: %d of %d", part, held[part], asked[part])
		h, n = h+held[part], n+asked[part]
		if share := float64(held[part]) / float64(asked[part]); share < 0.82 {
			t.Errorf("moment %d: %.3f of the intervals hold", part, share)
		}
	}
	share := float64(h) / float64(n)
	t.Logf("%.3f of %d, mean width %.2f of what remains", share, n, width)
	if share < 0.86 || share > 0.985 {
		t.Errorf("%.3f of the intervals hold, want nine in ten", share)
	}
}
