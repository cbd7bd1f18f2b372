package cohort

import (
	"math"
	"math/rand/v2"
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
	if w := fresh.weights; w.left != 0 || math.Abs(w.leftBytes) > 1e-6 || w.n != 0 {
		t.Errorf("something is left of what was cancelled: %+v", w)
	}
}

func largest(b *book) (most int64) {
	for _, s := range b.Slides {
		most = max(most, s.Bytes)
	}
	return most
}
