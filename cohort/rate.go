package cohort

import (
	"cmp"
	"math"
	"slices"
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

	// Until the first patches of a stretch of work come in, slides are fetched, opened
	// and surveyed: a second or more that does not come again. What was counted up to
	// then counts only where the stretch is short: of a slide alone it is a part.
	cold  bool
	start bucket        // up to the first patches, them included
	warm  time.Duration // after them
}

// coldLeast is how long a stretch of work has to go on for its beginning not to count.
const coldLeast = 5 * time.Second

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
		took := min(now.Sub(m.last), rateBucket)
		if m.cold {
			m.start.busy += took
		} else {
			m.at(now).busy += took
			m.warm += took
		}
	}
	switch {
	case busy && !m.busy:
		m.cold, m.start, m.warm = true, bucket{}, 0
	case m.busy && !busy && m.warm < coldLeast:
		b := m.at(now)
		b.busy += m.start.busy
		b.patches += m.start.patches
		m.start = bucket{}
	}
	m.last, m.busy = now, busy
}

// scored says that so many more patches are through.
func (m *meter) scored(now time.Time, patches int) {
	m.tick(now, m.busy)
	if m.busy && m.cold {
		m.cold, m.start.patches = false, patches
		return
	}
	m.at(now).patches += patches
}

// rate returns patches per second, 0 where nothing was measured yet, and how sure
// that is.
func (m *meter) rate() (perS float64, sure precision) {
	var patches int
	var busy time.Duration
	var full []bucket
	for _, b := range m.buckets {
		patches += b.patches
		busy += b.busy
		if b.busy >= rateBucket/2 {
			full = append(full, b)
		}
	}
	if busy < rateLeast || patches == 0 {
		return 0, precision{}
	}
	perS = float64(patches) / busy.Seconds()
	if len(full) < 3 {
		return perS, precision{}
	}
	slices.SortFunc(full, func(a, b bucket) int { return cmp.Compare(a.number, b.number) })
	return perS, precisionOf(full)
}

// precision is what buckets tell of a rate that goes on as it did. The zero value is
// that of none.
type precision struct {
	spread float64 // standard deviation of a bucket's rate over the mean of all
	n      float64 // buckets
	kin    float64 // correlation of a bucket with the next
}

func precisionOf(buckets []bucket) precision {
	n := float64(len(buckets))
	off := make([]float64, len(buckets)) // from the mean
	var mean, squares, pairs float64
	for i, b := range buckets {
		off[i] = float64(b.patches) / b.busy.Seconds()
		mean += off[i] / n
	}
	for i := range off {
		off[i] -= mean
		squares += off[i] * off[i]
		if i > 0 {
			pairs += off[i] * off[i-1]
		}
	}
	if squares == 0 {
		return precision{n: n}
	}
	kin := pairs / squares
	kin += (1 + 4*kin) / n // Kendall 1954: from few, it comes out too small
	p := precision{n: n, kin: min(max(kin, 0), 0.95)}
	// So does the spread, where neighbours are alike.
	p.spread = math.Sqrt(squares/n/max(1-1/p.alone(n), 0.1)) / mean
	return p
}

// alone returns how many buckets that knew nothing of each other would tell as much
// as n of these, at least one.
func (p precision) alone(n float64) float64 {
	return max(n*(1-p.kin)/(1+p.kin), min(n, 1))
}

// over returns the standard deviation of the mean rate of so much time to come, over
// the rate: what was measured was one stretch of time, and that will be another.
func (p precision) over(seconds float64) float64 {
	if p.n == 0 {
		return rateUnsure
	}
	ahead := max(seconds/rateBucket.Seconds(), 1)
	known := p.alone(p.n)
	off := p.spread * math.Sqrt(1/known+1/p.alone(ahead)) * student(known)
	return math.Hypot(off, rateFloor)
}

// What is assumed of a rate from less than three buckets, and of any: neighbours on
// a shared machine come and go within hours.
const (
	rateUnsure = 0.3
	rateFloor  = 0.05
)
