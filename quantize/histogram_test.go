package quantize

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAHistogramDoesNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		values := make([]float32, 500)
		size := math.Exp(20*rng.Float64() - 10)
		for i := range values {
			values[i] = float32(rng.NormFloat64() * size * math.Exp(3*rng.NormFloat64()))
		}
		var once, parts histogram
		once.add(values)
		for chunk := range slices.Chunk(shuffled(rng, values), 7) {
			parts.add(chunk)
		}
		if once != parts {
			t.Fatalf("values of about %g: two orders give two histograms", size)
		}
	}
}

func shuffled(rng *rand.Rand, values []float32) []float32 {
	out := slices.Clone(values)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func TestASpanHoldsItsShareOfTheValues(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	values := make([]float32, 10000)
	for i := range values {
		values[i] = float32(rng.NormFloat64())
	}
	values[17], values[18] = 1000, -500 // what a share less than 1 is for
	var h histogram
	h.add(values)
	if s := h.span(1); s.low != -500 || s.high != 1000 {
		t.Errorf("all of them: %v, want -500 to 1000", s)
	}
	slices.Sort(values)
	bin := float32(math.Ldexp(1, h.width))
	for _, keep := range []float64{0.999, 0.99, 0.9} {
		s := h.span(keep)
		gone := int((1 - keep) * 10000)
		if low, high := values[gone], values[len(values)-1-gone]; s.low > low || s.low < low-2*bin || s.high < high || s.high > high+2*bin {
			t.Errorf("%v of them: %v, want %v to %v within two bins of %v", keep, s, low, high, bin)
		}
	}
}

func TestAHistogramRefusesWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, v := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		if new(histogram).add([]float32{1, v}) {
			t.Errorf("it counts %v", v)
		}
	}
	var h histogram
	if !h.add([]float32{0, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32}) || !h.add(nil) {
		t.Error("it refuses the ends of the scale")
	}
	if s := h.span(1); s.low != -math.MaxFloat32 || s.high != math.MaxFloat32 {
		t.Errorf("span %v, want all", s)
	}
}

func TestAByteHoldsZeroAndBothEnds(t *testing.T) {
	t.Parallel()
	for _, s := range []span{{-1, 3}, {0, 6}, {2, 5}, {-4, -1}, {-1e-20, 1e10}, {0, 0}, {-3, 1e-9}, {0, 1e-38}} {
		scale, zero := s.step()
		if !(scale > 0) || math.IsInf(float64(scale), 0) {
			t.Errorf("%v: scale %v", s, scale)
			continue
		}
		back := func(v float32) float64 {
			q := math.RoundToEven(float64(v)/float64(scale)) + float64(zero)
			return float64(scale) * (max(0, min(255, q)) - float64(zero))
		}
		for _, v := range []float32{s.low, s.high, 0} {
			if d := math.Abs(back(v) - float64(v)); d > float64(scale) || v == 0 && d > 0 {
				t.Errorf("%v: %v comes back as %v", s, v, back(v))
			}
		}
	}
}
