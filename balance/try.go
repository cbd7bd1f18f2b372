package balance

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// tries is the transport of requests: it chooses a member, and another where that
// fails and the request may be sent again.
type tries struct{ *Balancer }

// errTimeout is that of a member whose answer did not begin in time.
var errTimeout = errors.New("the answer did not begin in time")

// mostTries is how many members a request is sent to at most.
const mostTries = 4

func (b tries) RoundTrip(r *http.Request) (*http.Response, error) {
	body := keep(r, b.cfg.Replay)
	of := kindOf(r)
	b.retries.earn()
	var not []*member
	for {
		m := b.pool.pick(time.Now(), not)
		if m == nil {
			return nil, b.nobody(not)
		}
		a := b.hedged(r, m, not, body, of)
		switch {
		case a.good():
			return a.response, nil
		case r.Context().Err() != nil:
			a.close()
			return nil, r.Context().Err()
		case a.err != nil && body.broken() != nil:
			return nil, clientError{body.broken()}
		}
		not = append(not, a.member)
		if len(not) >= mostTries || !body.whole() || !b.safe(r, a) || b.pool.pick(time.Now(), not) == nil || !b.retries.spend() {
			if a.err != nil && !a.sent.Load() {
				a.err = b.nobody(not)
			}
			return a.response, a.err
		}
		b.metrics.retried(a.cause())
		a.close()
	}
}

// nobody says that no member can be asked.
func (b tries) nobody(tried []*member) error {
	why := "no server can be asked at the moment"
	if len(tried) > 0 {
		why = "no server answers"
	}
	return refusal{status: http.StatusServiceUnavailable, message: why, hint: "come again later", after: 2 * b.cfg.Probe}
}

// safe reports whether a request may be sent again after an attempt.
func (b tries) safe(r *http.Request, a *attempt) bool {
	switch {
	case !a.sent.Load(): // nothing of it came anywhere
		return true
	case a.err == nil && a.response.Header.Get(begunHeader) == "no": // it says so
		return true
	}
	return b.repeatable(r)
}

// begunHeader is "no" on an answer of a server that refused a request before it did
// anything of it: for want of room, or because it ends.
const begunHeader = "Bcc-Begun"

// repeatable reports whether a request may be done twice (RFC 9110, 9.2.2). Trailers
// are not kept, so what has some goes out once.
func (b *Balancer) repeatable(r *http.Request) bool {
	if len(r.Trailer) > 0 {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return r.Header.Get("Upgrade") == ""
	case http.MethodPost:
		return r.Header.Get("Idempotency-Key") != "" || slices.Contains(b.cfg.Repeatable, r.URL.Path)
	}
	return false
}

// attempt is a request on its way to one member.
type attempt struct {
	member   *member
	response *http.Response
	err      error
	sent     atomic.Bool // something of it went out
	request  *http.Request
	lasting  bool // events, a WebSocket
	twice    bool // may be done again, by its method
	kind     kind
	usual    float64 // s and alike: how long its kind takes; 0: not known
	begun    time.Time
	body     *kept
	stop     context.CancelCauseFunc
	done     func() // once: the member has it in hand no more
}

// refused reports whether the member said that another should be asked: it cannot take
// it now, or stands itself before somebody who cannot.
func (a *attempt) refused() bool {
	switch a.response.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return a.response.Header.Get(begunHeader) == "no"
}

func (a *attempt) cause() string {
	switch {
	case a.err == nil:
		return "refused"
	case !a.sent.Load():
		return "unreachable"
	case errors.Is(a.err, errTimeout):
		return "timeout"
	}
	return "broken"
}

func (a *attempt) good() bool { return a.err == nil && !a.refused() }

func (a *attempt) cancel() { a.stop(context.Canceled) }

// close gives up what an attempt holds.
func (a *attempt) close() {
	if a.response != nil {
		a.response.Body.Close()
	}
	a.cancel()
	a.done()
}

// attempt prepares a request for a member. run or close has to follow.
func (b *Balancer) attempt(r *http.Request, m *member, body *kept, of kind) *attempt {
	ctx, cancel := context.WithCancelCause(r.Context())
	a := &attempt{
		member: m, stop: cancel, body: body, lasting: lasting(r), twice: b.repeatable(r),
		kind: of, usual: b.pool.usual.time(of), begun: time.Now(),
	}
	a.done = sync.OnceFunc(func() { m.end(a) })
	a.request = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { a.sent.Store(true) },
	}))
	a.request.URL = m.at(r.URL)
	a.request.Body = body.again()
	m.begin(a)
	return a
}

