package balance

import (
	"time"
)

// Member is what is known of a server, for people.
type Member struct {
	Server   string    `json:"server"` // host and port
	URL      string    `json:"url"`
	State    string    `json:"state"` // joining, ready, draining, ejected or gone
	Since    time.Time `json:"since"`
	Why      string    `json:"why,omitempty"`    // of its last trouble
	Held     bool      `json:"held"`             // by Hold
	InFlight int       `json:"in_flight"`        // from here
	Others   int       `json:"in_flight_others"` // from others, by its own word
	Streams  int       `json:"streams"`          // events and WebSockets from here
	LatencyS float64   `json:"latency_s"`        // until its answers begin, of late; 0: not known
	Pace     float64   `json:"pace"`             // how many times as long as usual that is, for what it is asked; 0: not known
	Slow     bool      `json:"slow"`             // asked only now and then, for others are far quicker
	Requests int64     `json:"requests"`
	Failures int64     `json:"failures"`
}

// Members returns all in the order of their addresses, and then those that are gone
// but for what they have in hand.
func (b *Balancer) Members() []Member {
	now := time.Now()
	views := b.pool.views(now)
	_, rest := bySpeed(among(views, ready))
	for _, m := range b.pool.leaving() { // metrics have their name once, so not theirs
		views = append(views, m.view(now, &b.cfg))
	}
	out := make([]Member, 0, len(views))
	for _, v := range views {
		m := v.member
		m.mu.Lock()
		one := Member{
			Server: m.name, URL: m.url.String(), State: m.state.String(), Since: m.since.UTC(), Why: m.why, Held: m.held,
			InFlight: m.inFlight, Others: v.load - v.mine, Streams: m.streams, LatencyS: m.latency, Pace: v.pace, Requests: m.asked, Failures: m.failed,
		}
		m.mu.Unlock()
		for _, r := range rest {
			one.Slow = one.Slow || r.member == m
		}
		out = append(out, one)
	}
	return out
}

// Hold makes a member take nothing new (on), or take part again; ok is false where
// there is none of that address.
func (b *Balancer) Hold(server string, on bool) (ok bool) { return b.pool.hold(server, on) }

func (t *turns) queued() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}

// Waiting returns how many requests wait for their turn.
func (b *Balancer) Waiting() int { return b.turns.queued() }
