package balance

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// claims are headers in which proxies say who the client is, and anybody else may. Of
// those that are not made anew here, members learn nothing.
var claims = []string{
	"X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Scheme",
	"X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Original-Url", "X-Rewrite-Url",
}

// rewrite prepares a request for members: they learn who the client is, and believe
// nothing that it wrote itself. What a trusted proxy wrote is added to, what anybody
// else wrote is replaced.
func (b *Balancer) rewrite(p *httputil.ProxyRequest) {
	in := p.In
	from := hostOf(in.RemoteAddr)
	scheme, host := "http", in.Host
	if in.TLS != nil {
		scheme = "https"
	}
	chain, forwarded := from, element(from, scheme, host)
	if b.cfg.trusts(from) {
		if s := in.Header.Get("X-Forwarded-Proto"); s == "http" || s == "https" {
			scheme = s
		}
		if h := in.Header.Get("X-Forwarded-Host"); h != "" {
			host = h
		}
		chain = after(in.Header.Values("X-Forwarded-For"), chain)
		forwarded = after(in.Header.Values("Forwarded"), forwarded)
	}
	for _, h := range claims {
		p.Out.Header.Del(h)
	}
	p.Out.Header.Set("X-Forwarded-For", chain)
	p.Out.Header.Set("X-Forwarded-Proto", scheme)
	p.Out.Header.Set("X-Forwarded-Host", host)
	p.Out.Header.Set("Forwarded", forwarded)
	p.Out.Host = in.Host
	p.Out.Trailer = in.Trailer                         // filled when the body has come to its end
	p.Out.URL.Scheme, p.Out.URL.Host = "http", in.Host // try.go puts the member's in
	p.Out.URL.RawQuery = in.URL.RawQuery               // as it came: members read it as they like
}

// after adds to a list in headers.
func after(before []string, last string) string {
	return strings.Join(append(slices.Clone(before), last), ", ")
}

// element is one of the header Forwarded (RFC 7239).
func element(from, scheme, host string) string {
	if strings.Contains(from, ":") {
		from = `"[` + from + `]"`
	}
	e := "for=" + from + ";proto=" + scheme
	if host != "" && !strings.ContainsAny(host, "\"\\") {
		e += `;host="` + host + `"`
	}
	return e
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
