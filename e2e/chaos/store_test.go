//go:build e2e

package chaos

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"bcc/blob"
)

// Credentials of the storage of a run.
const (
	accessKey = "bcc"
	secretKey = "bcc-secret"
	bucket    = "chaos"
)

// storage is versity gateway over a folder, behind a proxy that makes trouble.
type storage struct {
	gateway *process
	direct  string // URL of the gateway, for those who look at the end
	url     string // of the proxy
	data    string // the gateway's folder
	trouble trouble
}

func newStorage(t *testing.T, d *diary, tools tools, host string, seed uint64) *storage {
	t.Helper()
	port := freePort(t, "127.0.0.1")
	s := &storage{direct: fmt.Sprintf("http://127.0.0.1:%d", port), data: d.path("s3", "data")}
	meta := d.path("s3", "meta")
	for _, dir := range []string{filepath.Join(s.data, bucket), meta} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.gateway = newProcess(d, "versitygw", []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey},
		tools.gateway, "--port", fmt.Sprintf("127.0.0.1:%d", port), "--quiet", "posix", "--sidecar", meta, s.data)

	target, err := url.Parse(s.direct)
	if err != nil {
		t.Fatal(err)
	}
	s.trouble.dice = rand.New(rand.NewPCG(seed, 3))
	s.trouble.next = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { // the host is signed: it stays
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host
		},
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // that connections end is what this is for
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String()
	server := &http.Server{Handler: &s.trouble}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return s
}

// start starts the gateway and waits until it answers.
func (s *storage) start(t *testing.T) {
	t.Helper()
	if err := s.gateway.start(); err != nil {
		t.Fatal(err)
	}
	store := s.open(t)
	if err := until(t.Context(), 30*time.Second, func() error { return store.Check(t.Context()) }); err != nil {
		t.Fatalf("versity gateway: %v", err)
	}
}

// open returns the store as it is, past all trouble.
func (s *storage) open(t *testing.T) *blob.S3Store {
	t.Helper()
	cfg := blob.DefaultS3Config()
	cfg.Bucket, cfg.Prefix, cfg.Endpoint, cfg.PathStyle = bucket, "bcc", s.direct, true
	cfg.AccessKey, cfg.SecretKey = accessKey, secretKey
	store, err := blob.OpenS3(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// trouble is what goes wrong between a client and the storage. Each is a depth, since
// two faults of a kind may overlap.
type trouble struct {
	next http.Handler
	mu   sync.Mutex
	dice *rand.Rand

	slow, fail, stop int
	made             map[string]int // what was done to requests
}

func (t *trouble) set(depth *int, by int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*depth += by
}

// decide says what happens to the next request.
func (t *trouble) decide() (delay time.Duration, how string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.slow > 0 {
		delay = time.Duration(t.dice.ExpFloat64() * float64(300*time.Millisecond))
		delay = min(delay, 2*time.Second)
	}
	if t.fail > 0 {
		how = []string{"", "", "500", "503", "broken", "lost"}[t.dice.IntN(6)]
	}
	if t.stop > 0 {
		how = "stopped"
	}
	if t.made == nil {
		t.made = map[string]int{}
	}
	if delay > 0 {
		t.made["slow"]++
	}
	t.made[how]++
	return delay, how
}

func (t *trouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	delay, how := t.decide()
	pause(r.Context(), delay)
	switch how {
	case "":
		t.next.ServeHTTP(w, r)
	case "500":
		refuse(w, r, http.StatusInternalServerError, "InternalError")
	case "503":
		refuse(w, r, http.StatusServiceUnavailable, "SlowDown")
	case "broken": // half of the answer
		t.next.ServeHTTP(&half{ResponseWriter: w}, r)
		panic(http.ErrAbortHandler)
	case "lost": // it is done, and nobody hears that it is
		t.next.ServeHTTP(&nowhere{header: http.Header{}}, r)
		refuse(w, r, http.StatusInternalServerError, "InternalError")
	case "stopped": // as a machine that is gone: the connection ends without a word
		panic(http.ErrAbortHandler)
	}
}

func refuse(w http.ResponseWriter, r *http.Request, status int, code string) {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 64<<10))
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>chaos</Message></Error>`, code)
}

// half lets half of a body through.
type half struct {
	http.ResponseWriter
	sent bool
}

func (h *half) Write(b []byte) (int, error) {
	if !h.sent {
		h.sent = true
		_, _ = h.ResponseWriter.Write(b[:len(b)/2])
	}
	return len(b), nil
}

func (h *half) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// nowhere takes an answer that nobody will get.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}
