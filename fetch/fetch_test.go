package fetch_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bcc/fault"
	"bcc/fetch"
)

// names is a resolver with known answers, one after the other; the last one stays.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.answers[host]
	if len(all) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, Server: "10.9.8.7:53", IsNotFound: host != "broken.example.com"}
	}
	if len(all) > 1 {
		n.answers[host] = all[1:]
	}
	var addrs []netip.Addr
	for _, a := range all[0] {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, nil
}

// web is a server on this machine, with TLS, and the configuration that reaches it as
// slides.example.com (httptest's certificate holds for it).
type web struct {
	cfg  fetch.Config
	port string
	dns  *names
	hits atomic.Int64
}

func newWeb(t *testing.T, handler http.HandlerFunc) *web {
	t.Helper()
	w := &web{dns: &names{answers: map[string][][]string{"slides.example.com": {{"127.0.0.1"}}}}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.hits.Add(1)
		handler(rw, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	_, w.port, _ = net.SplitHostPort(server.Listener.Addr().String())
	w.cfg = fetch.DefaultConfig()
	w.cfg.Hosts = []string{"slides.example.com:" + w.port}
	w.cfg.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	w.cfg.Resolver = w.dns
	w.cfg.RootCAs = x509.NewCertPool()
	w.cfg.RootCAs.AddCert(server.Certificate())
	w.cfg.Timeout, w.cfg.IdleTimeout = 10*time.Second, 5*time.Second
	return w
}

func open(t *testing.T, cfg fetch.Config) *fetch.Fetcher {
	t.Helper()
	f, err := fetch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func (w *web) url(path string) string {
	return fmt.Sprintf("https://slides.example.com:%s%s", w.port, path)
}

// get fetches and returns the text.
func get(t *testing.T, f *fetch.Fetcher, address string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	n, err := f.Fetch(t.Context(), address, &out)
	if n != int64(out.Len()) {
		t.Errorf("%d bytes counted, %d written", n, out.Len())
	}
	return out.String(), err
}

// refused fails the test unless err is a refusal that says what to do.
func refused(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, fetch.ErrRefused) || fault.Of(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("%s: %v (hint %q), want it refused with a hint", what, err, fault.HintOf(err))
	}
}

func TestItBringsAFile(t *testing.T) {
	t.Parallel()
	slide := strings.Repeat("slide", 100_000)
	w := newWeb(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("Cookie") != "" {
			t.Errorf("asked with %v", r.Header)
		}
		if r.URL.RawQuery == "sized=1" {
			rw.Header().Set("Content-Length", fmt.Sprint(len(slide)))
		}
		io.WriteString(rw, slide)
	})
	f := open(t, w.cfg)
	for _, path := range []string{"/a%20b.tif?sized=1", "/b"} {
		if err := f.Check(t.Context(), w.url(path)); err != nil {
			t.Error(err)
		}
		if got, err := get(t, f, w.url(path)); got != slide || err != nil {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
}

func TestAnAddressThatIsNotAllowedIsRefusedUnasked(t *testing.T) {
	t.Parallel()
	w := newWeb(t, func(http.ResponseWriter, *http.Request) {})
	f := open(t, w.cfg)
	for name, address := range map[string]string{
		"another host":   "https://other.example.com/x",
		"another port":   "https://slides.example.com/x",
		"its address":    "https://127.0.0.1:" + w.port,
		"a host below":   "https://a.slides.example.com:" + w.port,
		"a longer name":  "https://evilslides.example.com:" + w.port,
		"a password":     "https://user:secret@slides.example.com:" + w.port,
		"an at sign":     "https://slides.example.com:" + w.port + "@other.example.com/",
		"a bucket":       "s3://slides/x",
		"a file":         "file:///etc/passwd",
		"encoded dots":   "file:///%2e%2e/etc/passwd",
		"another's port": "http://slides.example.com/x",
	} {
		refused(t, name+", check", f.Check(t.Context(), address))
		_, err := get(t, f, address)
		refused(t, name, err)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v shows a password", name, err)
		}
	}
	for name, address := range map[string]string{
		"nothing": "", "no scheme": "slides.example.com/x", "gopher": "gopher://slides.example.com/x", "no host": "https:///x",
		"a backslash": "https://slides.example.com\\@other/", "a line": "https://slides.example.com/\r\nHost: x", "bad port": "https://slides.example.com:x/",
		"letters": "https://slıdes.example.com/", "no key": "s3://slides", "not absolute": "file://x", "a zone": "https://[fe80::1%25lo]/",
		"a host of files": "file://server/share/x", "dots in a key": "s3://slides/a/../b",
	} {
		if err := f.Check(t.Context(), address); fault.Of(err) != fault.Invalid || errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%s: check: %v, want invalid", name, err)
		}
		if _, err := get(t, f, address); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	if w.hits.Load() != 0 {
		t.Error("the server was asked")
	}
}

func TestNamesOfInnerAddressesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWeb(t, func(http.ResponseWriter, *http.Request) {})
	w.cfg.Networks = nil
	w.cfg.Hosts = []string{"*:*"}
	f := open(t, w.cfg)
	for _, a := range []string{
		"127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "169.254.170.2",
		"100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "168.63.129.16",
		"::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
		"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "::127.0.0.1", "2001:db8::1", "100::1",
	} {
		w.dns.answers["slides.example.com"] = [][]string{{a}}
		err := f.Check(t.Context(), w.url("/x"))
		refused(t, a+", check", err)
		if err != nil && strings.Contains(err.Error(), a+" ") {
			t.Errorf("%v tells the address", err)
		}
		_, err = get(t, f, w.url("/x"))
		refused(t, a, err)
		literal := "https://" + net.JoinHostPort(a, w.port) + "/"
		refused(t, literal, f.Check(t.Context(), literal))
		_, err = get(t, f, literal)
		refused(t, literal, err)
	}
	for _, a := range []string{"1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"} {
		w.dns.answers["slides.example.com"] = [][]string{{a}}
		if err := f.Check(t.Context(), w.url("/x")); err != nil {
			t.Errorf("%s: %v, want it allowed", a, err)
		}
		w.dns.answers["slides.example.com"] = [][]string{{a, "127.0.0.1"}}
		refused(t, a+" and an inner one", f.Check(t.Context(), w.url("/x")))
	}
	if w.hits.Load() != 0 {
		t.Error("the server was asked")
	}
}

func TestANameThatChangesAfterTheCheckReachesNothing(t *testing.T) {
	t.Parallel()
	w := newWeb(t, func(http.ResponseWriter, *http.Request) {})
	w.cfg.Networks = nil
	f := open(t, w.cfg)
	w.dns.answers["slides.example.com"] = [][]string{{"93.184.216.34"}, {"127.0.0.1"}}
	if err := f.Check(t.Context(), w.url("/x")); err != nil {
		t.Fatal(err)
	}
	_, err := get(t, f, w.url("/x"))
	refused(t, "the second answer", err)
	if w.hits.Load() != 0 {
		t.Error("the server was reached")
	}
}

func TestUnencryptedOnlyInNamedNetworks(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, "slide") }))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	cfg := fetch.DefaultConfig()
	dns := &names{answers: map[string][][]string{"inner.example.com": {{"127.0.0.1"}}, "outer.example.com": {{"93.184.216.34"}}}}
	cfg.Resolver, cfg.Hosts, cfg.Networks = dns, []string{"*:*"}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	f := open(t, cfg)
	if got, err := get(t, f, "http://inner.example.com:"+port); got != "slide" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	refused(t, "outside", f.Check(t.Context(), "http://outer.example.com/x"))
	_, err := get(t, f, "http://outer.example.com/x")
	refused(t, "outside", err)
}

