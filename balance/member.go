package balance

import (
	"net/http"
	"net/url"
	"slices"
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
	name string // host, port and path, for people
	http *http.Transport

	mu        sync.Mutex
	state     state
	held      bool       // draining because somebody here said so
	since     time.Time  // in this state
	back      bool       // ready again, after it was not
	why       string     // of the last trouble
	inFlight  int        // requests from here that end soon
	streams   int        // events and WebSockets, which do not
	waiting   []*attempt // whose answer did not begin yet
	pace      float64    // how many times as long as usual answers take to begin, of late; 0: not known
	latency   float64    // the same in seconds, for people
	learned   time.Time
	asked     int64 // requests, ever
	failed    int64
	inARow    int       // failures
	ejections int       // since it was last well for long
	until     time.Time // when an ejected one is asked again
	others    int       // requests in flight that did not come from here, by its own word
	told      time.Time // when it said so
}

// begin notes a request.
func (m *member) begin(a *attempt) {
	m.mu.Lock()
	m.asked++
	if a.lasting {
		m.streams++
	} else {
		m.inFlight++
		m.waiting = append(m.waiting, a)
	}
	m.mu.Unlock()
}

// answers notes that an answer has begun, or that there will be none.
func (m *member) answers(a *attempt) {
	m.mu.Lock()
	if i := slices.Index(m.waiting, a); i >= 0 {
		last := len(m.waiting) - 1
		m.waiting[i], m.waiting[last] = m.waiting[last], nil
		m.waiting = m.waiting[:last]
	}
	m.mu.Unlock()
}

// end notes that its answer is over, whatever became of it.
func (m *member) end(a *attempt) {
	m.answers(a)
	m.mu.Lock()
	if a.lasting {
		m.streams--
	} else {
		m.inFlight--
	}
	m.mu.Unlock()
}

// giveUp ends what waits at a member that has fallen silent, where it may be done
// again by another one.
func (m *member) giveUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.waiting {
		if a.twice {
			a.stop(errSilent)
		}
	}
}

// view is a member at a moment.
type view struct {
	*member
	state state
	mine  int     // requests in flight from here
	load  int     // and from all who ask it
	pace  float64 // 0: not known
	share float64 // of what it would get; below 1 for who came back
}

// fresh is for how many probes a member's own word on its load holds.
const fresh = 3

func (m *member) view(now time.Time, cfg *Config) view {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := view{member: m, state: m.state, mine: m.inFlight, load: m.inFlight, pace: m.paceNow(now), share: 1}
	if now.Sub(m.told) < fresh*max(cfg.Probe, cfg.ProbeTimeout) {
		v.load += m.others
	}
	if since := now.Sub(m.since); m.back && cfg.Return > 0 && since < cfg.Return {
		v.share = 0.1 + 0.9*float64(since)/float64(cfg.Return)
	}
	return v
}

// idle reports whether nothing of ours is on its way there.
func (m *member) idle() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inFlight+m.streams == 0
}
