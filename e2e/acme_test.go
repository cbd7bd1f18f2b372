//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The issuer is Pebble, which Let's Encrypt makes for those who write clients: it turns
// nonces down at random and forgets everything when it ends.
const (
	pebble   = "../.deps/bin/pebble"
	dns      = "../.deps/bin/pebble-challtestsrv" // says that every name is 127.0.0.1
	acmeName = "bcc.example.test"
)

// acmeIssuer is a Pebble that can be stopped and started on its ports.
type acmeIssuer struct {
	dir              string // its files; ca.pem is whom its own HTTPS is trusted by
	listen, manage   string // host:port
	resolver, public string // host:port where names are asked for, and where names lead to
	said             *words
	cmd              *exec.Cmd
}

// newACMEIssuer prepares an issuer whose certificates are good for the time, and starts its DNS.
func newACMEIssuer(t *testing.T, life time.Duration) *acmeIssuer {
	t.Helper()
	for _, f := range []string{pebble, dns} {
		if _, err := os.Stat(f); err != nil {
			t.Skip("make e2e-acme builds the issuer")
		}
	}
	i := &acmeIssuer{dir: t.TempDir(), said: &words{}}
	for _, at := range []*string{&i.listen, &i.manage, &i.resolver, &i.public} {
		*at = freePort(t)
	}
	i.ownCertificate(t)
	_, port, _ := net.SplitHostPort(i.public)
	cfg, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": i.listen, "managementListenAddress": i.manage, "certificate": i.path("cert.pem"), "privateKey": i.path("key.pem"),
		"httpPort": 1, "tlsPort": json.Number(port), "keyAlgorithm": "ecdsa", "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "the only one", "validityPeriod": int(life.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(i.path("config.json"), cfg, 0o600); err != nil {
		t.Fatal(err)
	}
	names := exec.Command(dns, "-http01", "", "-https01", "", "-doh", "", "-tlsalpn01", "", "-dnsserver", i.resolver, "-management", freePort(t), "-defaultIPv6", "")
	if err := names.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = names.Process.Kill(); _ = names.Wait() })
	t.Cleanup(func() { i.stop() })
	return i
}

func (i *acmeIssuer) path(name string) string { return filepath.Join(i.dir, name) }
func (i *acmeIssuer) directory() string       { return "https://" + i.listen + "/dir" }

