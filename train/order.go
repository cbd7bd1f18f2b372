package train

import (
	"context"
	"sync"
)

// order lets several workers add to the same sums so that every sum runs in the
// order of micro-batches: a micro-batch that is early leaves its addition behind,
// and the one before it does it. Nobody waits with a core in hand.
type order struct {
	sums []sum
	done []chan struct{} // of each micro-batch: all its additions are made
	mu   sync.Mutex
	left []int // additions to come, of each micro-batch
	n    int
}

// sum is the place of one sum in the order.
type sum struct {
	mu    sync.Mutex
	next  int // micro-batch to be added next
	early map[int]func()
	whole chan struct{} // closed when all are added
}

// newOrder returns an order of n micro-batches, each added to every sum.
func newOrder(sums, n int) *order {
	o := &order{sums: make([]sum, sums), done: make([]chan struct{}, n), left: make([]int, n), n: n}
	for k := range n {
		o.done[k], o.left[k] = make(chan struct{}), sums
	}
	for i := range o.sums {
		o.sums[i].early, o.sums[i].whole = map[int]func(){}, make(chan struct{})
		if n == 0 {
			close(o.sums[i].whole)
		}
	}
	return o
}

// add has f called when all earlier micro-batches have been added to sum i: now,
// or by whoever adds the one before.
func (o *order) add(i, k int, f func()) {
	p := &o.sums[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.early[k] = f
	for f := p.early[p.next]; f != nil; f = p.early[p.next] {
		f()
		delete(p.early, p.next)
		o.tick(p.next)
		if p.next++; p.next == o.n {
			close(p.whole)
		}
	}
}

func (o *order) tick(k int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.left[k]--; o.left[k] == 0 {
		close(o.done[k])
	}
}

// wait returns when micro-batch k has been added everywhere.
func (o *order) wait(ctx context.Context, k int) error { return closed(ctx, o.done[k]) }

// whole returns when sum i has every micro-batch.
func (o *order) whole(ctx context.Context, i int) error { return closed(ctx, o.sums[i].whole) }

func closed(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
