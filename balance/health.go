package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"bcc/fault"
)

// What a server says of itself when it is asked whether it is ready, as bcc serve does:
// how many requests it has in hand, from all who ask it, and how long in seconds its
// small predictions took of late. Several balancers in front of the same servers learn
// of each other by it (Wydrowski et al. 2024, "Load is not what you should balance").
const (
	loadHeader    = "Bcc-In-Flight"
	latencyHeader = "Bcc-Latency"
)

// errSilent is that of a member that answers nothing any more.
var errSilent = errors.New("the server fell silent")

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
	m.back = s == ready && m.state != joining // who joins gets its share at once
	m.state, m.since, m.why = s, time.Now(), why
}

func (m *member) hold(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.held = on; {
	case on && m.state == draining:
		m.why = "held"
	case on:
		m.become(draining, "held")
	case m.state == draining:
		m.why = "released; it has not said yet that it is ready"
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
	begun := time.Now()
	is, err := p.probe(ctx, m)
	if ctx.Err() != nil {
		return
	}
	now := time.Now()
	status := is.status
	m.mu.Lock()
	before := m.state
	if err == nil {
		p.heard(m, is, now, now.Sub(begun).Seconds())
	}
	switch {
	case err == nil && status < 300 && !m.held:
		if m.state != ready {
			m.inARow = 0
			m.pace, m.latency = 0, 0 // what was known is of another time
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
	case err != nil && m.state == draining: // as it said it would
		m.why = "does not answer any more: " + err.Error()
		if m.held {
			m.why = "held; it " + m.why
		}
	case err != nil:
		m.trouble(p.cfg, now, err)
	}
	after, why := m.state, m.why
	never := after == joining && m.failed == 1
	m.mu.Unlock()
	if never {
		p.log.Warn("a server that joins does not answer yet", "server", m.name, "why", why)
	}
	if after == before {
		return
	}
	words := []any{"server", m.name, "was", before.String()}
	if why != "" {
		words = append(words, "why", why)
	}
	p.log.Info("a server is "+after.String(), words...)
	switch after {
	case ejected:
		m.giveUp()
		m.http.CloseIdleConnections()
	case draining: // what lies idle would be closed by the server, in the moment in which something is sent
		m.http.CloseIdleConnections()
	}
	p.recount()
}

// heard notes what a probe brought. The caller holds m.mu.
func (p *pool) heard(m *member, is word, now time.Time, took float64) {
	if is.load >= 0 {
		m.others, m.told = max(is.load-is.ours, 0), now
	}
	// A machine that has no time for a probe has none for requests; one that has may
	// still be slow at those, so a probe alone makes nobody quicker.
	if ratio := p.usual.ratio(probing, took, true); m.pace > 0 && ratio > slow*m.pace {
		m.learned = now // this one weighs little, however long nothing was asked
		m.learn(now, ratio, m.latency)
	}
	if is.latency > 0 {
		ratio := p.usual.ratio(reported, is.latency, true)
		if now.Sub(m.learned) > memory { // nothing newer is known here
			m.learn(now, ratio, is.latency)
		}
	}
}

// word is what a probe brings.
type word struct {
	status  int
	load    int     // requests in hand; -1: it does not say
	ours    int     // and how many of them were from here
	latency float64 // s; 0: it does not say
}

func (p *pool) probe(ctx context.Context, m *member) (word, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ProbeTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url.JoinPath("readyz").String(), nil)
	if err != nil {
		return word{}, err
	}
	r.Header.Set("User-Agent", "bcc-balance")
	answer, err := m.http.RoundTrip(r)
	if err != nil {
		return word{}, err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	is := word{status: answer.StatusCode, load: -1}
	if n, err := strconv.Atoi(answer.Header.Get(loadHeader)); err == nil && n >= 0 {
		is.load = n
	}
	if s, err := strconv.ParseFloat(answer.Header.Get(latencyHeader), 64); err == nil && s > 0 && s < 1e6 {
		is.latency = s
	}
	m.mu.Lock()
	is.ours = m.inFlight
	m.mu.Unlock()
	if answer.StatusCode >= 500 && answer.StatusCode != http.StatusServiceUnavailable {
		return word{}, fault.New(fault.Unavailable, "its /readyz says %d", answer.StatusCode)
	}
	return is, nil
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
		p.log.Warn("a server is ejected", "server", m.name, "why", err)
		m.http.CloseIdleConnections()
		p.recount()
	}
}
