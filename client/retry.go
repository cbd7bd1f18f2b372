package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"

	"bcc/fault"
)

// away is a failure that passes: the server does not answer, or says to come later.
type away struct {
	err   error
	busy  bool
	after time.Duration // as the server says; 0: it does not
}

func (e *away) Error() string { return e.err.Error() }
func (e *away) Unwrap() error { return e.err }

// waits says how long is waited. Between tries it is drawn from 0 to a time that doubles
// each time, so that the clients of a server that was away do not come back in one moment.
type waits struct {
	first, most time.Duration // between tries
	poll        time.Duration // between looks where no stream can be had
	stream      time.Duration // until a stream is tried again
}

var usual = waits{first: time.Second, most: 10 * time.Second, poll: 2 * time.Second, stream: time.Minute}

const (
	leastWait = 50 * time.Millisecond
	mostAfter = time.Hour // that a server is believed
)

// pause draws how long is waited. Where the server says how long (after), it is that and
// up to a quarter more: whoever was sent away with all others comes back apart from them.
func (w waits) pause(wait, after time.Duration) time.Duration {
	if after > 0 {
		after = min(after, mostAfter)
		return after + rand.N(max(after/4, w.first))
	}
	return leastWait + rand.N(wait)
}

// again calls try until it succeeds or fails for good. Two kinds of failure are
// borne, each for its own time since it was first met: an answer between them does
// not come, so they are never mixed for long.
func (c *Client) again(ctx context.Context, try func() error) error {
	var since [2]time.Time // away, busy
	wait := c.waits.first
	for {
		err := try()
		e, passes := errors.AsType[*away](err)
		if err == nil || !passes {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if lasts(e.err) {
			return c.gone(e)
		}
		kind, patience := 0, c.cfg.Patience
		if e.busy {
			kind, patience = 1, c.cfg.Busy
		}
		now := time.Now()
		if since[kind].IsZero() {
			since[kind] = now
		}
		left := patience - now.Sub(since[kind])
		if left <= 0 || e.busy && min(e.after, mostAfter) > left {
			return c.gone(e)
		}
		pause := min(c.waits.pause(wait, e.after), left)
		c.cfg.Note(fmt.Sprintf("the server at %s %s; trying again in %s", c.base.Host, c.why(e), pause.Round(100*time.Millisecond)))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wait = min(2*wait, c.waits.most)
	}
}

// lasts reports whether trying again cannot help.
func lasts(err error) bool {
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	return cert || name || plain
}

// gone is what is told in the end.
func (c *Client) gone(e *away) error {
	if e.busy {
		return fault.Hint(fault.New(fault.Busy, "the server at %s is busy: %w", c.base.Host, e.err), "try again later; what was submitted before is not lost")
	}
	err := fault.New(fault.Unavailable, "the server at %s %s", c.base.Host, c.why(e))
	if hint := fault.HintOf(e.err); hint != "" {
		return fault.Hint(err, "%s", hint)
	}
	return fault.Hint(err, "check that bcc serve runs there and that this machine reaches it")
}

// why says what is the matter in a few words, without what Go says around them.
func (c *Client) why(e *away) string {
	if e.busy {
		return "says to come later: " + e.err.Error()
	}
	if fault.Of(e.err) == fault.Unavailable {
		return "cannot do it now: " + e.err.Error()
	}
	return "does not answer: " + plainly(e.err)
}

func plainly(err error) string {
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return "it takes too long"
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
		return "nobody knows that name"
	}
	if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return plain.Msg
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "the connection broke off"
	case errors.Is(err, errStalled):
		return errStalled.Error()
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

var errStalled = errors.New("nothing moves any more")

// moving calls stalled when a body is not read on for a time: the other side, or the
// way to it, is gone, which TCP by itself finds after a quarter of an hour.
type moving struct {
	io.ReadCloser
	within time.Duration
	timer  *time.Timer
	close  sync.Once
}

func newMoving(r io.ReadCloser, within time.Duration, stalled func()) *moving {
	return &moving{ReadCloser: r, within: within, timer: time.AfterFunc(within, stalled)}
}

func (m *moving) Read(p []byte) (int, error) {
	m.timer.Reset(m.within)
	n, err := m.ReadCloser.Read(p)
	if err != nil {
		m.timer.Stop()
	}
	return n, err
}

func (m *moving) Close() error {
	m.close.Do(func() { m.timer.Stop() })
	return m.ReadCloser.Close()
}
