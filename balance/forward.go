package balance

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
)

// rewrite prepares a request for members: they learn who the client is, and believe
// nothing that it wrote itself.
func (b *Balancer) rewrite(p *httputil.ProxyRequest) {
	in := p.In
	scheme, host, before := "http", in.Host, ""
	if in.TLS != nil {
		scheme = "https"
	}
	if b.cfg.trusts(hostOf(in.RemoteAddr)) {
		if s := in.Header.Get("X-Forwarded-Proto"); s == "http" || s == "https" {
			scheme = s
		}
		if h := in.Header.Get("X-Forwarded-Host"); h != "" {
			host = h
		}
		before = strings.Join(in.Header.Values("X-Forwarded-For"), ", ")
	}
	chain := hostOf(in.RemoteAddr)
	if before != "" {
		chain = before + ", " + chain
	}
	p.Out.Header.Set("X-Forwarded-For", chain)
	p.Out.Header.Set("X-Forwarded-Proto", scheme)
	p.Out.Header.Set("X-Forwarded-Host", host)
	p.Out.Header.Del("Forwarded")
	p.Out.Host = in.Host
	p.Out.URL.Scheme, p.Out.URL.Host = "http", in.Host // try.go puts the member's in
}

// at returns the address of a request at the member.
func (m *member) at(u *url.URL) *url.URL {
	to := *u
	to.Scheme, to.Host = m.url.Scheme, m.url.Host
	if base := strings.TrimSuffix(m.url.Path, "/"); base != "" {
		to.Path = base + u.Path
		to.RawPath = ""
		if u.RawPath != "" {
			to.RawPath = base + u.RawPath
		}
	}
	return &to
}

// client returns the address of who asks: through trusted proxies, the last one that
// none of them is. What stands left of it anybody may have written.
func (c *Config) client(r *http.Request) string {
	host := hostOf(r.RemoteAddr)
	if !c.trusts(host) {
		return host
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := strings.TrimSpace(hops[i])
		a, err := netip.ParseAddr(hop)
		if err != nil {
			break
		}
		if host = a.Unmap().String(); !c.trusts(host) {
			break
		}
	}
	return host
}

func (c *Config) trusts(host string) bool {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, p := range c.Trusted {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}
