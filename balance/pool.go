package balance

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// pool is who there is.
type pool struct {
	cfg *Config
	log *slog.Logger

	mu      sync.Mutex
	members []*member // in the order of their addresses
	left    []*member // gone, with requests in hand
	rounds  sync.WaitGroup
	changed func(room int) // told how many requests all may have in hand
	usual   usual
	stops   map[*member]context.CancelFunc
}

// run follows the source until ctx ends. Each member has a goroutine of its own that
// asks it how it is.
func (p *pool) run(ctx context.Context) error {
	defer p.rounds.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return p.cfg.Source.Members(ctx, func(urls []*url.URL) {
		p.set(ctx, urls)
		p.recount()
	})
}

// recount says how many requests may be in hand: those of all that are ready, and
// where none is, of all that may be tried nevertheless.
func (p *pool) recount() {
	views := p.views(time.Now())
	n := len(among(views, ready))
	if n == 0 {
		n = len(views)
	}
	p.changed(n * p.cfg.PerMember)
}

// set makes these the members. Those that are no more are asked nothing new; what
// they have in hand ends.
func (p *pool) set(ctx context.Context, urls []*url.URL) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stops == nil {
		p.stops = map[*member]context.CancelFunc{}
	}
	var next []*member
	for _, u := range urls {
		i := slices.IndexFunc(p.members, func(m *member) bool { return m.url.String() == u.String() })
		if i >= 0 {
			next = append(next, p.members[i])
			continue
		}
		m := p.newMember(u)
		p.log.Info("a server joins", "server", m.name)
		next = append(next, m)
		alive, stop := context.WithCancel(ctx)
		p.stops[m] = stop
		p.rounds.Go(func() { p.watch(alive, m) })
	}
	for _, m := range p.members {
		if !slices.Contains(next, m) {
			p.log.Info("a server leaves", "server", m.name)
			p.stops[m]()
			delete(p.stops, m)
			m.to(gone, "")
			m.http.CloseIdleConnections()
			p.left = append(p.left, m)
		}
	}
	p.left = slices.DeleteFunc(p.left, (*member).idle)
	slices.SortFunc(next, func(a, b *member) int { return strings.Compare(a.url.String(), b.url.String()) })
	p.members = next
}

func (p *pool) newMember(u *url.URL) *member {
	dialer := &net.Dialer{Timeout: p.cfg.Dial, KeepAlive: 15 * time.Second}
	t := &http.Transport{
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   p.cfg.Dial + 3*time.Second,
		ResponseHeaderTimeout: 0, // try.go has a clock that also counts while a body is sent
		MaxIdleConnsPerHost:   p.cfg.PerMember,
		IdleConnTimeout:       30 * time.Second,
		DisableCompression:    true,               // answers pass as they are
		ExpectContinueTimeout: p.cfg.ProbeTimeout, // who asks before it sends is asked to go on by the server, not by us
		// A member is trusted, but one that went mad shall not fill our memory.
		MaxResponseHeaderBytes: 1 << 20,
		WriteBufferSize:        64 << 10,
		ReadBufferSize:         64 << 10,
	}
	if p.cfg.TLS != nil {
		t.TLSClientConfig = p.cfg.TLS.Clone()
	} else {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return &member{url: u, name: u.Host + u.Path, http: t, since: time.Now()}
}

// views returns all members as they are now.
func (p *pool) views(now time.Time) []view {
	p.mu.Lock()
	members := p.members
	p.mu.Unlock()
	all := make([]view, len(members))
	for i, m := range members {
		all[i] = m.view(now, p.cfg)
	}
	return all
}

// leaving returns those that are gone and have something in hand.
func (p *pool) leaving() []*member {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = slices.DeleteFunc(p.left, (*member).idle)
	return slices.Clone(p.left)
}

// usable returns how many can be asked.
func (p *pool) usable() int { return len(among(p.views(time.Now()), ready)) }

// hold makes a member take nothing new until it is let go again; ok is false where
// there is no such member.
func (p *pool) hold(address string, on bool) (ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		if m.url.String() == address || m.name == address {
			m.hold(on)
			if on {
				p.log.Info("a server is held", "server", m.name)
			} else {
				p.log.Info("a server is released", "server", m.name)
			}
			return true
		}
	}
	return false
}
