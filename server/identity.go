package server

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"bcc/auth"
	"bcc/cohort"
	"bcc/fault"
)

// identify finds out who asks, and counts what is asked where it is work.
func (c *call) identify() error {
	if v := c.s.cfg.Verifier; v != nil {
		given := c.Request.Header["Authorization"]
		if len(given) > 1 {
			return refuse(http.StatusUnauthorized, "", "more than one Authorization header")
		}
		var credentials string
		if len(given) == 1 {
			credentials = given[0]
		}
		who, err := v.Verify(credentials)
		if errors.Is(err, auth.ErrNone) || errors.Is(err, auth.ErrWrong) {
			return refuse(http.StatusUnauthorized, "send Authorization: Bearer and a key of this server", "%w", err)
		}
		if err != nil {
			return err
		}
		c.who = who
	}
	if err := c.ownHand(); err != nil {
		return err
	}
	if l := c.s.cfg.Limiter; l != nil && c.route.work {
		if err := l.Take(c.who); err != nil {
			c.s.metrics.refused.WithLabelValues("limit").Inc()
			return limitError(err)
		}
	}
	return nil
}

// mine reports whether the caller may see what belongs to owner. Where it may not,
// the answer is the same as if it were not there.
func (c *call) mine(owner string) bool { return c.who.Admin || c.who.ID == owner }

// cohortID returns the id in the path, where it is one and the caller's.
func (c *call) cohortID() (string, error) {
	id := c.PathValue("id")
	if !cohort.ValidID(id) {
		return "", notFound("cohort")
	}
	sum, err := c.s.cfg.Ledger.Summary(c.Context(), id)
	if err != nil && fault.Of(err) != fault.NotFound {
		return "", err
	}
	if err != nil || !c.mine(sum.Owner) {
		return "", notFound("cohort")
	}
	return id, nil
}

// slideOf returns the slide whose id stands in the path, where it is the caller's.
func (c *call) slideOf() (cohort.Status, error) {
	id := c.PathValue("id")
	if _, _, err := cohort.ParseSlideID(id); err != nil {
		return cohort.Status{}, notFound("slide")
	}
	st, m, err := c.s.cfg.Ledger.Slide(c.Context(), id)
	if err != nil && fault.Of(err) != fault.NotFound {
		return cohort.Status{}, err
	}
	if err != nil || !c.mine(m.Owner) {
		return cohort.Status{}, notFound("slide")
	}
	return st, nil
}

// fromProxy reports whether the request comes from a proxy whose words count.
func (s *Server) fromProxy(r *http.Request) bool {
	if len(s.cfg.TrustedProxies) == 0 {
		return false
	}
	return s.trusted(hostOf(r.RemoteAddr))
}

func (s *Server) trusted(host string) bool {
	a, err := netip.ParseAddr(strings.TrimSpace(host))
	if err != nil {
		return false
	}
	a = a.Unmap()
	for _, n := range s.cfg.TrustedProxies {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// client returns the address that a request came from: through trusted proxies, the
// last one that none of them is. What stands left of it anybody may have written.
func (s *Server) client(r *http.Request) string {
	host := hostOf(r.RemoteAddr)
	if !s.fromProxy(r) {
		return host
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := strings.TrimSpace(hops[i])
		if a, err := netip.ParseAddr(hop); err != nil {
			break // not written by a proxy of ours
		} else if host = a.Unmap().String(); !s.trusted(host) {
			break
		}
	}
	return host
}

// secure reports whether the client's side of the connection is encrypted.
func (s *Server) secure(r *http.Request) bool {
	return r.TLS != nil || s.fromProxy(r) && r.Header.Get("X-Forwarded-Proto") == "https"
}

func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}
