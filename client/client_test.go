package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bcc/client"
	"bcc/fault"
)

// notes are the lines that a client says while it waits.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lines)
}

// to returns a client of a server, which waits for hundredths of seconds.
func to(t *testing.T, server string, change ...func(*client.Config)) (*client.Client, *notes) {
	t.Helper()
	n := &notes{}
	cfg := client.DefaultConfig()
	cfg.Server, cfg.Patience, cfg.Note = server, 20*time.Second, n.add
	for _, c := range change {
		c(&cfg)
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.Brisk()
	t.Cleanup(func() { c.Close() })
	return c, n
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

const id = "caaaaaaaaaaaaaaaaaaaaaaaaa"

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func refuse(w http.ResponseWriter, status int, message, details string) {
	answer(w, status, fmt.Sprintf(`{"error": {"code": %d, "message": %q, "details": %q}}`, status, message, details))
}

func TestItAsksAgainUntilTheServerIsThere(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	var keys notes
	var asked atomic.Int32
	c, said := to(t, "http://"+addr, func(c *client.Config) {
		note := c.Note
		c.Note = func(line string) { // it was refused once: now the server starts
			note(line)
			if asked.Add(1) > 1 {
				return
			}
			ln, err := net.Listen("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				keys.add(r.Header.Get("Idempotency-Key"))
				switch len(keys.all()) {
				case 1:
					w.Header().Set("Retry-After", "1")
					refuse(w, 503, "the server is shutting down", "try again in a moment")
				case 2: // it did the work and died before it said so
					conn, _, _ := w.(http.Hijacker).Hijack()
					conn.Close()
				default:
					answer(w, 201, `{"id": "`+id+`"}`)
				}
			})}
			go s.Serve(ln)
			t.Cleanup(func() { s.Close() })
		}
	})
	made, err := c.Submit(t.Context(), client.Order{Slides: []client.OrderSlide{{URL: "https://host/secret.tif"}}})
	if err != nil || made.ID != id {
		t.Fatalf("%+v, %v", made, err)
	}
	if k := keys.all(); len(k) != 3 || k[0] == "" || k[0] != k[1] || k[1] != k[2] {
		t.Errorf("sent under the keys %q, want one and the same", k)
	}
	lines := said.all()
	for i, want := range []string{"does not answer: connection refused; trying again in ", "cannot do it now: the server is shutting down; trying again in ", "does not answer: the connection broke off; trying again in "} {
		if i >= len(lines) || !strings.Contains(lines[i], addr) || !strings.Contains(lines[i], want) || strings.Contains(lines[i], "secret") {
			t.Errorf("says %q, want %q in line %d", lines, want, i+1)
		}
	}
}

func TestItGivesUpWhenPatienceEnds(t *testing.T) {
	t.Parallel()
	c, said := to(t, "http://127.0.0.1:1", func(c *client.Config) { c.Patience = 300 * time.Millisecond })
	_, err := c.Cohorts(t.Context())
	if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "the server at 127.0.0.1:1 does not answer: connection refused") || !strings.Contains(fault.HintOf(err), "bcc serve") {
		t.Errorf("error %v with hint %q", err, fault.HintOf(err))
	}
	waits := len(said.all())
	if waits == 0 {
		t.Error("it waits and says nothing")
	}
	if err := c.Once().Health(t.Context()); fault.Of(err) != fault.Unavailable || len(said.all()) != waits {
		t.Errorf("once: %v after %q", err, said.all())
	}
	c, said = to(t, "http://127.0.0.1:1", func(c *client.Config) { c.Patience = 0 })
	if err := c.Health(t.Context()); fault.Of(err) != fault.Unavailable || len(said.all()) != 0 {
		t.Errorf("without patience: %v after %q", err, said.all())
	}
}

func TestABusyServerIsBelieved(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			refuse(w, 429, "20000 slides wait already", "")
			return
		}
		answer(w, 200, `{"cohorts": []}`)
	})
	// No patience with one that is away: a busy one lives.
	c, said := to(t, url, func(c *client.Config) { c.Patience = 0 })
	begun := time.Now()
	if _, err := c.Cohorts(t.Context()); err != nil || time.Since(begun) < time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	if lines := said.all(); len(lines) != 1 || !strings.Contains(lines[0], "says to come later: 20000 slides wait already; trying again in ") {
		t.Errorf("says %q", lines)
	}
	n.Store(0)
	c, _ = to(t, url, func(c *client.Config) { c.Busy = 500 * time.Millisecond }) // shorter than it is told to wait: no use in waiting
	if _, err := c.Cohorts(t.Context()); fault.Of(err) != fault.Busy || !strings.Contains(err.Error(), "20000 slides") {
		t.Errorf("error %v, want busy", err)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	c, _ := to(t, "http://127.0.0.1:1", func(c *client.Config) { c.Note = func(string) { stop() } })
	if err := c.Health(ctx); err != context.Canceled {
		t.Errorf("error %v", err)
	}
}

func TestAnErrorKeepsItsKindAndItsHint(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		status      int
		kind        fault.Kind
		words, hint string
	}{
		{400, fault.Invalid, "wrong", "do so"}, {404, fault.NotFound, "wrong", "do so"}, {415, fault.Unsupported, "wrong", "do so"},
		{422, fault.Corrupt, "wrong", "do so"}, {403, fault.Invalid, "wrong", "do so"}, {413, fault.Invalid, "wrong", "do so"},
		{500, fault.Internal, "wrong", "do so"}, {401, fault.Invalid, "asks for a key", ""},
	} {
		c, _ := to(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, x.status, "wrong", "do so") }))
		_, err := c.Cohort(t.Context(), id)
		if fault.Of(err) != x.kind || !strings.Contains(err.Error(), x.words) || fault.HintOf(err) != x.hint {
			t.Errorf("%d: %v, %v, hint %q", x.status, fault.Of(err), err, fault.HintOf(err))
		}
	}
}

