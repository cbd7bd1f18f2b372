package train

import (
	"context"
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

// sender keeps what it is given; receiver adds it: together a world of two ranks.
type sender struct {
	Alone
	sent []float32
}

func (*sender) Size() int { return 2 }

func (s *sender) AllReduce(_ context.Context, data []float32) error {
	s.sent = slices.Clone(data)
	return nil
}

type receiver struct {
	Alone
	other []float32
}

func (*receiver) Size() int { return 2 }

func (r *receiver) AllReduce(_ context.Context, data []float32) error {
	for i := range data {
		data[i] += r.other[i]
	}
	return nil
}

func TestSumsOfRanksAreExact(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	const n = 1000
	one, two := make([]float64, n), make([]float64, n)
	terms := func(sum []float64) {
		for range 8 {
			v := make([]float32, n)
			for i := range v {
				v[i] = float32(rng.NormFloat64() * math.Exp2(-40+47*rng.Float64()))
			}
			addExact(sum, v)
		}
	}
	terms(one)
	terms(two)
	want := slices.Clone(one)
	for i := range want {
		want[i] += two[i]
	}
	w := &sender{}
	if _, err := allReduceExact(t.Context(), w, two, nil); err != nil {
		t.Fatal(err)
	}
	r := &receiver{other: w.sent}
	if _, err := allReduceExact(t.Context(), r, one, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(one, want) {
		t.Error("the sum of two ranks is not that of their terms")
	}
	bad := []float64{math.NaN(), math.Inf(1), 1e9}
	if _, err := allReduceExact(t.Context(), &receiver{other: make([]float32, 9)}, bad, nil); err != nil || bad[0] == bad[0] || bad[1]-bad[1] == 0 || bad[2] != 1e9 {
		t.Errorf("no number, infinity, 1e9 arrive as %v (%v)", bad, err)
	}
}