// ownCertificate makes what the issuer itself is trusted by.
func (i *acmeIssuer) ownCertificate(t *testing.T) {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	rootKey, leafKey := key(), key()
	root := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, &rootKey.PublicKey, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, &leafKey.PublicKey, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{"ca.pem": {Type: "CERTIFICATE", Bytes: rootDER}, "cert.pem": {Type: "CERTIFICATE", Bytes: leafDER}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(i.path(name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// start starts the issuer and returns the root that its certificates hang from.
func (i *acmeIssuer) start(t *testing.T) *x509.CertPool {
	t.Helper()
	i.cmd = exec.Command(pebble, "-strict", "-config", i.path("config.json"), "-dnsserver", i.resolver)
	i.cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=10")
	i.cmd.Stdout, i.cmd.Stderr = i.said, i.said
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile(i.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	trusted, roots := x509.NewCertPool(), x509.NewCertPool()
	trusted.AppendCertsFromPEM(own)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, DisableKeepAlives: true}}
	within(t, 10*time.Second, "the issuer does not answer", func() bool {
		res, err := c.Get("https://" + i.manage + "/roots/0")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return err == nil && roots.AppendCertsFromPEM(b)
	})
	return roots
}

func (i *acmeIssuer) stop() {
	if i.cmd != nil {
		_ = i.cmd.Process.Kill()
		_ = i.cmd.Wait()
		i.cmd = nil
	}
}

// signed is how many certificates were signed.
func (i *acmeIssuer) signed() int { return strings.Count(i.said.String(), "Issued certificate serial") }

// orders is how many were asked for.
func (i *acmeIssuer) orders() int { return strings.Count(i.said.String(), "Added order") }

func within(t *testing.T, limit time.Duration, what string, f func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for !f() {
		if time.Since(begun) > limit {
			t.Fatalf("%s, %v long", what, limit)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(begun)
}

// serveACME starts bcc serve under the name; end stops it.
func serveACME(t *testing.T, i *acmeIssuer, data, at string) *target {
	t.Helper()
	s := &target{data: data, said: &words{}, ended: make(chan error, 1)}
	s.cmd = exec.Command(binary, "serve", "--addr", at, "--data", data, "--device", "cpu", "--open-to-everyone",
		"--acme-domain", acmeName, "--acme-directory", i.directory(), "--acme-ca", i.path("ca.pem"), "--acme-email", "it@example.org")
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := s.ended
	go func(cmd *exec.Cmd) { ended <- cmd.Wait() }(s.cmd)
	t.Cleanup(func() { s.end(t) })
	within(t, time.Minute, "bcc serve does not start", func() bool {
		if len(ended) > 0 {
			t.Fatalf("bcc serve ended:\n%s", s.said)
		}
		return strings.Contains(s.said.String(), "Research use only")
	})
	return s
}

// visit asks for /livez and returns the certificate that was shown.
func visit(at, name string, change func(*tls.Config)) (*x509.Certificate, error) {
	c, _, err := read(at, name, "/livez", change)
	return c, err
}

// read asks for a path over HTTP/2. The name is in the handshake; the connection goes
// to the address.
func read(at, name, path string, change func(*tls.Config)) (*x509.Certificate, string, error) {
	cfg := &tls.Config{ServerName: name}
	change(cfg)
	var d net.Dialer
	transport := &http.Transport{
		TLSClientConfig: cfg, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "tcp", at) },
	}
	res, err := (&http.Client{Transport: transport, Timeout: 15 * time.Second}).Get("https://" + name + path)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
		return nil, "", fmt.Errorf("%s %s, want 200 over HTTP/2", res.Status, res.Proto)
	}
	body, err := io.ReadAll(res.Body)
	return res.TLS.PeerCertificates[0], string(body), err
}

func trusting(roots *x509.CertPool) func(*tls.Config) {
	return func(c *tls.Config) { c.RootCAs = roots }
}

func TestACMECertificateIsGotKeptAndUsedAgain(t *testing.T) {
	t.Parallel()
	i, data := newACMEIssuer(t, 90*24*time.Hour), t.TempDir()
	roots := i.start(t)
	s := serveACME(t, i, data, i.public)
	var first *x509.Certificate
	var err error
	took := within(t, 30*time.Second, "no certificate", func() bool {
		first, err = visit(i.public, acmeName, trusting(roots))
		return err == nil
	})
	t.Logf("a certificate of %s after %v, good for %v", first.Issuer.CommonName, took.Round(10*time.Millisecond), time.Until(first.NotAfter).Round(time.Hour))

	same := func(when string, name string, change func(*tls.Config)) {
		t.Helper()
		if c, err := visit(i.public, name, change); err != nil || !c.Equal(first) {
			t.Errorf("%s: %v: want the first certificate", when, err)
		}
	}
	same("TLS 1.3 alone", acmeName, func(c *tls.Config) { c.RootCAs, c.MinVersion = roots, tls.VersionTLS13 })
	same("TLS 1.2 alone", acmeName, func(c *tls.Config) { c.RootCAs, c.MaxVersion = roots, tls.VersionTLS12 })
	same("a probe by address", "127.0.0.1", func(c *tls.Config) { c.InsecureSkipVerify = true })
	for _, name := range []string{"other.example.test", "localhost"} {
		if _, err := visit(i.public, name, func(c *tls.Config) { c.InsecureSkipVerify = true }); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s: %v: want the name refused", name, err)
		}
	}
	files := 0
	_ = filepath.WalkDir(filepath.Join(data, "acme"), func(path string, d fs.DirEntry, _ error) error {
		info, err := d.Info()
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v: want %v", path, info.Mode(), err, want)
		}
		if !d.IsDir() {
			files++
		}
		return nil
	})
	if files != 2 {
		t.Errorf("%d files are kept, want the account and the certificate", files)
	}

	orders := i.orders()
	s.end(t)
	s = serveACME(t, i, data, i.public)
	same("after a restart", acmeName, trusting(roots))
	if n := i.orders(); n != orders || i.signed() != 1 {
		t.Errorf("%d orders, then %d; %d signed: want one certificate for all of it", orders, n, i.signed())
	}
	s.end(t)
	i.stop()
	s = serveACME(t, i, data, i.public)
	same("after a restart, without the issuer", acmeName, trusting(roots))
	if said := s.said.String(); strings.Contains(said, "ERROR") {
		t.Errorf("it complains: %s", said)
	}
}

