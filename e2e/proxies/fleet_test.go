//go:build e2e

package proxies

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// long is more than anything takes on a busy machine.
const long = 90 * time.Second

// fleet is a queue and a store, and three servers on them that a proxy stands before.
type fleet struct {
	dir, store, queue string
	key               string
	servers           []*server
	picture           []byte // a slide
	done              string // ID of a slide with a result
	rest              func() // ends the worker
}

// server is a bcc serve that can be killed and comes back where it was.
type server struct {
	address, data, log string
	args               []string
	cmd                *exec.Cmd
	ended              chan struct{}
}

var joins = regexp.MustCompile(`joins it at (nats://\S+)`)

func newFleet(t *testing.T) *fleet {
	t.Helper()
	dir := t.TempDir()
	f := &fleet{dir: dir, store: filepath.Join(dir, "store")}
	run(t, "synth", "--out", filepath.Join(dir, "slides"), "--count", "1", "--bcc", "1", "--seed", "7", "--size", "2048x1536")
	f.picture = []byte(read(t, filepath.Join(dir, "slides", "synth-00000.tif")))

	// One that no proxy knows of holds the queue.
	q := f.server(t, "queue")
	q.args = append(q.args, "--queue-listen", "127.0.0.1:-1", "--workers", "0")
	q.start(t)
	until(t, "the queue's address is said", func() bool {
		if found := joins.FindSubmatch([]byte(read(t, q.log))); found != nil {
			f.queue = string(found[1])
		}
		return f.queue != ""
	})
	for i := range 3 {
		s := f.server(t, fmt.Sprintf("server%d", i+1))
		s.args = append(s.args, "--queue", f.queue, "--workers", "0", "--trusted-proxy", "127.0.0.1", "--linger", "5s",
			"--limit-minute", "0", "--limit-day", "0", "--limit-patches-day", "0")
		keys := filepath.Join(s.data, "auth")
		if i == 0 {
			said := run(t, "serve", "keys", "make", "--data", s.data, "--name", "lab")
			f.key = regexp.MustCompile(`bcc_\S+`).FindString(string(said))
		} else { // every server has to know the keys
			if err := os.CopyFS(keys, os.DirFS(filepath.Join(f.servers[0].data, "auth"))); err != nil {
				t.Fatal(err)
			}
		}
		f.servers = append(f.servers, s)
	}
	for _, s := range f.servers {
		s.start(t)
	}
	f.work(t)
	t.Cleanup(func() { f.rest() })
	return f
}

// server prepares one at a free address.
func (f *fleet) server(t *testing.T, name string) *server {
	t.Helper()
	s := &server{address: freeAddress(t), data: filepath.Join(f.dir, name), log: filepath.Join(f.dir, name+".log")}
	s.args = []string{"serve", "--addr", s.address, "--data", s.data, "--store", f.store, "--log-level", "debug", "--log-format", "json"}
	t.Cleanup(func() {
		s.kill(t)
		if t.Failed() {
			lines := slices.DeleteFunc(strings.Split(read(t, s.log), "\n"), func(l string) bool {
				return strings.Contains(l, `"GET /readyz"`) || strings.Contains(l, `"queue server"`)
			})
			t.Logf("%s said at last:\n%s", name, strings.Join(lines[max(len(lines)-12, 0):], "\n"))
		}
	})
	return s
}

