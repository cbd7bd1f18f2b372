//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// target is a bcc serve that is attacked.
type target struct {
	base  string // http://127.0.0.1:PORT
	data  string
	key   string // sent with requests; empty: none
	cmd   *exec.Cmd
	said  *words
	ended chan error
}

// words collects what a process says while others read it.
type words struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// attack starts bcc serve on a free port. At the end it has to stop when it is told to,
// with exit code 0, having left nothing of what was on its way and said no secret.
func attack(t *testing.T, args ...string) *target {
	t.Helper()
	return attackOn(t, t.TempDir(), nil, args...)
}

// attackOn is attack on a data folder, by a command that runs its arguments.
func attackOn(t *testing.T, data string, by []string, args ...string) *target {
	t.Helper()
	at := filepath.Join(t.TempDir(), "address")
	line := append(slices.Clone(by), binary, "serve", "--addr", "127.0.0.1:0", "--addr-file", at, "--data", data, "--device", "cpu")
	line = append(line, args...)
	s := &target{data: data, cmd: exec.Command(line[0], line[1:]...), said: &words{}, ended: make(chan error, 1)}
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(func() { s.end(t) })
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-s.ended:
			s.ended <- err
			t.Fatalf("bcc serve ended: %v\n%s", err, s.said)
		default:
		}
		b, err := os.ReadFile(at)
		if err != nil {
			continue
		}
		s.base = "http://" + strings.TrimSpace(string(b))
		if res, err := http.Get(s.base + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return s
			}
		}
	}
	t.Fatalf("bcc serve is not ready after 60 s:\n%s", s.said)
	return nil
}

// end stops the server and looks at what it leaves.
func (s *target) end(t *testing.T) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("bcc serve ended with %v", err)
		}
	case <-time.After(60 * time.Second):
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		<-s.ended
		t.Error("bcc serve did not end within 60 s of SIGTERM")
	}
	s.cmd = nil
	for _, dir := range []string{"incoming", "scratch"} {
		if left := leftovers(filepath.Join(s.data, dir)); len(left) > 0 {
			t.Errorf("%d files are left in %s", len(left), dir)
		}
	}
	said := s.said.String()
	for _, bad := range []string{"goroutine ", "panic", "DATA RACE"} {
		if strings.Contains(said, bad) {
			t.Errorf("it said %q", bad)
		}
	}
	if t.Failed() {
		t.Logf("bcc serve said:\n%.6000s", said)
	}
}

// kill ends the server as a power cut would.
func (s *target) kill(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	s.cmd = nil
}

func (s *target) audit(t *testing.T) string {
	t.Helper()
	time.Sleep(1200 * time.Millisecond) // lines go out once a second
	b, err := os.ReadFile(filepath.Join(s.data, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// keepsQuiet fails the test where log or audit hold one of the words.
func (s *target) keepsQuiet(t *testing.T, secrets ...string) {
	t.Helper()
	log, audit := s.said.String(), s.audit(t)
	for _, w := range secrets {
		if strings.Contains(log, w) {
			t.Errorf("the log holds %q", w)
		}
		if strings.Contains(audit, w) {
			t.Errorf("the audit log holds %q", w)
		}
	}
}

// reply is what a request got.
type reply struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
}

// client keeps no connection: the tests close them in every other way.
var client = &http.Client{
	Timeout:   2 * time.Minute,
	Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	},
}

// ask sends a request; headers come in pairs. It may be called by any goroutine.
func (s *target) ask(method, path string, body io.Reader, headers ...string) (reply, error) {
	r, err := http.NewRequest(method, s.base+path, body)
	if err != nil {
		return reply{}, err
	}
	if s.key != "" {
		r.Header.Set("Authorization", "Bearer "+s.key)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	begun := time.Now()
	res, err := client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, data, time.Since(begun)}, err
}

func (s *target) must(t *testing.T, method, path string, body io.Reader, headers ...string) reply {
	t.Helper()
	a, err := s.ask(method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// as asks with another key.
func (s *target) as(key string) *target {
	other := *s
	other.key = key
	return &other
}

func (a reply) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%d %.300q: %v", a.status, a.body, err)
	}
	return v
}

// refused fails the test where the answer is not one of the statuses, with an error
// that says what, and which request in the log it is.
func (a reply) refused(t *testing.T, what string, statuses ...int) {
	t.Helper()
	var v struct {
		Error struct {
			Code      int
			Message   string
			Details   string
			RequestID string `json:"request_id"`
		}
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Errorf("%s: %d %.300q", what, a.status, a.body)
		return
	}
	if e := v.Error; !slices.Contains(statuses, a.status) || e.Code != a.status || e.Message == "" || e.RequestID == "" || e.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("%s: %d %.300q, want %v", what, a.status, a.body, statuses)
	}
}

// formOf is multipart/form-data with a file and fields.
func formOf(name string, data []byte, fields ...string) (io.Reader, string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		_ = w.WriteField(fields[i], fields[i+1])
	}
	p, _ := w.CreateFormFile("file", name)
	_, _ = p.Write(data)
	_ = w.Close()
	return &b, w.FormDataContentType()
}

func (s *target) predict(name string, data []byte, fields ...string) (reply, error) {
	body, kind := formOf(name, data, fields...)
	return s.ask("POST", "/predict", body, "Content-Type", kind)
}

// tick makes every picture another one: an answer that is remembered shows nothing.
var tick atomic.Uint32

