package cohort

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bcc/queue"
)

// weighed returns a book of slides spread as COBRA's, with files of their bytes, of
// which the first so many have been looked at, and how many patches the others have.
func weighed(rng *rand.Rand, slides, known int, perPatch func() float64) (b *book, rest float64) {
	m := Manifest{ID: NewID(), Priority: queue.Routine, Slides: make([]Slide, slides)}
	patches := make([]int, slides)
	for i := range patches {
		patches[i] = 1 + int(1000*math.Exp(0.7*rng.NormFloat64()))
		m.Slides[i].Bytes = int64(float64(patches[i]) * perPatch())
	}
	b = newBook(m)
	for i, p := range patches {
		if i < known {
			b.finish(i, &End{State: Done, Patches: p})
		} else {
			rest += float64(p)
		}
	}
	return b, rest
}

func TestTheBytesOfFilesTellHowMuchIsLeft(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	none := tally{}
	var off, plainOff, held float64
	const rounds = 400
	for range rounds {
		b, rest := weighed(rng, 200, 20, func() float64 { return 25e3 * math.Exp(0.2*rng.NormFloat64()) })
		guess, deviation := b.remaining(&none)
		mean, _, _ := b.perSlide()
		off += math.Pow(guess/rest-1, 2) / rounds
		plainOff += math.Pow(mean*180/rest-1, 2) / rounds
		if math.Abs(guess-rest) <= nineInTen*deviation {
			held += 1.0 / rounds
		}
	}
	if off, plain := math.Sqrt(off), math.Sqrt(plainOff); off > 0.07 || off > plain/2 {
		t.Errorf("off by %.3f with bytes and %.3f without, want half", off, plain)
	}
	if held < 0.85 || held > 0.99 {
		t.Errorf("%.3f of the intervals hold, want nine in ten", held)
	}
}

func TestBytesThatSayNothingAreLeftAside(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 1))
	none := tally{}
	var held float64
	const rounds = 300
	for range rounds {
		b, rest := weighed(rng, 200, 20, func() float64 { return 25e3 * math.Exp(2*rng.NormFloat64()) })
		guess, deviation := b.remaining(&none)
		if math.Abs(guess-rest) <= nineInTen*deviation {
			held += 1.0 / rounds
		}
	}
	if held < 0.8 {
		t.Errorf("%.3f of the intervals hold, want nine in ten", held)
	}
}

func TestWhatIsKnownOfOthersTellOfACohortThatWasNotBegun(t *testing.T) {
	t.Parallel()
	l := quiet(time.Now())
	rng := rand.New(rand.NewPCG(3, 1))
	known, _ := weighed(rng, 50, 50, func() float64 { return 25e3 })
	l.open[known.ID] = known
	fresh, rest := weighed(rng, 50, 0, func() float64 { return 25e3 })
	l.open[fresh.ID] = fresh
	if load := l.Load(); math.Abs(float64(load.Patches)/rest-1) > 0.01 {
		t.Errorf("%d patches left, want %.0f", load.Patches, rest)
	}
	if d := l.Demands(); math.Abs(d[0].Patches/rest-1) > 0.01 || d[0].Largest < 0.99*float64(largest(fresh))/25e3 {
		t.Errorf("%+v, want %.0f", d, rest)
	}
	fresh.cancel(nil)
	if w := fresh.weights; w.left != (unsized{}) || math.Abs(w.leftBytes) > 1e-6 || w.n != 0 {
		t.Errorf("something is left of what was cancelled: %+v", w)
	}
}

func largest(b *book) (most int64) {
	for _, s := range b.Slides {
		most = max(most, s.Bytes)
	}
	return most
}

func TestWhatIsKnownOfOthersTellsOfDenserPatches(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		overlap float64
		patchUM float64 // of the model
		times   float64 // as many patches
	}{"as the others": {0, 0, 1}, "half of a patch": {0.5, 0, 4}, "most of it": {0.75, 0, 16}, "smaller ones": {0.5, 56, 16}, "larger ones": {0, 224, 0.25}} {
		for kind, perPatch := range map[string]float64{"bytes": 25e3, "no bytes": 0} {
			l := quiet(time.Now())
			known, _ := weighed(rand.New(rand.NewPCG(4, 1)), 30, 30, func() float64 { return perPatch })
			l.open[known.ID] = known
			fresh := denser(known.Manifest, c.overlap, c.patchUM)
			l.open[fresh.ID] = fresh
			want := c.times * float64(known.patches.Done)
			if load := l.Load(); math.Abs(float64(load.Patches)/want-1) > 0.01 {
				t.Errorf("%s, %s: %d patches left, want %.0f", name, kind, load.Patches, want)
			}
			d := l.Demands()[0]
			if math.Abs(d.Patches/want-1) > 0.01 || d.Largest < c.times*float64(known.patches.Done)/31 {
				t.Errorf("%s, %s: %+v, want %.0f", name, kind, d, want)
			}
			if mean, _, n := l.all().perSlide(); n != 30 || math.Abs(mean*30/float64(known.patches.Done)-1) > 1e-9 {
				t.Errorf("%s, %s: a slide has %.1f usual patches", name, kind, mean)
			}

			// Its own slides say the same of it as those of others did.
			fresh.finish(0, &End{State: Done, Patches: int(c.times * 1000)})
			if mean, _, _ := fresh.perSlide(); math.Abs(mean-1000) > 1e-6 {
				t.Errorf("%s, %s: a slide of its own has %.1f usual patches, want 1000", name, kind, mean)
			}
		}
	}
}

// denser returns a cohort of the same slides, not begun, looked at otherwise.
func denser(m Manifest, overlap, patchUM float64) *book {
	m.ID, m.PatchUM, m.Slides = NewID(), patchUM, slices.Clone(m.Slides)
	for i := range m.Slides {
		m.Slides[i].Parameters.Overlap = &overlap
	}
	return newBook(m)
}

func TestTheDensityOfACohortThatIsOverIsRemembered(t *testing.T) {
	t.Parallel()
	half := 0.5
	b := newBook(Manifest{ID: NewID(), Slides: []Slide{{Parameters: Parameters{Overlap: &half}}, {Parameters: Parameters{Overlap: &half}}}})
	b.finish(0, &End{State: Done, Patches: 4000})
	b.finish(1, &End{State: Failed})
	c := closed{Summary: Summary{Counts: b.counts, Patches: b.patches}, Usual: b.sum}
	if of := c.tally(); of.sized != 1 || of.sum != 1000 {
		t.Errorf("%d slides of %.0f usual patches, want 1 of 1000", of.sized, of.sum)
	}
	c.Usual = 0 // written before this was
	if of := c.tally(); of.sum != 4000 {
		t.Errorf("%.0f patches of an older summary, want 4000", of.sum)
	}
}

func TestNothingIsLeftOfSlidesThatAreThrough(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 1))
	m := Manifest{ID: NewID(), Priority: queue.Routine, Slides: make([]Slide, 300)}
	for i := range m.Slides {
		overlap := 0.75 * rng.Float64()
		m.Slides[i] = Slide{Bytes: rng.Int64N(1e9), Parameters: Parameters{Overlap: &overlap}}
	}
	b := newBook(m)
	for _, i := range rng.Perm(300) {
		b.finish(i, &End{State: Done, Patches: 10 + rng.IntN(1000)})
	}
	if patches, deviation := b.remaining(&tally{}); patches != 0 || deviation != 0 {
		t.Errorf("%v ± %v patches are left of nothing", patches, deviation)
	}
}
