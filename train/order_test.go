package train

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func TestSumsRunInOrderWhateverComesFirst(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		const n, sums = 9, 3
		o := newOrder(sums, n)
		var got [sums][]int
		var wg sync.WaitGroup
		for _, k := range rand.New(rand.NewPCG(seed, 0)).Perm(n) {
			wg.Go(func() {
				for i := range sums {
					o.add(i, k, func() { got[i] = append(got[i], k) })
				}
				if err := o.wait(t.Context(), k); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i := range sums {
			if err := o.whole(t.Context(), i); err != nil || !slices.IsSorted(got[i]) || len(got[i]) != n {
				t.Fatalf("sum %d ran in the order %v (%v)", i, got[i], err)
			}
		}
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := newOrder(1, 2)
	o.add(0, 1, func() { t.Error("the second came before the first") })
	if o.wait(ctx, 1) == nil || o.whole(ctx, 0) == nil {
		t.Error("it waits no more and says nothing")
	}
}
