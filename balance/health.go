package balance

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"bcc/fault"
)

// loadHeader is where a server says how many requests it has in hand, from all who ask
// it. Several balancers in front of the same servers learn of each other by it.
const loadHeader = "Bcc-In-Flight"

// to sets a state; why is kept for people.
func (m *member) to(s state, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.become(s, why)
}

// become is to for who holds mu.
func (m *member) become(s state, why string) {
	if m.state == s || m.state == gone {
		return
	}
	if s == ready && m.state == joining {
		m.since = time.Time{} // nobody came back: it gets its share at once
	} else {
		m.since = time.Now()
	}
	m.state, m.why = s, why
}

func (m *member) hold(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held = on; on {
		m.become(draining, "held")
	}
}

// watch asks a member how it is, again and again.
func (p *pool) watch(ctx context.Context, m *member) {
	for {
		p.look(ctx, m)
		wait := p.cfg.Probe
		m.mu.Lock()
		if m.state == joining { // who comes up is wanted soon
			wait = min(wait, 250*time.Millisecond)
		}
		m.mu.Unlock()
		// Not all balancers at the same moment.
		t := time.NewTimer(time.Duration((0.9 + 0.2*rand.Float64()) * float64(wait)))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// look asks a member once.
func (p *pool) look(ctx context.Context, m *member) {
	m.mu.Lock()
	out := m.state == ejected && time.Now().Before(m.until)
	m.mu.Unlock()
	if out {
		return
	}
	status, load, err := p.probe(ctx, m)
	if ctx.Err() != nil {
		return
	}
	now := time.Now()
	m.mu.Lock()
	before := m.state
	m.theirs, m.told = load, now
	switch {
	case err == nil && status < 300 && !m.held:
		if m.state != ready {
			m.inARow = 0
			m.latency = 0 // what was known is of another time
		}
		m.become(ready, "")
		if now.Sub(m.since) > 10*p.cfg.Ejection {
			m.ejections = 0
		}
	case err == nil && m.state != ejected:
		why := fmt.Sprintf("its /readyz says %d", status)
		if m.held {
			why = "held"
		}
		m.become(draining, why)
	case err != nil && m.state != draining:
		m.trouble(p.cfg, now, err)
	}
	after, why := m.state, m.why
	m.mu.Unlock()
	if after != before {
		p.log.Info("a server is "+after.String(), "server", m.url.Host, "was", before.String(), "why", why)
	}
}

func (p *pool) probe(ctx context.Context, m *member) (status, load int, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ProbeTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url.JoinPath("readyz").String(), nil)
	if err != nil {
		return 0, -1, err
	}
	r.Header.Set("User-Agent", "bcc-balance")
	answer, err := m.http.RoundTrip(r)
	if err != nil {
		return 0, -1, err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	if load, err = strconv.Atoi(answer.Header.Get(loadHeader)); err != nil {
		load = -1
	}
	if answer.StatusCode >= 500 && answer.StatusCode != http.StatusServiceUnavailable {
		return 0, load, fault.New(fault.Unavailable, "its /readyz says %d", answer.StatusCode)
	}
	return answer.StatusCode, load, nil
}

// trouble notes that a member did not answer, and ejects it when that was too often in
// a row. The caller holds mu.
func (m *member) trouble(cfg *Config, now time.Time, err error) {
	m.failed++
	m.inARow++
	m.why = err.Error()
	if m.inARow < cfg.Failures && m.state != ejected && m.state != joining {
		return
	}
	if m.state == joining { // not up yet: asked again soon, by everybody's last choice
		return
	}
	wait := cfg.Ejection << min(m.ejections, 4)
	m.ejections++
	m.inARow = 0
	m.until = now.Add(wait)
	m.state, m.since = ejected, now
}

// failedOn notes that a request came to nothing at a member.
func (p *pool) failedOn(m *member, err error) {
	m.mu.Lock()
	before := m.state
	m.trouble(p.cfg, time.Now(), err)
	after := m.state
	m.mu.Unlock()
	if after != before {
		p.log.Warn("a server is ejected", "server", m.url.Host, "why", err)
	}
}
