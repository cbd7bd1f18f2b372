package balance

import (
	"math"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// state is what a member is asked for.
type state int

const (
	joining  state = iota // was not asked yet how it is
	ready                 // takes requests
	draining              // takes no new ones: it says so, or somebody here did
	ejected               // failed too often; asked again later
	gone                  // of the source no longer; what it has in hand ends
)

var stateNames = [...]string{"joining", "ready", "draining", "ejected", "gone"}

func (s state) String() string { return stateNames[s] }

// member is a server and what is known of it.
type member struct {
	url  *url.URL
	http *http.Transport

	mu        sync.Mutex
	state     state
	held      bool      // draining because somebody here said so
	since     time.Time // in this state
	why       string    // of the last trouble
	inFlight  int
	latency   float64 // seconds until an answer begins, of late; 0: not known
	learned   time.Time
	asked     int64 // requests, ever
	failed    int64
	inARow    int       // failures
	ejections int       // since it was last well for long
	until     time.Time // when an ejected one is asked again
	theirs    int       // requests in flight by its own word, from all who ask it; -1: it does not say
	told      time.Time
}

// memory is how long ago a latency counts for a third.
const memory = 5 * time.Second

// begin notes a request.
func (m *member) begin() {
	m.mu.Lock()
	m.inFlight++
	m.asked++
	m.mu.Unlock()
}

// end notes that its answer is over, whatever became of it.
func (m *member) end() {
	m.mu.Lock()
	m.inFlight--
	m.mu.Unlock()
}

// took notes how long an answer took to begin. What is slower than what was known
// counts at once by half: a member that slows down is to be noticed soon, and one that
// became quick again has time.
func (m *member) took(now time.Time, d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := d.Seconds()
	if m.latency == 0 {
		m.latency = s
	} else {
		weight := 1 - math.Exp(-float64(now.Sub(m.learned))/float64(memory))
		m.latency += max(weight, 0.05) * (s - m.latency)
	}
	m.learned = now
	m.inARow = 0
}

// view is a member at a moment.
type view struct {
	*member
	state    state
	inFlight int
	latency  float64
	share    float64 // of what it would get; below 1 for who came back
}

func (m *member) view(now time.Time, back time.Duration) view {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := view{member: m, state: m.state, inFlight: m.inFlight, latency: m.latency, share: 1}
	if m.theirs > v.inFlight && now.Sub(m.told) < 2*time.Second {
		v.inFlight = m.theirs
	}
	if since := now.Sub(m.since); m.state == ready && back > 0 && since < back {
		v.share = 0.1 + 0.9*float64(since)/float64(back)
	}
	return v
}