// picture is a PNG of size² pixels in the colours of skin.
func picture(size int) []byte {
	n := tick.Add(1)
	m := image.NewRGBA(image.Rect(0, 0, size, size))
	for i := range size * size {
		m.SetRGBA(i%size, i/size, color.RGBA{uint8(190 + i%40), uint8(110 + i%30), uint8(160 + i%20), 255})
	}
	m.SetRGBA(0, 0, color.RGBA{uint8(n), uint8(n >> 8), uint8(n >> 16), 255})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// bystander is a client that means no harm and wants to be served meanwhile.
type bystander struct {
	stop            context.CancelFunc
	done            chan struct{}
	health, predict []time.Duration
	troubles        []string
	peak            int64 // RSS of the server, bytes
}

// bystander asks for /health and for a prediction, again and again.
func (s *target) bystander() *bystander {
	ctx, stop := context.WithCancel(context.Background())
	b := &bystander{stop: stop, done: make(chan struct{})}
	var watch sync.WaitGroup
	watch.Go(func() {
		for ctx.Err() == nil {
			b.peak = max(b.peak, residentBytes(s.cmd.Process.Pid))
			time.Sleep(20 * time.Millisecond)
		}
	})
	go func() {
		defer close(b.done)
		for ctx.Err() == nil {
			a, err := s.ask("GET", "/health", nil)
			b.note(&b.health, "/health", a, err)
			if a, err = s.predict("p.png", picture(224)); true {
				b.note(&b.predict, "/predict", a, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		watch.Wait()
	}()
	return b
}

func (b *bystander) note(at *[]time.Duration, what string, a reply, err error) {
	switch {
	case err != nil:
		b.troubles = append(b.troubles, what+": "+err.Error())
	case a.status != http.StatusOK:
		b.troubles = append(b.troubles, fmt.Sprintf("%s: %d %.200s", what, a.status, a.body))
	default:
		*at = append(*at, a.took)
	}
}

// report ends the bystander and says how it went, in a line for docs/results.md. Each
// answer has to be a good one.
func (b *bystander) report(t *testing.T, when string) (predictMedian time.Duration) {
	t.Helper()
	b.stop()
	<-b.done
	for i, w := range b.troubles {
		if i < 5 {
			t.Errorf("%s, others are not served: %s", when, w)
		}
	}
	if len(b.health) == 0 || len(b.predict) == 0 {
		t.Fatalf("%s: nobody was served", when)
	}
	slices.Sort(b.health)
	slices.Sort(b.predict)
	at := func(v []time.Duration, q float64) float64 {
		return float64(v[int(q*float64(len(v)-1))].Microseconds()) / 1000
	}
	t.Logf("%s: /health p50 %.1f p99 %.1f ms, /predict p50 %.1f p99 %.1f ms (%d each), server RSS at most %d MB",
		when, at(b.health, .5), at(b.health, .99), at(b.predict, .5), at(b.predict, .99), len(b.predict), b.peak/mb)
	if slow := b.health[len(b.health)-1]; slow > 5*time.Second {
		t.Errorf("%s: /health took %v", when, slow)
	}
	return b.predict[len(b.predict)/2]
}

// quietly is how the server serves when nobody attacks it.
func (s *target) quietly(t *testing.T) {
	t.Helper()
	b := s.bystander()
	time.Sleep(2 * time.Second)
	b.report(t, "before")
}

// dial opens a connection; the test closes it.
func (s *target) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// raw sends bytes as they are and returns all that comes back until the server closes.
func (s *target) raw(t *testing.T, text string) string {
	t.Helper()
	return s.rest(t, text, false)
}

// cut is raw, but the client's side is closed behind the bytes.
func (s *target) cut(t *testing.T, text string) string {
	t.Helper()
	return s.rest(t, text, true)
}

func (s *target) rest(t *testing.T, text string, cut bool) string {
	t.Helper()
	c := s.dial(t)
	defer c.Close()
	if _, err := io.WriteString(c, text); err == nil && cut {
		_ = c.(*net.TCPConn).CloseWrite()
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b, _ := io.ReadAll(c)
	return string(b)
}

// pour sends a body of any length while it waits for the answer, as net/http's client
// does not: it may take the end of the connection for the end of all.
func (s *target) pour(t *testing.T, path, kind string, body io.Reader) reply {
	t.Helper()
	begun := time.Now()
	c := s.dial(t)
	defer c.Close()
	go func() {
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n", path, kind)
		w := httputil.NewChunkedWriter(c)
		if _, err := io.Copy(w, body); err == nil {
			_ = w.Close()
			_, _ = io.WriteString(c, "\r\n")
		}
	}()
	_ = c.SetReadDeadline(begun.Add(time.Minute))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Errorf("POST %s: %v", path, err)
		return reply{}
	}
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("POST %s: %v", path, err)
	}
	return reply{res.StatusCode, res.Header, data, time.Since(begun)}
}

// makeKey makes an API key in a data folder.
func makeKey(t *testing.T, data, name string, more ...string) (id, token string) {
	t.Helper()
	o := must(t, append([]string{"serve", "keys", "make", "--data", data, "--name", name, "--json"}, more...)...)
	var v struct{ ID, Token string }
	if err := json.Unmarshal([]byte(o.out), &v); err != nil {
		t.Fatal(err)
	}
	return v.ID, v.Token
}

// unlimited takes the limits of a key away: attacks are many requests.
var unlimited = []string{"--limit-minute", "0", "--limit-day", "0", "--limit-patches-day", "0"}