func TestRedirectsAreAddressesOfTheirOwn(t *testing.T) {
	t.Parallel()
	var inner atomic.Int64
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inner.Add(1) }))
	t.Cleanup(secret.Close)
	_, secretPort, _ := net.SplitHostPort(secret.Listener.Addr().String())
	var target atomic.Pointer[string]
	w := newWeb(t, func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/end":
			if r.Referer() != "" {
				t.Errorf("referer %q: it holds the signature of the first address", r.Referer())
			}
			io.WriteString(rw, "slide")
		case r.URL.Path == "/again":
			http.Redirect(rw, r, "/again", http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/steps/"):
			rest := strings.TrimPrefix(r.URL.Path, "/steps/")
			http.Redirect(rw, r, map[bool]string{true: "/end", false: "/steps/" + rest[1:]}[rest == "x"], http.StatusTemporaryRedirect)
		default:
			rw.Header().Set("Location", *target.Load())
			rw.WriteHeader(http.StatusFound)
		}
	})
	w.cfg.Hosts = append(w.cfg.Hosts, "rebound.example.com:*", "plain.example.com:*")
	w.dns.answers["rebound.example.com"] = [][]string{{"169.254.169.254"}}
	w.dns.answers["plain.example.com"] = [][]string{{"93.184.216.34"}}
	f := open(t, w.cfg)
	if got, err := get(t, f, w.url("/steps/xxxxx?X-Amz-Signature=secret")); got != "slide" || err != nil {
		t.Errorf("five steps: %q, %v", got, err)
	}
	for _, path := range []string{"/steps/xxxxxx", "/again"} {
		if _, err := get(t, f, w.url(path)); fault.Of(err) != fault.Invalid || !strings.Contains(fmt.Sprint(err), "redirects") {
			t.Errorf("%s: %v, want too many redirects", path, err)
		}
	}
	for _, to := range []string{
		"http://127.0.0.1:" + secretPort + "/", "https://127.0.0.1:" + secretPort + "/", "http://169.254.169.254/latest/meta-data/",
		"https://rebound.example.com/", "http://plain.example.com/", "https://user:pass@slides.example.com:" + w.port + "/end",
		"file:///etc/passwd", "s3://bucket/key", "gopher://127.0.0.1/", "//other.example.com/x",
	} {
		target.Store(&to)
		got, err := get(t, f, w.url("/jump?sig=secret"))
		refused(t, to, err)
		if got != "" || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: %q, %v", to, got, err)
		}
	}
	if inner.Load() != 0 {
		t.Error("the inner server was reached")
	}
}

