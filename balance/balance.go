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
//	pace.go      how quick each is at what it is asked for
//	try.go       tries, and tries again; kept.go: what was sent
//	hedge.go     a read that takes long is asked of a second one
//	fair.go      a turn for each key
//	steady.go    clients that are slow on purpose
//	forward.go   who the client is, through proxies that are trusted
//	source.go    members out of a list, a file, a name in DNS; greet.go: who greets on a
//	             queue; balance/kube: EndpointSlices
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
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"bcc/fault"
)

// Balancer is an http.Handler. Run keeps it informed.
type Balancer struct {
	cfg     Config
	log     *slog.Logger
	pool    pool
	turns   *turns
	streams *turns // of what stays open
	keys    keys
	retries budget
	hedges  budget
	reads   latencies // of reads, for when a second member is asked
	proxy   *httputil.ReverseProxy
	metrics *metrics

	draining atomic.Bool
	ending   context.Context // over: what stays open ends, too
	end      context.CancelFunc
}

// New returns one that knows no members yet; Run finds them.
func New(cfg Config) (*Balancer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &Balancer{
		cfg: cfg, log: cfg.Logger,
		turns: newTurns(cfg.PerMember, cfg.Waiting), streams: newTurns(cfg.Streams, 0),
		retries: budget{share: cfg.RetryShare, most: retryBurst, left: retryBurst},
		hedges:  budget{share: cfg.HedgeShare, most: hedgeBurst},
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.ending, b.end = context.WithCancel(context.Background())
	b.pool.cfg, b.pool.log, b.pool.changed = &b.cfg, b.log, b.turns.capacity
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
	turns := b.turns
	if lasting(r) {
		turns = b.streams
	}
	give, err := turns.take(r.Context(), b.key(r), b.cfg.Patience)
	if err != nil {
		b.failed(w, r, err)
		return
	}
	defer give()
	seen := &statusWriter{ResponseWriter: w, control: http.NewResponseController(w), patience: 2 * b.cfg.Window}
	if r.ContentLength != 0 {
		r = steady(r, seen.control, b.cfg.Window, b.cfg.MinRate)
	}
	// A client that goes away in the middle of an answer ends this with a panic that
	// http.Server knows.
	defer func() {
		b.metrics.answered(r, seen.status, time.Since(begun))
		b.keys.answered(r, seen.status)
	}()
	b.proxy.ServeHTTP(seen, r)
}

// lasting reports whether a request stays open for long with little to do, so that it
// takes nobody's turn: events and WebSockets.
func lasting(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	return httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade") && r.Header.Get("Upgrade") != "" ||
		strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream")
}

// Drain ends with ready: probes of whoever stands in front are told to go elsewhere.
func (b *Balancer) Drain() { b.draining.Store(true) }

// End ends events and WebSockets, which would not by themselves. Whoever listens to
// them asks again, somewhere else.
func (b *Balancer) End() { b.end() }

// Ready reports whether requests can be taken, else why not.
func (b *Balancer) Ready() error {
	switch {
	case b.draining.Load():
		return fault.New(fault.Unavailable, "draining")
	case b.pool.usable() == 0:
		return fault.New(fault.Unavailable, "no server can be asked")
	}
	return nil
}

// Run follows the source of members and asks each how it is, until ctx ends.
func (b *Balancer) Run(ctx context.Context) error {
	return b.pool.run(ctx)
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
	var theirs clientError
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody is there to be told
	case errors.As(err, &no):
	case errors.As(err, &theirs) && errors.Is(err, os.ErrDeadlineExceeded):
		no = refusal{status: http.StatusRequestTimeout, message: "the body came too slowly", hint: "send it without pauses"}
	case errors.As(err, &theirs):
		no = refusal{status: http.StatusBadRequest, message: "the body ended before it was whole"}
	case errors.Is(err, errTimeout):
		no = refusal{status: http.StatusGatewayTimeout, message: "the server did not answer in time", hint: "it may still do what was asked: look before sending it again"}
	default:
		no = refusal{status: http.StatusBadGateway, message: "the server went away in the middle of the request", hint: "it may have done what was asked: look before sending it again"}
	}
	if no.status >= 500 {
		b.log.Warn("request failed", "method", r.Method, "status", no.status, "error", err)
	}
	if errors.As(err, &theirs) {
		w.Header().Set("Connection", "close")
	}
	answer(w, no)
}

// clientError is what went wrong on the client's side of a request.
type clientError struct{ error }

func (e clientError) Unwrap() error { return e.error }

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

// statusWriter remembers the status, and bounds how long a client may take to read what
// is written at once. Unwrap lets flushes and hijacks through.
type statusWriter struct {
	http.ResponseWriter
	status   int
	control  *http.ResponseController
	patience time.Duration
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	// Between two pieces there is no deadline: events come when they come.
	_ = w.control.SetWriteDeadline(time.Now().Add(w.patience))
	n, err := w.ResponseWriter.Write(p)
	if err == nil {
		_ = w.control.SetWriteDeadline(time.Time{})
	}
	return n, err
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 || w.status < 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
