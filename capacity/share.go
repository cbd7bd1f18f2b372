package capacity

import (
	"math"
)

// share says how many patches the busiest of n machines walks until all slides are through.
// Machines take a shard at a time, the next one whenever they are free, so the last shards
// decide who is through last; more machines than shards are of no use.
type share struct {
	shards []float64 // patches of each, in the slides' order
	total  float64
	mean   float64
}

// newShare cuts each slide into shards of at most size patches, all as long as each other,
// as workers do.
func newShare(w Work, size float64) *share {
	s := &share{total: w.Total}
	for _, p := range w.Patches {
		k := max(math.Ceil(p/size-1e-9), 1)
		for range int(k) {
			s.shards = append(s.shards, p/k)
		}
	}
	s.mean = s.total / float64(len(s.shards))
	return s
}

// manyShards a machine: from there on the end is all that is uneven, half a shard in the
// mean (tested against counting).
const manyShards = 200

func (s *share) busiest(n int) float64 {
	if n == 1 {
		return s.total
	}
	if len(s.shards) > manyShards*n {
		return s.total/float64(n) + s.mean/2*(1-1/float64(n))
	}
	free := make(minimums, min(n, len(s.shards)))
	for _, p := range s.shards {
		free.add(p)
	}
	most := 0.0
	for _, at := range free {
		most = max(most, at)
	}
	return most
}

// minimums is a heap of what each machine has had so far.
type minimums []float64

// add gives p to the machine that has had least.
func (h minimums) add(p float64) {
	h[0] += p
	for i := 0; ; {
		next := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < len(h) && h[child] < h[next] {
				next = child
			}
		}
		if next == i {
			return
		}
		h[i], h[next] = h[next], h[i]
		i = next
	}
}
