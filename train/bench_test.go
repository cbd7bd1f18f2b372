package train

import "testing"

// What a gradient of 789k parameters costs beyond computing it: to add it to the
// others' exactly, and to take the step.
func BenchmarkAddExact(b *testing.B) {
	sum, v := make([]float64, 789_000), make([]float32, 789_000)
	b.SetBytes(4 * 789_000)
	for b.Loop() {
		addExact(sum, v)
	}
}

func BenchmarkAdamW(b *testing.B) {
	const n = 789_000
	a := newAdamW(nil, []span{{0, 0, n}}, 0.1)
	a.m, a.v = make([]float32, n), make([]float32, n)
	w, g := make([]float32, n), make([]float64, n)
	for i := range g {
		g[i] = float64(i%1000) * 1e-4
	}
	for b.Loop() {
		a.step(w, g, 1e-3, 1, 1)
	}
}