func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	w := newWeb(t, func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, "slide") })
	if got, err := get(t, open(t, w.cfg), w.url("/x")); got != "slide" || err != nil || asked.Load() != 0 {
		t.Errorf("%q, %v; the proxy was asked %d times", got, err, asked.Load())
	}
}

func TestNobodyAndNoNameAreToldApart(t *testing.T) {
	t.Parallel()
	w := newWeb(t, func(http.ResponseWriter, *http.Request) {})
	w.cfg.Hosts = []string{"*.example.com:*"}
	f := open(t, w.cfg)
	if err := f.Check(t.Context(), "https://none.example.com/"); fault.Of(err) != fault.Invalid || errors.Is(err, fetch.ErrRefused) {
		t.Errorf("no such name: %v, want invalid", err)
	}
	err := f.Check(t.Context(), "https://broken.example.com/")
	if fault.Of(err) != fault.Unavailable || strings.Contains(err.Error(), "10.9.8.7") {
		t.Errorf("nobody answers for it: %v, want unavailable, and no inner address", err)
	}
}

func TestACertificateThatIsNotTrustedIsInvalid(t *testing.T) {
	t.Parallel()
	w := newWeb(t, func(http.ResponseWriter, *http.Request) {})
	w.cfg.RootCAs = x509.NewCertPool()
	if _, err := get(t, open(t, w.cfg), w.url("/x")); fault.Of(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("%v, want invalid with a hint", err)
	}
	if w.hits.Load() != 0 {
		t.Error("the server was asked")
	}
}
