package train

import (
	"context"
	"sync"
)

// sum is a sum that several workers add to, in whatever order they come: it is exact.
type sum struct {
	mu    sync.Mutex
	data  []float64
	left  int           // additions to come
	whole chan struct{} // closed when all have been made
}

// newSum returns a sum of n terms over data, which is zero.
func newSum(data []float64, n int) *sum {
	s := &sum{data: data, left: n, whole: make(chan struct{})}
	if n == 0 {
		close(s.whole)
	}
	return s
}

// add has one term added.
func (s *sum) add(term func(data []float64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	term(s.data)
	if s.left--; s.left == 0 {
		close(s.whole)
	}
}

// wait returns when all terms have been added.
func (s *sum) wait(ctx context.Context) error {
	select {
	case <-s.whole:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
