package balance

import (
	"math"
	"net/http"
	"slices"
	"sync"
	"time"
)

// hedged sends a request to a member, and a read that takes longer than nearly all did
// to a second one, too: whose answer begins first is taken, and the other one is left
// (Dean and Barroso 2013, "The tail at scale").
func (b *Balancer) hedged(r *http.Request, m *member, not []*member, body *kept, of kind) *attempt {
	first := b.attempt(r, m, body, of)
	if body != nil || lasting(r) || r.Method != http.MethodGet && r.Method != http.MethodHead {
		first.run(b)
		return first
	}
	begun := time.Now()
	after := b.reads.quantile(1 - b.cfg.HedgeShare/2) // half of the share is for when many take long
	best := first
	if after == 0 || b.cfg.HedgeShare == 0 {
		first.run(b)
	} else {
		b.hedges.earn()
		best = b.race(first, max(after, leastHedge), func() *attempt {
			second := b.pool.pick(time.Now(), append(slices.Clone(not), m))
			if second == nil || !b.hedges.spend() {
				return nil
			}
			b.metrics.hedged()
			return b.attempt(r, second, nil, of)
		})
	}
	if best.good() {
		b.reads.note(time.Since(begun))
	}
	return best
}

// race runs an attempt, and after a time a second one. It returns the first good one,
// or the last, and leaves the other.
func (b *Balancer) race(first *attempt, after time.Duration, another func() *attempt) *attempt {
	over := make(chan *attempt, 2)
	run := func(a *attempt) { a.run(b); over <- a }
	go run(first)
	running := []*attempt{first}
	timer := time.NewTimer(after)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			if second := another(); second != nil {
				running = append(running, second)
				go run(second)
			}
		case a := <-over:
			running = slices.DeleteFunc(running, func(other *attempt) bool { return other == a })
			switch {
			case len(running) == 0:
				return a
			case a.good():
				running[0].cancel()
				go func() { (<-over).close() }()
				return a
			}
			a.close() // the other one may do better
		}
	}
}

// leastHedge is how long any read may take.
const leastHedge = 10 * time.Millisecond

// latencies is how long reads took of late, in buckets that grow by a fifth.
type latencies struct {
	mu      sync.Mutex
	buckets [96]float64
	sum     float64
}

const (
	firstBucket = 50e-6 // s
	growth      = 1.2
	leastReads  = 50   // of fewer nothing is said
	readsForget = 2000 // after so many, older ones count by half
)

func (l *latencies) note(d time.Duration) {
	i := int(math.Log(max(d.Seconds()/firstBucket, 1)) / math.Log(growth))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buckets[min(i, len(l.buckets)-1)]++
	if l.sum++; l.sum > readsForget {
		l.sum = 0
		for i := range l.buckets {
			l.buckets[i] /= 2
			l.sum += l.buckets[i]
		}
	}
}

// quantile returns 0 where too little is known.
func (l *latencies) quantile(q float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sum < leastReads {
		return 0
	}
	below := 0.0
	for i, n := range l.buckets {
		if below += n; below >= q*l.sum {
			return time.Duration(firstBucket * math.Pow(growth, float64(i+1)) * float64(time.Second))
		}
	}
	return 0
}
