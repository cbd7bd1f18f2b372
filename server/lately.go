package server

import (
	"slices"
	"sync"
	"time"
)

// lately is how long the last pictures took, for balancers that choose between servers.
type lately struct {
	mu   sync.Mutex
	took [32]struct {
		at time.Time
		s  float64
	}
	next int
}

// latelySpan is how old what counts may be.
const latelySpan = 10 * time.Second

func (l *lately) note(now time.Time, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took[l.next].at, l.took[l.next].s = now, took.Seconds()
	l.next = (l.next + 1) % len(l.took)
}

// median returns the median in seconds; 0 where nothing was looked at lately.
func (l *lately) median(now time.Time) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []float64
	for _, t := range l.took {
		if now.Sub(t.at) < latelySpan {
			all = append(all, t.s)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}
