// Package balance hands HTTP requests out to several servers that are alike.
//
// In: requests, and who the members are. Out: the answer of the member that is likely
// to give it soonest. Nothing is lost that could safely be asked again: who does not
// answer is left out, and what had not begun, or may be done twice, goes to another.
// Bodies stream through; only the beginning of what is sent is kept for such a second
// try.
//
//	balance.go   a request's way
//	config.go    what can be set
//	member.go    what is known of a server
//	pool.go      who there is
//	pick.go      two random choices, of those that are quick
//	health.go    asks members how they are; ejection, slow return
//	try.go       tries, and tries again; kept.go: what was sent
//	hedge.go     a read that takes long is asked of a second one
//	fair.go      a turn for each key
//	forward.go   who the client is, through proxies that are trusted
//	source.go    members out of a list, a file, a name in DNS
//	status.go    what a person wants to see; metrics.go
package balance

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync"
	"time"

	"bcc/fault"
)

// Balancer is an http.Handler. Run keeps it informed.
type Balancer struct {
	cfg     Config
	log     *slog.Logger
	pool    pool
	turns   *turns
	retries budget
	hedges  budget
	reads   latencies // of reads, for when a second member is asked
	proxy   *httputil.ReverseProxy
	metrics *metrics

	mu       sync.Mutex
	draining bool
}

// New returns one that knows no members yet; Run finds them.
func New(cfg Config) (*Balancer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &Balancer{
		cfg: cfg, log: cfg.Logger, turns: newTurns(cfg.PerMember, cfg.Waiting),
		retries: budget{share: cfg.RetryShare, most: retryBurst, left: retryBurst},
		hedges:  budget{share: cfg.HedgeShare, most: hedgeBurst},
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.pool.cfg, b.pool.log = &b.cfg, b.log
	var err error
	if b.metrics, err = newMetrics(cfg.Registerer, b); err != nil {
		return nil, err
	}
	b.proxy = &httputil.ReverseProxy{
		Rewrite:      b.rewrite,
		Transport:    tries{b},
		ErrorHandler: b.failed,
		ErrorLog:     slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
		BufferPool:   &buffers,
	}
	return b, nil
}

// The bytes of a copy of an answer's body.
var buffers = bufferPool{sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}}

type bufferPool struct{ sync.Pool }

func (p *bufferPool) Get() []byte  { return *p.Pool.Get().(*[]byte) }
func (p *bufferPool) Put(b []byte) { p.Pool.Put(&b) }

func (b *Balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	if r.Method == http.MethodConnect {
		answer(w, refusal{status: http.StatusBadRequest, message: "this is no proxy to elsewhere"})
		return
	}
	if !lasting(r) {
		give, err := b.turns.take(r.Context(), b.key(r), b.cfg.Patience)
		if err != nil {
			b.failed(w, r, err)
			return
		}
		defer give()
	}
	seen := &statusWriter{ResponseWriter: w}
	// A client that goes away in the middle of an answer ends this with a panic that
	// http.Server knows.
	defer func() { b.metrics.answered(r, seen.status, time.Since(begun)) }()
	b.proxy.ServeHTTP(seen, r)
}

// lasting reports whether a request stays open for long with little to do, so that it
// takes nobody's turn: events and WebSockets.
func lasting(r *http.Request) bool {
	return r.Header.Get("Upgrade") != "" || r.Header.Get("Accept") == "text/event-stream"
}

// Drain ends with ready: probes of whoever stands in front are told to go elsewhere.
func (b *Balancer) Drain() {
	b.mu.Lock()
	b.draining = true
	b.mu.Unlock()
}

// Ready reports whether requests can be taken, else why not.
func (b *Balancer) Ready() error {
	b.mu.Lock()
	draining := b.draining
	b.mu.Unlock()
	switch {
	case draining:
		return fault.New(fault.Unavailable, "draining")
	case b.pool.usable() == 0:
		return fault.New(fault.Unavailable, "no server can be asked")
	}
	return nil
}

// Run follows the source of members and asks each how it is, until ctx ends.
func (b *Balancer) Run(ctx context.Context) error {
	return b.pool.run(ctx, b.turns.capacity)
}

// refusal is what the balancer answers by itself.
type refusal struct {
	status  int
	message string
	hint    string
	after   time.Duration // when to come again; 0: not said
}

func (r refusal) Error() string { return r.message }

// failed answers a request that no member did.
func (b *Balancer) failed(w http.ResponseWriter, r *http.Request, err error) {
	var no refusal
	var tooLarge *http.MaxBytesError
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody is there to be told
	case errors.As(err, &no):
	case errors.As(err, &tooLarge):
		no = refusal{status: http.StatusRequestEntityTooLarge, message: "the body is too large"}
	case errors.Is(err, errTimeout):
		no = refusal{status: http.StatusGatewayTimeout, message: "the server did not answer in time", hint: "it may still do what was asked: look before sending it again"}
	default:
		no = refusal{status: http.StatusBadGateway, message: "the server went away in the middle of the request", hint: "it may have done what was asked: look before sending it again"}
	}
	if no.status >= 500 {
		b.log.Warn("request failed", "method", r.Method, "status", no.status, "error", err)
	}
	answer(w, no)
}

// answer writes an error in the form of the servers'.
func answer(w http.ResponseWriter, no refusal) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if no.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(no.after.Seconds()))))
	}
	w.WriteHeader(no.status)
	type detail struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Details string `json:"details"`
	}
	_ = json.NewEncoder(w).Encode(struct {
		Error detail `json:"error"`
	}{detail{no.status, no.message, no.hint}})
}

// statusWriter remembers the status. Unwrap lets flushes and hijacks through.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 || w.status < 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
