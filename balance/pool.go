package balance

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
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
	stops   map[*member]context.CancelFunc
}

// run follows the source until ctx ends. Each member has a goroutine of its own that
// asks it how it is. changed is told how many requests all may have in hand.
func (p *pool) run(ctx context.Context, changed func(int)) error {
	defer p.rounds.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return p.cfg.Source.Members(ctx, func(urls []*url.URL) {
		p.set(ctx, urls)
		changed(len(urls) * p.cfg.PerMember)
	})
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
		p.log.Info("a server joins", "server", m.url.Host)
		next = append(next, m)
		alive, stop := context.WithCancel(ctx)
		p.stops[m] = stop
		p.rounds.Go(func() { p.watch(alive, m) })
	}
	for _, m := range p.members {
		if !slices.Contains(next, m) {
			p.log.Info("a server leaves", "server", m.url.Host)
			p.stops[m]()
			delete(p.stops, m)
			m.to(gone, "")
			m.http.CloseIdleConnections()
			p.left = append(p.left, m)
		}
	}
	p.left = slices.DeleteFunc(p.left, func(m *member) bool { return m.view(time.Now(), 0).inFlight == 0 })
	slices.SortFunc(next, func(a, b *member) int {
		if a.url.String() < b.url.String() {
			return -1
		}
		return 1
	})
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
		DisableCompression:    true, // answers pass as they are
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
	}
	if p.cfg.TLS != nil {
		t.TLSClientConfig = p.cfg.TLS.Clone()
	} else {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return &member{url: u, http: t, since: time.Now(), theirs: -1}
}

// views returns all members as they are now.
func (p *pool) views(now time.Time) []view {
	p.mu.Lock()
	members := p.members
	p.mu.Unlock()
	all := make([]view, len(members))
	for i, m := range members {
		all[i] = m.view(now, p.cfg.Return)
	}
	return all
}

// usable returns how many can be asked.
func (p *pool) usable() int { return len(among(p.views(time.Now()), ready)) }

// hold makes a member take nothing new until it is let go again; ok is false where
// there is no such member.
func (p *pool) hold(address string, on bool) (ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		if m.url.String() == address || m.url.Host == address {
			m.hold(on)
			return true
		}
	}
	return false
}
