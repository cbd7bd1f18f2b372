package train

import (
	"math"
	"sync"

	"bcc/grad"
)

// adamW is the optimiser of Loshchilov and Hutter (2019): Adam with weight decay
// that does not pass through the moments. Elements do not meet, so ranges can be
// updated at once and the result is the same to the bit.
type adamW struct {
	beta1, beta2, epsilon float32
	decay                 []float32 // of each span
	spans                 []span
	m, v                  []float32 // moments, as Program.Params
	steps                 int       // taken so far
}

// span is one parameter: where it lies in the flat slice and where its gradient
// lies in the buckets.
type span struct{ at, bucket, len int }

// The usual constants of Adam (Kingma and Ba 2015).
const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

// newAdamW returns an optimiser at its first step. Biases and norms, which have
// one dimension, do not decay: they scale nothing that could grow without bound.
func newAdamW(params []grad.Param, spans []span, decay float64) *adamW {
	a := &adamW{beta1: beta1, beta2: beta2, epsilon: epsilon, spans: spans}
	n := size(params)
	a.m, a.v = make([]float32, n), make([]float32, n)
	dims := map[int]int{}
	for _, p := range params {
		dims[p.Offset] = len(p.Shape)
	}
	for _, s := range spans {
		d := float32(0)
		if dims[s.at] > 1 {
			d = float32(decay)
		}
		a.decay = append(a.decay, d)
	}
	return a
}

// step updates the weights by the gradient, which lies in buckets and is first
// multiplied by scale.
func (a *adamW) step(weights []float32, gradient []float64, rate, scale float32, workers int) {
	a.steps++
	// corrections of moments that began at zero
	c1 := float32(1 / (1 - math.Pow(float64(a.beta1), float64(a.steps))))
	c2 := float32(1 / (1 - math.Pow(float64(a.beta2), float64(a.steps))))
	ranges(len(a.spans), a.weigh(), workers, func(i, lo, hi int) {
		s := a.spans[i]
		w, m, v := weights[s.at+lo:s.at+hi], a.m[s.at+lo:s.at+hi], a.v[s.at+lo:s.at+hi]
		g := gradient[s.bucket+lo : s.bucket+hi]
		keep := 1 - float32(rate*a.decay[i])
		for k := range w {
			// float32() around products: no fused multiply-add, the same bits on every CPU
			x := float32(float32(g[k]) * scale)
			m[k] = float32(a.beta1*m[k]) + float32((1-a.beta1)*x)
			v[k] = float32(a.beta2*v[k]) + float32((1-a.beta2)*float32(x*x))
			root := float32(math.Sqrt(float64(float32(v[k] * c2))))
			w[k] = float32(w[k]*keep) - float32(rate*float32(m[k]*c1))/(root+a.epsilon)
		}
	})
}

func (a *adamW) weigh() []int {
	n := make([]int, len(a.spans))
	for i, s := range a.spans {
		n[i] = s.len
	}
	return n
}

// chunk is how many elements are worked on at once: small enough to share the
// work evenly, large enough that taking it costs nothing.
const chunk = 1 << 16

// ranges calls f for every chunk of n lists of the given lengths, on several
// goroutines, and returns when all are done.
func ranges(n int, lengths []int, workers int, f func(list, lo, hi int)) {
	type piece struct{ list, lo, hi int }
	var pieces []piece
	for i := range n {
		for lo := 0; lo < lengths[i]; lo += chunk {
			pieces = append(pieces, piece{i, lo, min(lo+chunk, lengths[i])})
		}
	}
	workers = min(workers, len(pieces))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(pieces); i += workers {
				f(pieces[i].list, pieces[i].lo, pieces[i].hi)
			}
		})
	}
	wg.Wait()
}

// norm returns the Euclidean length of a vector: sums of chunks, added in their
// order, so that the number of workers does not show.
func norm(v []float64, workers int) float64 {
	sums := make([]float64, (len(v)+chunk-1)/chunk)
	ranges(1, []int{len(v)}, workers, func(_, lo, hi int) {
		sum := 0.0
		for _, x := range v[lo:hi] {
			sum += float64(x * x)
		}
		sums[lo/chunk] = sum
	})
	all := 0.0
	for _, s := range sums {
		all += s
	}
	return math.Sqrt(all)
}
