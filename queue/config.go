package queue

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
)

// Config says where the queue lies. Either Dir or URL is set.
type Config struct {
	Dir string // a folder of its own: the queue runs in this process and nobody else may open it
	URL string // nats://[user:password@ or token@]host:port, several with commas: a cluster elsewhere

	// Listen lets other machines join the queue of this process: host:port, port -1
	// for any free one. Default: nobody.
	Listen string
	// Token is asked of whoever joins by Listen, and shown to the server at URL where
	// that address holds none (nats://TOKEN@host:port). With Listen it must be
	// set unless Listen is a loopback address.
	Token string
	// TLS encrypts what comes by Listen; nil: nothing is, and the token can be read on
	// its way. Roots are who is trusted to vouch for the servers at URL, which then have
	// to encrypt; nil: this computer's, for addresses of the form tls://.
	TLS   *tls.Config
	Roots *x509.CertPool

	// Lease is how long a job is kept from others after Take or Beat; default 30 s,
	// ten missed beats of a worker that beats every three seconds. Everyone on one
	// queue must use the same.
	Lease time.Duration
	// Replicas is on how many servers of a cluster elsewhere each job lies when the
	// queue is made there, 1 to 5. Default 3 on a cluster, 1 on a single server.
	Replicas int

	// Patience is how long Open tries to reach a cluster elsewhere; default 30 s: it may
	// be starting at the same moment. Once open it is looked for until Close.
	Patience time.Duration

	Logger     *slog.Logger          // default: nothing is logged
	Registerer prometheus.Registerer // default: no metrics

	syncedLater bool // tests only: what the server acknowledges is not on the disk yet
}

// DefaultConfig returns the defaults; Dir or URL has to be set.
func DefaultConfig() Config { return Config{}.filled() }

func (c Config) filled() Config {
	if c.Lease == 0 {
		c.Lease = 30 * time.Second
	}
	if c.Patience == 0 {
		c.Patience = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate returns everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	switch {
	case c.Dir == "" && c.URL == "":
		bad("queue: neither a folder nor an address is given")
	case c.Dir != "" && c.URL != "":
		bad("queue: both a folder and an address are given")
	}
	if c.Lease < 0 || c.Lease > 0 && c.Lease < 100*time.Millisecond || c.Lease > time.Hour {
		bad("queue: lease %v, want 100ms to 1h", c.Lease)
	}
	if c.Patience < 0 {
		bad("queue: patience %v, want more than none", c.Patience)
	}
	if c.Replicas < 0 || c.Replicas > 5 {
		bad("queue: %d replicas, want 1 to 5", c.Replicas)
	}
	for one := range strings.SplitSeq(c.URL, ",") {
		if u, err := url.Parse(strings.TrimSpace(one)); c.URL != "" && (err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls") {
			bad("queue: the address is not of the form nats://host:port or tls://host:port")
		}
	}
	if c.TLS != nil && c.Listen == "" {
		bad("queue: encryption without an address to listen on")
	}
	if c.Roots != nil && c.URL == "" {
		bad("queue: roots without an address whose servers they vouch for")
	}
	if c.Listen != "" {
		host, _, err := net.SplitHostPort(c.Listen)
		ip := net.ParseIP(host)
		switch {
		case c.URL != "":
			bad("queue: listen on %s: the queue is elsewhere", c.Listen)
		case err != nil:
			bad("queue: listen on %q: want host:port", c.Listen)
		case c.Token == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()):
			bad("queue: listen on %s, which others can reach: a token is needed", c.Listen)
		}
	}
	return errors.Join(errs...)
}

// places returns the hosts of a cluster's address, without secrets.
func places(address string) string {
	var hosts []string
	for one := range strings.SplitSeq(address, ",") {
		if u, err := url.Parse(strings.TrimSpace(one)); err == nil {
			hosts = append(hosts, u.Host)
		}
	}
	return strings.Join(hosts, ",")
}