// run waits until the answer begins. The clock counts from the last piece of the body:
// a large slide on a slow line takes its time.
func (a *attempt) run(b *Balancer) {
	var clock *time.Timer
	clock = time.AfterFunc(b.cfg.Answer, func() {
		if left := b.cfg.Answer - time.Since(a.body.moved(a.begun)); left > 0 {
			clock.Reset(left)
			return
		}
		a.stop(errTimeout)
	})
	a.response, a.err = a.member.http.RoundTrip(a.request)
	clock.Stop()
	a.member.answers(a)
	if a.err != nil {
		a.failed(b)
		a.close()
		return
	}
	switch status := a.response.StatusCode; {
	case status == http.StatusServiceUnavailable: // which is its good right
	case status == http.StatusInternalServerError || a.refused() && status >= 500: // a server that breaks is quick
		b.pool.failedOn(a.member, errors.New("it answers "+a.response.Status))
	case status < 400 && !a.lasting: // who says no is quick
		a.took(b)
	default:
		a.member.well()
	}
	a.response.Body = a.hold(b, a.response.Body)
}

// failed finds out whose fault it is that there was no answer.
func (a *attempt) failed(b *Balancer) {
	switch cause := context.Cause(a.request.Context()); {
	case errors.Is(cause, errTimeout), errors.Is(cause, errSilent):
		a.err = cause
	case a.request.Context().Err() != nil: // the client's, or the other one was quicker
		a.took(b)
	case errors.Is(a.err, errNotKept), a.body.broken() != nil:
	default:
		b.pool.failedOn(a.member, a.err)
	}
}

// took notes how long the answer took to begin. How long the client took to send its
// body says nothing of the member. Of an attempt that was left it is known that it
// would have taken longer.
func (a *attempt) took(b *Balancer) {
	now := time.Now()
	s := now.Sub(a.body.moved(a.begun)).Seconds()
	if a.response != nil {
		a.member.took(now, b.pool.usual.ratio(a.kind, s, true), s)
	} else if ratio := b.pool.usual.ratio(a.kind, s, false); !a.lasting && ratio > 1 {
		a.member.least(now, ratio, s)
	}
}

// hold ends the attempt when the answer is read to its end or left. Events end, too,
// when the balancer does: whoever listens asks again, and comes to another one.
func (a *attempt) hold(b *Balancer, body io.ReadCloser) io.ReadCloser {
	over := func() { a.done(); a.cancel() }
	if both, is := body.(io.ReadWriteCloser); is { // an upgraded connection
		return &upgraded{both, sync.OnceFunc(func() { over(); both.Close() }), context.AfterFunc(b.ending, func() { both.Close() })}
	}
	h := &held{ReadCloser: body, over: over}
	if a.lasting {
		h.ending = b.ending
		h.quiet = context.AfterFunc(b.ending, func() { body.Close() })
	}
	return h
}

type held struct {
	io.ReadCloser
	over   func()
	ending context.Context // nil: it ends by itself
	quiet  func() bool
}

func (h *held) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	if err != nil && h.ending != nil && h.ending.Err() != nil {
		err = io.EOF
	}
	return n, err
}

func (h *held) Close() error {
	defer h.over()
	if h.quiet != nil {
		h.quiet()
	}
	return h.ReadCloser.Close()
}

type upgraded struct {
	io.ReadWriteCloser
	over  func()
	quiet func() bool
}

func (u *upgraded) Close() error {
	u.quiet()
	u.over()
	return nil
}

// budget is how much may be done on top of what is asked for: a share of it, and a
// number at once.
type budget struct {
	share, most float64

	mu   sync.Mutex
	left float64
}

// A member that dies takes all that it has in hand with it, at once.
const (
	retryBurst = 200
	hedgeBurst = 10
)

func (b *budget) earn() {
	b.mu.Lock()
	b.left = min(b.left+b.share, b.most)
	b.mu.Unlock()
}

func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