// start starts it and waits until it is ready.
func (s *server) start(t *testing.T) {
	t.Helper()
	s.cmd, s.ended = begin(t, s.log, s.args...)
	until(t, "a server is ready", func() bool {
		select {
		case <-s.ended:
			t.Fatalf("bcc serve ended: %s", read(t, s.log))
		default:
		}
		res, err := http.Get("http://" + s.address + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func (s *server) kill(t *testing.T) { s.end(t, syscall.SIGKILL) }

// stop ends it in peace.
func (s *server) stop(t *testing.T) { s.end(t, syscall.SIGTERM) }

func (s *server) end(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig) // it may have ended
	select {
	case <-s.ended:
	case <-time.After(long):
		_ = s.cmd.Process.Kill()
		t.Errorf("bcc serve does not end")
	}
}

// line is what a server logs of a request.
type line struct{ Msg, Route, Client string }

func (s *server) lines(t *testing.T) (all []line) {
	t.Helper()
	for text := range strings.Lines(read(t, s.log)) {
		var l line
		if json.Unmarshal([]byte(text), &l) == nil && l.Msg == "request" {
			all = append(all, l)
		}
	}
	return all
}

// requests counts those of a route that have ended.
func (s *server) requests(t *testing.T, route string) (n int) {
	t.Helper()
	for _, l := range s.lines(t) {
		if l.Route == route {
			n++
		}
	}
	return n
}

// all counts requests that are no probes.
func (s *server) all(t *testing.T) (n int) {
	t.Helper()
	for _, l := range s.lines(t) {
		if l.Route != "GET /readyz" {
			n++
		}
	}
	return n
}

// incoming returns how many bytes of uploads lie on the server's disk.
func (s *server) incoming(t *testing.T) int64 {
	t.Helper()
	return bytesIn(t, filepath.Join(s.data, "incoming"))
}

// request returns one with the key.
func (f *fleet) request(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+f.key)
	if body != nil {
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	return r
}

// predict asks for a picture of one patch.
func (f *fleet) predict(t *testing.T, p *proxy, n uint64) *http.Request {
	t.Helper()
	pic := image.NewRGBA(image.Rect(0, 0, 224, 224))
	for i := range 224 * 224 {
		pic.Set(i%224, i/224, color.RGBA{uint8(180 + n%40), uint8(i / 1000), uint8(90 + n%100), 255})
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "patch.jpg")
	if err == nil {
		err = jpeg.Encode(part, pic, nil)
	}
	if err == nil {
		err = form.WriteField("mpp_um", "0.5")
	}
	if err != nil || form.Close() != nil {
		t.Fatal(err)
	}
	r := f.request(t, http.MethodPost, p.base+"/predict", bytes.NewReader(body.Bytes()))
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

// slide returns one that was never seen, of a size; 0: as large as it is. What stands
// behind a TIFF no reader looks at.
func (f *fleet) slide(t *testing.T, size int, salt string) []byte {
	t.Helper()
	out := make([]byte, max(size, len(f.picture)+64))
	copy(out, f.picture)
	copy(out[len(out)-64:], fmt.Sprintf("%s %d", salt, time.Now().UnixNano()))
	return out
}

func digest(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }

// order orders a slide that was sent.
func (f *fleet) order(t *testing.T, p *proxy, sha, once string) *http.Request {
	t.Helper()
	r := f.request(t, http.MethodPost, p.base+"/cohorts", strings.NewReader(fmt.Sprintf(`{"slides": [{"upload": %q}]}`, sha)))
	r.Header.Set("Content-Type", "application/json")
	if once != "" {
		r.Header.Set("Idempotency-Key", once)
	}
	return r
}

// work starts a worker; rest ends it.
func (f *fleet) work(t *testing.T) {
	t.Helper()
	cmd, ended := begin(t, filepath.Join(f.dir, "worker.log"), "worker", "--queue", f.queue, "--store", f.store)
	f.rest = sync.OnceFunc(func() { _ = cmd.Process.Signal(syscall.SIGTERM); <-ended })
}

// begin starts bcc. A test that is killed takes it along.
func begin(t *testing.T, log string, args ...string) (*exec.Cmd, chan struct{}) {
	t.Helper()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(binary(t), args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = out, out, environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	return cmd, ended
}

func environment() []string {
	return append(os.Environ(), "BCC_QUEUE_TOKEN=open-sesame", "BCC_DEVICE=cpu", "BCC_CALIBRATE=off")
}

func run(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	cmd.Env = environment()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bcc %s: %v", args[0], err)
	}
	return out
}

func binary(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../bin/bcc")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: make e2e-proxies builds it", err)
	}
	return path
}

// load is clients that read and predict, one request after the other.
type load struct {
	stop  chan struct{}
	wg    sync.WaitGroup
	mu    sync.Mutex
	n     int
	wrong []string
}

func (f *fleet) load(t *testing.T, p *proxy) *load {
	l := &load{stop: make(chan struct{})}
	for i := range 4 {
		c := p.client("127.0.0.1")
		l.wg.Go(func() {
			for n := i; ; n++ {
				select {
				case <-l.stop:
					return
				default:
				}
				r := f.request(t, http.MethodGet, p.base+"/slides/"+f.done+"/result", nil)
				if n%2 == 0 {
					r = f.predict(t, p, uint64(n))
				}
				l.note(c.Do(r))
			}
		})
	}
	t.Cleanup(func() { l.end() })
	return l
}

func (l *load) note(res *http.Response, err error) {
	wrong := ""
	if err != nil {
		wrong = err.Error()
	} else {
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			wrong = fmt.Sprintf("%s %s: %v %.200s", res.Request.Method, res.Status, err, text)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n++; wrong != "" {
		l.wrong = append(l.wrong, wrong)
	}
}

// until waits for so many more answers.
func (l *load) until(t *testing.T, more int) {
	t.Helper()
	count := func() int { l.mu.Lock(); defer l.mu.Unlock(); return l.n }
	from := count()
	until(t, fmt.Sprintf("%d requests are answered", more), func() bool { return count() >= from+more })
}

func (l *load) end() (n int, wrong []string) {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.wg.Wait()
	return l.n, l.wrong
}
