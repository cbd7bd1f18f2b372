package certificate

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"bcc/fault"
)

// An issuer that signs is tried in e2e (make e2e-acme); here stands one that says no.

type issuer struct {
	*httptest.Server
	asked atomic.Int64
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	i.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		http.Error(w, "closed on Mondays", http.StatusForbidden)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(i.Certificate())
	return p
}

type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// put keeps a certificate that is good for the times, as if the issuer had signed it.
func put(t *testing.T, dir, directory, name string, from, to time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: from, NotAfter: to, DNSNames: []string{name}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	data, err := encode(key, [][]byte{der})
	if err != nil {
		t.Fatal(err)
	}
	if err := newShelf(dir, directory).save(name, data); err != nil {
		t.Fatal(err)
	}
}

// start runs a keeper until the test ends.
func start(t *testing.T, cfg Config) (*Keeper, *lines) {
	t.Helper()
	said := &lines{}
	cfg.Logger = slog.New(slog.NewTextHandler(said, nil))
	k, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = k.Run(ctx) })
	t.Cleanup(func() { stop(); run.Wait() })
	return k, said
}

// shake shakes hands with the keeper under a name.
func shake(t *testing.T, k *Keeper, name string) (*x509.Certificate, error) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		defer far.Close()
		_ = tls.Server(far, &tls.Config{GetCertificate: k.Get}).HandshakeContext(t.Context())
	}()
	c := tls.Client(near, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err := c.HandshakeContext(t.Context()); err != nil {
		return nil, err
	}
	return c.ConnectionState().PeerCertificates[0], nil
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

func TestAKeptCertificateIsServedAndNobodyIsAsked(t *testing.T) {
	t.Parallel()
	i, dir := newIssuer(t), t.TempDir()
	for _, n := range []string{"a.example.org", "b.example.org"} {
		put(t, dir, i.URL, n, time.Now().Add(-time.Hour), time.Now().Add(3*time.Hour))
	}
	k, _ := start(t, Config{Names: []string{"A.example.org", "b.example.org"}, Directory: i.URL, Roots: i.roots(), Dir: dir})
	for asked, want := range map[string]string{"a.example.org": "a.example.org", "B.EXAMPLE.ORG": "b.example.org", "": "a.example.org", "127.0.0.1": "a.example.org"} {
		if c, err := shake(t, k, asked); err != nil || c.DNSNames[0] != want {
			t.Errorf("%q: %v: want the certificate of %s", asked, err, want)
		}
	}
	if _, err := shake(t, k, "c.example.org"); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("%v: want a name that is not ours refused", err)
	}
	if n := i.asked.Load(); n != 0 || k.Degraded() != nil {
		t.Errorf("the issuer was asked %d times, degraded %v: want neither", n, k.Degraded())
	}
}

func TestACertificateThatIsNotRenewedIsServedAndTheLogSaysWhy(t *testing.T) {
	t.Parallel()
	i, dir := newIssuer(t), t.TempDir()
	put(t, dir, i.URL, "a.example.org", time.Now().Add(-3*time.Hour), time.Now().Add(time.Hour))
	k, said := start(t, Config{Names: []string{"a.example.org"}, Directory: i.URL, Roots: i.roots(), Dir: dir})
	eventually(t, "the certificate is due and nobody is asked", func() bool { return strings.Contains(said.String(), "no certificate from the issuer") })
	if log := said.String(); !strings.Contains(log, "closed on Mondays") || !strings.Contains(log, "again_in=5m0s") || !strings.Contains(log, "the certificate that ends") {
		t.Errorf("%s: want why, when again and what is served", log)
	}
	if _, err := shake(t, k, "a.example.org"); err != nil {
		t.Errorf("%v: want the one before", err)
	}
	if d := k.Degraded(); len(d) != 1 || !strings.Contains(d[0], "not renewed") {
		t.Errorf("degraded %v", d)
	}
}

func TestWithoutACertificateHandshakesEndWithTheFirstAttempt(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	k, said := start(t, Config{Names: []string{"a.example.org"}, Directory: i.URL, Roots: i.roots(), Dir: t.TempDir()})
	begun := time.Now()
	if _, err := shake(t, k, "a.example.org"); err == nil || time.Since(begun) > firstWait/2 {
		t.Errorf("%v after %v: want it refused as soon as the issuer has said no", err, time.Since(begun))
	}
	asked := i.asked.Load()
	if _, err := shake(t, k, "a.example.org"); err == nil || i.asked.Load() != asked {
		t.Errorf("%v, asked %d times, then %d: want handshakes to ask nobody", err, asked, i.asked.Load())
	}
	eventually(t, "the log does not say what is served", func() bool { return strings.Contains(said.String(), "connections are refused") })
	if d := k.Degraded(); len(d) != 1 || !strings.Contains(d[0], "has signed none") || k.soonest() != 0 {
		t.Errorf("degraded %v, ends %v", d, k.soonest())
	}
}