func TestWhatIsNoServerOfOursIsToldSo(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"a page":        func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>router</html>") },
		"other JSON":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"a": 1}`) },
		"another's 404": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "404 page not found", 404) },
		"a teapot":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) },
	} {
		c, _ := to(t, serve(t, h))
		if err := c.Health(t.Context()); fault.Of(err) != fault.Unsupported || !strings.Contains(err.Error(), "no bcc server") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheKeyGoesToTheServerThatWasNamed(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("asked elsewhere, with %q", r.Header.Get("Authorization"))
	})
	var got notes
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got.add(r.Header.Get("Authorization"))
		http.Redirect(w, r, elsewhere+"/cohorts", http.StatusTemporaryRedirect)
	})
	c, _ := to(t, url, func(c *client.Config) { c.Key = "bcc_key" })
	_, err := c.Cohorts(t.Context())
	if got.all()[0] != "Bearer bcc_key" || fault.Of(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), elsewhere) {
		t.Errorf("sent %q, error %v with hint %q", got.all(), err, fault.HintOf(err))
	}
}

func TestAddressesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"", "bcc.example.org", "ftp://host", "http://", "http://me:secret@host", "http://host/?a=b", "http://ho st"} {
		cfg := client.DefaultConfig()
		cfg.Server = server
		if _, err := client.New(cfg); fault.Of(err) != fault.Invalid || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", server, err)
		}
	}
	cfg := client.DefaultConfig()
	cfg.Key, cfg.Patience, cfg.Silence = "two words", -1, 0
	if err := cfg.Validate(); err == nil || strings.Count(err.Error(), "\n") != 2 || strings.Contains(err.Error(), "two words") {
		t.Errorf("not all at once: %v", err)
	}
}

func TestAPathBeforeTheServerStays(t *testing.T) {
	t.Parallel()
	c, _ := to(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, fmt.Sprintf(`{"id": %q, "name": %q}`, id, r.URL.RequestURI()))
	})+"/lab/bcc/")
	if got, err := c.Cohort(t.Context(), "a/../b"); err != nil || got.Name != "/lab/bcc/cohorts/a%2F..%2Fb?limit=0" {
		t.Errorf("asked for %s, %v", got.Name, err)
	}
}

func TestSlidesAreReadPageByPage(t *testing.T) {
	t.Parallel()
	var asked notes
	c, _ := to(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.add(r.URL.RawQuery)
		if r.URL.Query().Get("offset") == "" {
			answer(w, 200, `{"id": "`+id+`", "slides": [{"id": "c-0"}, {"id": "c-1"}], "next": 2}`)
			return
		}
		answer(w, 200, `{"id": "`+id+`", "slides": [{"id": "c-2"}], "next": null}`)
	}))
	var ids []string
	for s, err := range c.Slides(t.Context(), id) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.ID)
	}
	if !slices.Equal(ids, []string{"c-0", "c-1", "c-2"}) || !slices.Equal(asked.all(), []string{"limit=1000", "limit=1000&offset=2"}) {
		t.Errorf("slides %v by %v", ids, asked.all())
	}
}

// uploads is a server that keeps what is sent to it.
type uploads struct {
	mu   sync.Mutex
	have map[string]int64
	sent int
	full atomic.Bool // says 429 before it reads
}

func (u *uploads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if sum, is := strings.CutPrefix(r.URL.Path, "/uploads/"); is {
		if n, known := u.have[sum]; known {
			answer(w, 200, fmt.Sprintf(`{"upload": %q, "bytes": %d}`, sum, n))
			return
		}
		refuse(w, 404, "no such upload", "")
		return
	}
	if u.full.Swap(false) {
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Connection", "close")
		refuse(w, 429, "full", "")
		return
	}
	if r.URL.RawQuery != "" {
		panic("a name is sent")
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	u.sent++
	sum := sumOf(data)
	u.have[sum] = int64(len(data))
	b, _ := json.Marshal(map[string]any{"upload": sum, "bytes": len(data)})
	answer(w, 201, string(b))
}

func TestAFileIsSentOnce(t *testing.T) {
	t.Parallel()
	u := &uploads{have: map[string]int64{}}
	u.full.Store(true)
	c, said := to(t, serve(t, u.ServeHTTP))
	path := filepath.Join(t.TempDir(), "Anna Example.tif")
	data := []byte(strings.Repeat("slide ", 1<<20)) // more than the kernel's buffers: a server that says no must not break the sending
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, x := range []struct{ always, sent bool }{{false, true}, {false, false}, {true, true}} {
		got, err := c.Upload(t.Context(), path, x.always)
		if err != nil || got.SHA256 != sumOf(data) || got.Bytes != int64(len(data)) || got.Sent != x.sent {
			t.Errorf("time %d: %+v, %v", i+1, got, err)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sent != 2 {
		t.Errorf("sent %d times", u.sent)
	}
	if lines := said.all(); len(lines) != 1 || !strings.Contains(lines[0], "come later: full") {
		t.Errorf("says %q", lines)
	}
	for path, kind := range map[string]fault.Kind{filepath.Join(t.TempDir(), "Otto Example.tif"): fault.NotFound, t.TempDir(): fault.Invalid} {
		if _, err := c.Upload(t.Context(), path, false); fault.Of(err) != kind || !isFile(err) || strings.Contains(err.Error(), "Example") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
