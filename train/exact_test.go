package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSumsComeOutTheSameInAnyOrder(t *testing.T) {
	t.Parallel()
	const n, terms = 1000, 64
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([][]float32, terms)
	for k := range all {
		all[k] = make([]float32, n)
		for i := range all[k] { // from nothing to sums in the hundreds
			all[k][i] = float32(rng.NormFloat64() * math.Exp2(-40+45*rng.Float64()))
		}
	}
	want, plain := make([]float64, n), make([]float64, n)
	for _, v := range all {
		addExact(want, v)
		for i := range v {
			plain[i] += float64(v[i])
		}
	}
	for range 20 {
		got := make([]float64, n)
		for _, k := range rng.Perm(terms) {
			addExact(got, all[k])
		}
		if !slices.Equal(got, want) {
			t.Fatal("another order gives another sum")
		}
	}
	for i := range want {
		if d := math.Abs(want[i] - plain[i]); d > terms*quantum {
			t.Fatalf("sum %v, want %v: off by %v", want[i], plain[i], d)
		}
	}
}