func TestACertificateThatIsOverIsShownOnceTheIssuerHasSaidNo(t *testing.T) {
	t.Parallel()
	i, dir := newIssuer(t), t.TempDir()
	put(t, dir, i.URL, "a.example.org", time.Now().Add(-3*time.Hour), time.Now().Add(-time.Hour))
	k, said := start(t, Config{Names: []string{"a.example.org"}, Directory: i.URL, Roots: i.roots(), Dir: dir})
	if c, err := shake(t, k, "a.example.org"); err != nil || time.Now().Before(c.NotAfter) || i.asked.Load() == 0 {
		t.Errorf("%v, asked %d times: want the one that is over, after the issuer was asked", err, i.asked.Load())
	}
	eventually(t, "the log does not say what is served", func() bool { return strings.Contains(said.String(), "the certificate that ended") })
}

func TestAnIssuerThatIsNotTrustedSaysWhatToDo(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	_, said := start(t, Config{Names: []string{"a.example.org"}, Directory: i.URL, Dir: t.TempDir()})
	eventually(t, "the log does not name the flag", func() bool { return strings.Contains(said.String(), "--acme-ca") })
	if i.asked.Load() != 0 {
		t.Error("an issuer that nobody vouches for was asked")
	}
}

func TestABrokenCertificateIsAskedForAgain(t *testing.T) {
	t.Parallel()
	i, dir := newIssuer(t), t.TempDir()
	if err := newShelf(dir, i.URL).save("a.example.org", []byte("half")); err != nil {
		t.Fatal(err)
	}
	_, said := start(t, Config{Names: []string{"a.example.org"}, Directory: i.URL, Roots: i.roots(), Dir: dir})
	eventually(t, "nobody is asked", func() bool { return i.asked.Load() > 0 })
	if !strings.Contains(said.String(), "kept certificate not read") {
		t.Errorf("%s: want the broken file told", said)
	}
}

func TestTheFolderIsItsOwnersAndEachIssuerHasItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newShelf(dir, "https://ca.example.org:14000/acme/Directory")
	if want := filepath.Join(dir, "ca.example.org_14000_acme_directory"); string(s) != want {
		t.Errorf("%s, want %s", s, want)
	}
	first, err := s.account()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.account(); err != nil || !again.Equal(first) {
		t.Errorf("%v: want the same account", err)
	}
	if other, err := newShelf(dir, "https://other.example.org/").account(); err != nil || other.Equal(first) {
		t.Errorf("%v: want another account at another issuer", err)
	}
	path := filepath.Join(string(s), accountFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: want mode 0600", info.Mode(), err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.account(); fault.Of(err) != fault.Corrupt {
		t.Errorf("%v: want an account without a key told", err)
	}
}

func TestAnIssuerThatSaysNoIsAskedLessOften(t *testing.T) {
	t.Parallel()
	no := fmt.Errorf("order: %w", &acme.Error{StatusCode: 403})
	wait := fmt.Errorf("order: %w", &acme.Error{StatusCode: 429, ProblemType: "urn:ietf:params:acme:error:rateLimited", Header: http.Header{"Retry-After": {"7200"}}})
	for _, c := range []struct {
		err    error
		failed int
		want   time.Duration
	}{
		{errors.New("no route"), 1, 10 * time.Second}, {errors.New("no route"), 3, 40 * time.Second}, {errors.New("no route"), 99, 10 * time.Minute},
		{&acme.Error{StatusCode: 503}, 1, 10 * time.Second},
		{no, 1, 5 * time.Minute}, {no, 2, 10 * time.Minute}, {no, 99, time.Hour}, {wait, 1, 2 * time.Hour},
		{&acme.AuthorizationError{}, 1, 5 * time.Minute},
	} {
		if got := again(c.err, c.failed); got != c.want {
			t.Errorf("%v, failure %d: %v, want %v", c.err, c.failed, got, c.want)
		}
	}
}

func TestWhatNobodyCouldSignIsRefused(t *testing.T) {
	t.Parallel()
	good := Config{Names: []string{"a.example.org"}, Directory: acme.LetsEncryptURL, Dir: "d", Logger: slog.New(slog.DiscardHandler)}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Config){
		"no name":     func(c *Config) { c.Names = nil },
		"wildcard":    func(c *Config) { c.Names = []string{"*.example.org"} },
		"address":     func(c *Config) { c.Names = []string{"10.0.0.1"} },
		"URL":         func(c *Config) { c.Names = []string{"https://a.example.org/"} },
		"port":        func(c *Config) { c.Names = []string{"a.example.org:443"} },
		"path":        func(c *Config) { c.Names = []string{"../../etc/passwd"} },
		"plain HTTP":  func(c *Config) { c.Directory = "http://ca.example.org/" },
		"no issuer":   func(c *Config) { c.Directory = "" },
		"mailto":      func(c *Config) { c.Email = "mailto:it@example.org" },
		"not an at":   func(c *Config) { c.Email = "it" },
		"no folder":   func(c *Config) { c.Dir = "" },
		"no logger":   func(c *Config) { c.Logger = nil },
		"two at once": func(c *Config) { c.Names = []string{"a.example.org", "b."} },
	} {
		c := good
		change(&c)
		if err := c.Validate(); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v: want it refused", what, err)
		}
	}
}
