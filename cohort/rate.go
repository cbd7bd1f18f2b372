package cohort

import (
	"math"
	"time"
)

// The rate is measured over rateBuckets × rateBucket, the last in which anything ran.
const (
	rateBucket  = 10 * time.Second
	rateBuckets = 30
	rateLeast   = time.Second // of busy time, below which nothing is said
)

// meter measures patches per second of busy time: an hour without work does not
// make the fleet slow. The ledger's lock guards it.
type meter struct {
	buckets [rateBuckets]bucket
	last    time.Time
	busy    bool // since last
}

type bucket struct {
	number  int64 // which rateBucket since 1970
	patches int
	busy    time.Duration
}

// at returns the bucket of now.
func (m *meter) at(now time.Time) *bucket {
	number := now.UnixNano() / int64(rateBucket)
	b := &m.buckets[number%rateBuckets]
	if b.number != number {
		*b = bucket{number: number}
	}
	return b
}

// tick says whether anything runs from now on.
func (m *meter) tick(now time.Time, busy bool) {
	if m.busy && now.After(m.last) {
		m.at(now).busy += min(now.Sub(m.last), rateBucket)
	}
	m.last, m.busy = now, busy
}

// scored says that so many more patches are through.
func (m *meter) scored(now time.Time, patches int) {
	m.tick(now, m.busy)
	m.at(now).patches += patches
}

// rate returns patches per second, 0 where nothing was measured yet, and how far
// off it may be: the standard error over the rate, from the buckets' own rates.
func (m *meter) rate() (perS, off float64) {
	var patches int
	var busy time.Duration
	var n, sum, squares float64
	for _, b := range m.buckets {
		patches += b.patches
		busy += b.busy
		if b.busy >= rateBucket/2 {
			r := float64(b.patches) / b.busy.Seconds()
			n, sum, squares = n+1, sum+r, squares+r*r
		}
	}
	if busy < rateLeast || patches == 0 {
		return 0, 0
	}
	perS, off = float64(patches)/busy.Seconds(), rateUnsure
	if n >= 3 {
		mean := sum / n
		spread := math.Sqrt(max(squares/n-mean*mean, 0) * n / (n - 1))
		off = max(spread/mean/math.Sqrt(n), rateFloor)
	}
	return perS, off
}

// What is assumed of a rate from less than three buckets, and of any: neighbours on
// a shared machine come and go within hours.
const (
	rateUnsure = 0.3
	rateFloor  = 0.05
)
