package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bcc/grad"
)

// The figures come from algorithm 2 of Loshchilov and Hutter (2019), worked out in
// float64: two weights that begin at 1, the first in a matrix and with a decay of
// 0.5, the second in a bias and with none, at rate 0.1.
func TestItUpdatesAsThePaperDoes(t *testing.T) {
	t.Parallel()
	params := []grad.Param{{Name: "m", Shape: grad.Shape{1, 1}}, {Name: "b", Shape: grad.Shape{1}, Offset: 1}}
	spans := []span{{at: 1, bucket: 0, len: 1}, {at: 0, bucket: 1, len: 1}} // buckets come in another order
	a := newAdamW(params, spans, 0.5)
	w := []float32{1, 1}
	for _, g := range [][2]float64{{0.5, 0.5}, {-1, -1}, {0.25, 0.25}} {
		a.step(w, []float64{2 * g[1], 2 * g[0]}, 0.1, 0.5, 1)
	}
	if want := []float64{0.8155739025319478, 0.9502794203389762}; math.Abs(float64(w[0])-want[0]) > 1e-6 || math.Abs(float64(w[1])-want[1]) > 1e-6 {
		t.Errorf("weights %v, want %v", w, want)
	}
}

func TestItUpdatesTheSameBitsOnAnyNumberOfWorkers(t *testing.T) {
	t.Parallel()
	n := 3*chunk + 17
	rng := rand.New(rand.NewPCG(1, 1))
	g, first := make([]float64, n), make([]float32, n)
	for i := range g {
		g[i], first[i] = rng.NormFloat64(), float32(rng.NormFloat64())
	}
	update := func(workers int) []float32 {
		a := newAdamW([]grad.Param{{Shape: grad.Shape{n - 5, 1}}, {Shape: grad.Shape{5}, Offset: n - 5}}, []span{{0, 0, n - 5}, {n - 5, n - 5, 5}}, 0.1)
		w := slices.Clone(first)
		for range 3 {
			a.step(w, g, 0.01, 1, workers)
		}
		return w
	}
	if !slices.Equal(update(1), update(4)) {
		t.Error("weights differ")
	}
	if one, four := norm(g, 1), norm(g, 4); one != four || math.Abs(one/math.Sqrt(float64(n))-1) > 0.01 {
		t.Errorf("norm %v with one worker, %v with four, want about %v", one, four, math.Sqrt(float64(n)))
	}
}

func TestRunningStatisticsStartAtTheFirstBatch(t *testing.T) {
	t.Parallel()
	state := []float32{0}
	var want float64
	weight := 0.0
	for step, v := range []float64{4, 6, 8, 8, 8} {
		track(state, []float64{v}, step+1)
		want, weight = 0.9*want+v, 0.9*weight+1 // the mean, each batch weighing 0.9 of the next
		if math.Abs(float64(state[0])-want/weight) > 1e-5 {
			t.Errorf("after %d steps: %v, want %v", step+1, state[0], want/weight)
		}
	}
}