func TestACMEIssuerThatIsDownIsToldAndAskedAgain(t *testing.T) {
	t.Parallel()
	i, data := newACMEIssuer(t, 90*24*time.Hour), t.TempDir()
	s := serveACME(t, i, data, i.public)
	within(t, 20*time.Second, "the log says nothing", func() bool { return strings.Contains(s.said.String(), "no certificate from the issuer") })
	if said := s.said.String(); !strings.Contains(said, "connection refused") || !strings.Contains(said, "again_in=10s") || !strings.Contains(said, `meanwhile="connections are refused"`) {
		t.Errorf("%s: want why, when again and what is served", said)
	}
	begun := time.Now()
	if _, err := visit(i.public, acmeName, func(c *tls.Config) { c.InsecureSkipVerify = true }); err == nil || time.Since(begun) > time.Second {
		t.Errorf("%v after %v: want it refused at once", err, time.Since(begun))
	}
	roots := i.start(t)
	took := within(t, time.Minute, "no certificate though the issuer is back", func() bool {
		_, err := visit(i.public, acmeName, trusting(roots))
		return err == nil
	})
	t.Logf("a certificate %v after the issuer was back", took.Round(100*time.Millisecond))
}

func TestACMENameThatLeadsElsewhereIsToldWithWhatToDo(t *testing.T) {
	t.Parallel()
	i, data := newACMEIssuer(t, 90*24*time.Hour), t.TempDir()
	i.start(t)
	s := serveACME(t, i, data, freePort(t)) // nobody listens where the issuer looks
	within(t, 30*time.Second, "the log says nothing", func() bool { return strings.Contains(s.said.String(), "no certificate from the issuer") })
	if said := s.said.String(); !strings.Contains(said, "port 443 of "+acmeName+" must lead to this server") || !strings.Contains(said, "again_in=5m0s") {
		t.Errorf("%s: want what to do and a long pause", said)
	}
	if i.orders() != 1 {
		t.Errorf("%d orders for one attempt", i.orders())
	}
}

func TestACMECertificateIsRenewedWhileItServes(t *testing.T) {
	t.Parallel()
	i, data := newACMEIssuer(t, 24*time.Second), t.TempDir()
	roots := i.start(t)
	s := serveACME(t, i, data, i.public)
	var now *x509.Certificate
	answered := 0
	look := func() *x509.Certificate {
		t.Helper()
		c, err := visit(i.public, acmeName, trusting(roots))
		if err != nil {
			t.Fatalf("after %d answers: %v", answered, err)
		}
		answered++
		return c
	}
	now = look() // the first handshake waits for the first certificate
	changed := func() bool { c := look(); return !c.Equal(now) }
	took := within(t, 40*time.Second, "not renewed", changed)
	t.Logf("a certificate of 24 s was renewed after %v; %d requests, all answered", took.Round(100*time.Millisecond), answered)

	// An issuer that was set up anew does not know the account, and has another root.
	i.stop()
	within(t, 40*time.Second, "the log does not say that it is not renewed", func() bool {
		return strings.Contains(s.said.String(), `meanwhile="the certificate that ends`)
	})
	for path, want := range map[string]string{"/machine": "the certificate for " + acmeName + " ends", "/metrics": `bcc_certificate_orders_total{end="unreachable"} 1`} {
		if _, body, err := read(i.public, acmeName, path, trusting(roots)); err != nil || !strings.Contains(body, want) {
			t.Errorf("%s: %v: want %q in it", path, err, want)
		}
	}
	roots = i.start(t)
	old := trusting(roots)
	took = within(t, 40*time.Second, "not renewed by an issuer that was set up anew", func() bool {
		_, err := visit(i.public, acmeName, old)
		var unknown x509.UnknownAuthorityError
		if err != nil && !errors.As(err, &unknown) && !strings.Contains(err.Error(), "expired") {
			t.Fatal(err)
		}
		return err == nil
	})
	t.Logf("renewed %v after the issuer was set up anew", took.Round(100*time.Millisecond))
}
