package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// crossOrigin knows a request that a page of another site made a browser send.
var crossOrigin = http.NewCrossOriginProtection()

// ownHand refuses what a page elsewhere makes a browser send. Where no credentials
// are asked for, to reach the server is all it takes, and a browser on this computer
// reaches it for whatever page it shows: by a form, or by a name of its own that it
// lets point here (DNS rebinding).
func (c *call) ownHand() error {
	if c.who.ID != "" {
		return nil // a page elsewhere has no key to send
	}
	if err := crossOrigin.Check(c.Request); err != nil {
		return refuse(http.StatusForbidden, "send it from this server's own page, or with a key", "a page of another site sent this request")
	}
	if c.s.cfg.Local && !localHost(c.Host) {
		return refuse(http.StatusForbidden, "use the address that the server printed, or make a key", "this server is for this computer: it does not answer under that name")
	}
	return nil
}

// localHost reports whether the host of a request names this computer whoever is asked.
func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761, section 6.3
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
