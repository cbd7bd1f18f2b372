package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"bcc/balance"
)

// said is what a command says while it runs.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// find waits until the command has said what the expression's group is.
func (s *said) find(t *testing.T, expr string) string {
	t.Helper()
	re := regexp.MustCompile(expr)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if m := re.FindStringSubmatch(s.String()); m != nil {
			return m[1]
		}
	}
	t.Fatalf("it does not say %s but %q", expr, s)
	return ""
}

// balanced runs bcc balance until the test ends, and returns where it and its page are.
func balanced(t *testing.T, args ...string) (at, admin string, out *said) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out = &said{}
	ended := make(chan int, 1)
	go func() {
		ended <- Run(ctx, append([]string{"balance", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--probe", "20ms"}, args...), Streams{Out: out, Err: out})
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("it ends with %d: %s", code, out)
		}
	})
	return out.find(t, `balancing at (\S+)\n`), out.find(t, `metrics at (\S+)\n`), out
}

// until waits until the page's servers are as wanted.
func until(t *testing.T, admin string, ok func([]balance.Member) bool) {
	t.Helper()
	var members []balance.Member
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if members = nil; json.Unmarshal([]byte(body(t, http.DefaultClient, admin+"/servers", 200)), &members) == nil && ok(members) {
			return
		}
	}
	t.Fatalf("it stays %+v", members)
}

func body(t *testing.T, c *http.Client, url string, status int) string {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		t.Fatalf("%s: %s, %v: %s", url, res.Status, err, data)
	}
	return string(data)
}

func hello(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, name+" "+r.Header.Get("X-Forwarded-Proto"))
	}
}

// With TLS by files to clients, and to servers whose roots are in a file.
func TestBalanceWithTLSByFiles(t *testing.T) {
	t.Parallel()
	back := httptest.NewTLSServer(hello("here"))
	t.Cleanup(back.Close)
	dir := t.TempDir()
	cert, key, roots := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"), filepath.Join(dir, "roots.pem")
	writeCert(t, cert, key, 7)
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: back.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	at, admin, _ := balanced(t, "--to", back.URL, "--to-ca", roots, "--tls-cert", cert, "--tls-key", key)
	until(t, admin, func(m []balance.Member) bool { return len(m) == 1 && m[0].State == "ready" })
	pool := x509.NewCertPool()
	data, err := os.ReadFile(cert)
	if err != nil || !pool.AppendCertsFromPEM(data) {
		t.Fatal(err)
	}
	for name, http2 := range map[string]bool{"1": false, "2": true} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: http2}
		c := &http.Client{Transport: tr}
		defer tr.CloseIdleConnections()
		if !strings.HasPrefix(at, "https://127.0.0.1:") || body(t, c, at, 200) != "here https" {
			t.Errorf("HTTP/%s: at %s it answers otherwise", name, at)
		}
	}
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11}}}
	if res, err := old.Get(at); err == nil {
		res.Body.Close()
		t.Error("it speaks TLS 1.1")
	}
}

// A server whose certificate nobody vouches for is none, and the page says why.
func TestBalanceDoesNotTrustAnyCertificate(t *testing.T) {
	t.Parallel()
	back := httptest.NewUnstartedServer(hello("nobody"))
	back.Config.ErrorLog = log.New(io.Discard, "", 0) // it hears of it, again and again
	back.StartTLS()
	t.Cleanup(back.Close)
	_, admin, out := balanced(t, "--to", back.URL)
	out.find(t, `(does not answer yet" server=\S+ why=".*certificate)`)
	if page := body(t, http.DefaultClient, admin, 200); !strings.Contains(page, "0 of 1 take requests") || !strings.Contains(page, "certificate") {
		t.Errorf("the page says %s", page)
	}
}

// The page shows the servers, and holds and releases them for whoever clicks there.
func TestThePageOfServers(t *testing.T) {
	t.Parallel()
	a, b := httptest.NewServer(hello("a")), httptest.NewServer(hello("b"))
	t.Cleanup(a.Close)
	t.Cleanup(b.Close)
	at, admin, out := balanced(t, "--to", a.URL+","+b.URL)
	count := func(state string) func([]balance.Member) bool {
		return func(all []balance.Member) bool {
			n := 0
			for _, m := range all {
				if m.State == state {
					n++
				}
			}
			return n == 2 || state != "ready" && n == 1
		}
	}
	until(t, admin, count("ready"))
	page := body(t, http.DefaultClient, admin, 200)
	actions := regexp.MustCompile(`action="(hold\?server=[^"]+)"`).FindAllStringSubmatch(page, -1)
	if !strings.Contains(page, "2 of 2 take requests. 0 requests wait for a turn") || len(actions) != 2 {
		t.Fatalf("the page says %s", page)
	}
	post := func(action, site string) int {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", admin+"/"+action, nil)
		r.Header.Set("Sec-Fetch-Site", site)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if n := post(actions[0][1], "cross-site"); n != 403 {
		t.Errorf("from another page: %d", n)
	}
	if n := post("hold?server=10.0.0.1:1", "same-origin"); n != 404 {
		t.Errorf("a server that is none: %d", n)
	}
	if n := post(actions[0][1], "same-origin"); n != 204 {
		t.Errorf("hold: %d", n)
	}
	until(t, admin, count("draining"))
	out.find(t, `(a server is held)`)
	page = body(t, http.DefaultClient, admin, 200)
	release := regexp.MustCompile(`action="(release\?server=[^"]+)"`).FindStringSubmatch(page)
	if !strings.Contains(page, "1 of 2 take requests") || !strings.Contains(page, "<small>held</small>") || release == nil {
		t.Fatalf("the page says %s", page)
	}
	first := body(t, http.DefaultClient, at, 200)
	for range 20 {
		if got := body(t, http.DefaultClient, at, 200); got != first {
			t.Errorf("who is held answers: %q after %q", got, first)
		}
	}
	if n := post(release[1], "same-origin"); n != 204 {
		t.Errorf("release: %d", n)
	}
	until(t, admin, count("ready"))
}
