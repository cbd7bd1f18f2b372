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
	b.retries.earn()
	var not []*member
	for {
		m := b.pool.pick(time.Now(), not)
		if m == nil {
			return nil, b.nobody(not)
		}
		a := b.hedged(r, m, not, body)
		switch {
		case a.good():
			return a.response, nil
		case r.Context().Err() != nil:
			a.close()
			return nil, r.Context().Err()
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
	case a.err == nil && a.response.StatusCode == http.StatusServiceUnavailable: // refused, not begun
		return true
	}
	return b.repeatable(r)
}

// repeatable reports whether a request may be done twice (RFC 9110, 9.2.2).
func (b tries) repeatable(r *http.Request) bool {
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
	return false
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
func (b *Balancer) attempt(r *http.Request, m *member, body *kept) *attempt {
	ctx, cancel := context.WithCancelCause(r.Context())
	a := &attempt{member: m, stop: cancel, done: sync.OnceFunc(m.end)}
	a.request = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { a.sent.Store(true) },
	}))
	a.request.URL = m.at(r.URL)
	a.request.Body = body.again()
	m.begin()
	return a
}

// run waits until the answer begins.
func (a *attempt) run(b *Balancer) {
	begun := time.Now()
	clock := time.AfterFunc(b.cfg.Answer, func() { a.stop(errTimeout) })
	a.response, a.err = a.member.http.RoundTrip(a.request)
	clock.Stop()
	switch {
	case a.err != nil:
		if cause := context.Cause(a.request.Context()); errors.Is(cause, errTimeout) {
			a.err = errTimeout
		} else if a.request.Context().Err() == nil && !errors.Is(a.err, errNotKept) {
			b.pool.failedOn(a.member, a.err)
		}
		a.close()
		return
	case a.response.StatusCode == http.StatusServiceUnavailable: // which is its good right
	case a.refused():
		b.pool.failedOn(a.member, errors.New("it answers "+a.response.Status))
	default:
		a.member.took(time.Now(), time.Since(begun))
	}
	a.response.Body = a.hold(a.response.Body)
}

// hold ends the attempt when the answer is read to its end or left.
func (a *attempt) hold(body io.ReadCloser) io.ReadCloser {
	over := func() { a.done(); a.cancel() }
	if both, is := body.(io.ReadWriteCloser); is { // an upgraded connection
		return &upgraded{both, over}
	}
	return &held{body, over}
}

type held struct {
	io.ReadCloser
	over func()
}

func (h *held) Close() error {
	defer h.over()
	return h.ReadCloser.Close()
}

type upgraded struct {
	io.ReadWriteCloser
	over func()
}

func (u *upgraded) Close() error {
	defer u.over()
	return u.ReadWriteCloser.Close()
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
