package balance

import (
	"math"
	"math/bits"
	"net/http"
	"strings"
	"sync"
	"time"
)

// How quick members are is compared kind by kind: a tile takes a millisecond and a
// slide a minute, on whichever server. The pace of a member is how long its answers
// take to begin, divided by what those of that kind take in general: 1 is usual, 5 is
// five times as long.

// alike is how far apart latencies, in seconds, mean nothing.
const alike = 5e-3

// memory is how long ago a pace counts for a third.
const memory = 5 * time.Second

// forget is when what was learned says nothing any more: where few ask, who was slow
// once is asked again.
const forget = 2 * time.Minute

// leastWeight is what an answer counts for at least: twenty of them are as good as a
// long time.
const leastWeight = 0.05

// kind is what requests that take about as long have in common.
type kind struct {
	method, room string // first part of the path
	size         int    // of the body: in steps of eight times
}

// Kinds that no client asks for.
var (
	probing  = kind{method: "probe"} // of a member's /readyz
	reported = kind{method: "word"}  // what members say of themselves
)

func kindOf(r *http.Request) kind {
	room, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	size := -1 // not said
	if r.ContentLength >= 0 {
		size = (bits.Len64(uint64(r.ContentLength)) + 2) / 3
	}
	return kind{r.Method, room, size}
}

// usual is how long the answers of each kind take to begin, all members together.
type usual struct {
	mu   sync.Mutex
	logs map[kind]float64 // of seconds and alike
}

// mostKinds bounds them. The API has two dozen, and only what was answered well counts.
const mostKinds = 256

// usualWeight is slow, so that few answers of a slow member do not make that usual.
const usualWeight = 0.02

// ratio says how many times as long as usual an answer took, in seconds; learn counts it.
func (u *usual) ratio(k kind, s float64, learn bool) float64 {
	at := math.Log(s + alike)
	u.mu.Lock()
	defer u.mu.Unlock()
	log, known := u.logs[k]
	if !known {
		log = at
	}
	if learn {
		if u.logs == nil || !known && len(u.logs) >= mostKinds {
			u.logs = map[kind]float64{}
		}
		u.logs[k] = log + usualWeight*(at-log)
	}
	return math.Exp(at - log)
}

// time returns how long answers of a kind take, in seconds and alike; 0: not known.
func (u *usual) time(k kind) float64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	log, known := u.logs[k]
	if !known {
		return 0
	}
	return math.Exp(log)
}

// late is how many times as long as usual a request has to wait for it to tell of its
// member, where most that wait there do.
const late = 3

// fewWait says nothing: one slide may be far larger than the others.
const fewWait = 3

// took notes how many times as long as usual, and how many seconds, an answer took to
// begin.
func (m *member) took(now time.Time, ratio, s float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.learn(now, ratio, s)
	m.inARow = 0
}

// least notes that an answer would have taken longer than so long.
func (m *member) least(now time.Time, ratio, s float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ratio > m.pace {
		m.learn(now, ratio, s)
	}
}

// well notes an answer from which nothing is learned but that there was one.
func (m *member) well() {
	m.mu.Lock()
	m.inARow = 0
	m.mu.Unlock()
}

// learn is the arithmetic of took. Means are of logarithms: a single answer that took
// a hundred times as long is one answer. The caller holds mu.
func (m *member) learn(now time.Time, ratio, s float64) {
	weight := max(1-math.Exp(-float64(now.Sub(m.learned))/float64(memory)), leastWeight)
	if m.pace == 0 {
		m.pace, weight = ratio, 1
	}
	m.pace *= math.Pow(ratio/m.pace, weight)
	m.latency += weight * (s - m.latency)
	m.learned = now
}

// paceNow is the pace, and a longer one where most of what waits there has waited for
// too long already: a member that hangs answers nothing that could be learned from. The
// caller holds mu.
func (m *member) paceNow(now time.Time) float64 {
	if now.Sub(m.learned) > forget && len(m.waiting) == 0 {
		return 0
	}
	if len(m.waiting) < fewWait {
		return m.pace
	}
	over := 0
	bound := late * max(m.pace, 1)
	for _, a := range m.waiting {
		if a.usual > 0 && now.Sub(a.begun).Seconds()+alike > bound*a.usual {
			over++
		}
	}
	if 2*over > len(m.waiting) {
		return bound
	}
	return m.pace
}
