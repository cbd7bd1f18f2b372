// Package certificate keeps certificates that an ACME issuer signs (RFC 8555), by the
// challenge tls-alpn-01 (RFC 8737).
//
// In: names of this server, the issuer's address, a folder. Out: for each handshake
// the certificate of the name that was asked for. Strangers never cause a question to
// the issuer, who counts them: only Run asks, when two thirds of a certificate's life
// are over, and after a failure ever less often. Each failure is one line of the log
// that says why, when the next attempt is and what is served until then.
//
//	keep.go    when to ask
//	order.go   how the issuer is asked
//	shelf.go   what lies in the folder
package certificate

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/acme"
	"golang.org/x/net/idna"

	"bcc/fault"
)

// firstWait is how long a handshake waits for the first answer of the issuer after the
// start. Issuers take seconds; a client that is refused may not come back.
const firstWait = 10 * time.Second

// Config says for what certificates are kept and who signs them.
type Config struct {
	Names     []string       // of this server, without wildcards; the first is for clients that name none
	Email     string         // where the issuer writes to; empty: nowhere
	Directory string         // https address of the issuer's directory
	Roots     *x509.CertPool // whom the issuer's own HTTPS is trusted by; nil: the system's
	Dir       string         // folder of keys and certificates; made where it is missing

	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: nothing is counted
}

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	if len(c.Names) == 0 {
		add("certificate: no name to ask one for")
	}
	for _, n := range c.Names {
		if _, err := ascii(n); err != nil {
			add("certificate for %q: %w", n, err)
		}
	}
	if u, err := url.Parse(c.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		add("issuer %q: want the https address of an ACME directory", c.Directory)
	}
	if c.Email != "" && (!strings.Contains(c.Email, "@") || strings.ContainsAny(c.Email, ": ,?")) {
		add("address %q: want one such as it@example.org", c.Email)
	}
	if c.Dir == "" || c.Logger == nil {
		add("certificate: no folder or no logger")
	}
	return errors.Join(errs...)
}

// ascii returns a name as handshakes and issuers write it.
func ascii(name string) (string, error) {
	if net.ParseIP(name) != nil {
		return "", errors.New("an address is not a name")
	}
	if strings.Contains(name, "*") {
		return "", errors.New("wildcards cannot be proven by tls-alpn-01; give each name")
	}
	a, err := idna.Lookup.ToASCII(name)
	if err != nil || a == "" || strings.HasSuffix(a, ".") {
		return "", errors.New("want a host name such as bcc.example.org")
	}
	return a, nil
}

// Keeper holds a certificate for each name. Get is safe for concurrent use.
type Keeper struct {
	cfg     Config
	log     *slog.Logger
	shelf   shelf
	account *ecdsa.PrivateKey
	http    *http.Client
	names   []*name
	met     metrics
}

// name is one name and what is served under it.
type name struct {
	ascii   string
	present atomic.Pointer[tls.Certificate] // with its leaf; nil: none yet
	proof   atomic.Pointer[tls.Certificate] // shown to the issuer while it looks
	late    atomic.Bool                     // the last attempt failed
	tried   chan struct{}                   // closed once a good certificate is there, or the first attempt ended
}

// New reads what the folder holds and asks nobody.
func New(cfg Config) (*Keeper, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	k := &Keeper{cfg: cfg, log: cfg.Logger, shelf: newShelf(cfg.Dir, cfg.Directory)}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.Roots}
	k.http = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	var err error
	if k.account, err = k.shelf.account(); err != nil {
		return nil, err
	}
	for _, text := range cfg.Names {
		a, err := ascii(text)
		if err != nil {
			return nil, fault.New(fault.Invalid, "certificate for %q: %w", text, err)
		}
		if slices.ContainsFunc(k.names, func(n *name) bool { return n.ascii == a }) {
			continue
		}
		n := &name{ascii: a, tried: make(chan struct{})}
		if c, err := k.shelf.load(a); err != nil {
			k.log.Error("kept certificate not read, another is asked for", "name", a, "error", err)
		} else if c != nil {
			n.present.Store(c)
			if !over(c) {
				close(n.tried)
			}
		}
		k.names = append(k.names, n)
	}
	k.met = newMetrics(cfg.Registerer, k)
	return k, nil
}

// Get returns the certificate of the name that a client asks for, of one that names
// none the first (probes know addresses only); while the issuer proves a name, to the issuer the proof. It is a
// tls.Config's GetCertificate.
func (k *Keeper) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	n := k.find(hello.ServerName)
	if n == nil {
		return nil, nil // crypto/tls says unrecognized_name then
	}
	if slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
		if c := n.proof.Load(); c != nil {
			return c, nil
		}
		return nil, fmt.Errorf("nobody proves %s now", n.ascii)
	}
	if c := n.present.Load(); c != nil && !over(c) {
		return c, nil
	}
	select {
	case <-n.tried:
	case <-hello.Context().Done():
	case <-time.After(firstWait):
	}
	if c := n.present.Load(); c != nil { // one that is over too: clients say then what is wrong
		return c, nil
	}
	return nil, fmt.Errorf("no certificate for %s yet", n.ascii)
}

func (k *Keeper) find(text string) *name {
	if text == "" {
		return k.names[0]
	}
	text = strings.ToLower(text)
	for _, n := range k.names {
		if n.ascii == text {
			return n
		}
	}
	return nil
}

// Degraded says which names have no certificate or one that is not renewed.
func (k *Keeper) Degraded() (words []string) {
	for _, n := range k.names {
		c := n.present.Load()
		switch {
		case c == nil && n.late.Load():
			words = append(words, "no certificate for "+n.ascii+": the issuer has signed none")
		case c != nil && n.late.Load():
			words = append(words, "the certificate for "+n.ascii+" ends "+day(c)+" and was not renewed")
		}
	}
	return words
}

func over(c *tls.Certificate) bool { return time.Now().After(c.Leaf.NotAfter) }

func day(c *tls.Certificate) string { return c.Leaf.NotAfter.UTC().Format("2006-01-02 15:04 UTC") }
