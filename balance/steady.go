package balance

import (
	"io"
	"net/http"
	"time"
)

// steadyBody is a body that has to keep coming: each window brings its share, or the
// read fails with os.ErrDeadlineExceeded. Who sends a byte a second would else hold a
// turn for hours.
type steadyBody struct {
	io.ReadCloser
	control *http.ResponseController
	window  time.Duration
	share   int64     // bytes a window
	got     int64     // in this one
	until   time.Time // the end of the window; zero: not begun
	back    time.Time // when the last read ended
}

// steady returns a copy of the request whose body is one: net/http has to find its own
// in the original.
func steady(r *http.Request, control *http.ResponseController, window time.Duration, rate int) *http.Request {
	with := *r
	with.Body = &steadyBody{ReadCloser: r.Body, control: control, window: window, share: int64(float64(rate) * window.Seconds())}
	return &with
}

// The clock runs while the client is waited for: not before the first read, and not
// while the server takes nothing.
func (b *steadyBody) Read(p []byte) (int, error) {
	now := time.Now()
	switch away := now.Sub(b.back); {
	case b.until.IsZero():
		b.extend(now.Add(b.window))
	case away > b.window/100:
		b.extend(b.until.Add(away))
	}
	n, err := b.ReadCloser.Read(p)
	b.back = time.Now()
	b.got += int64(n)
	switch {
	case err == io.EOF: // net/http reads on, to see the client go away: without a deadline
		_ = b.control.SetReadDeadline(time.Time{})
	case err == nil && b.got >= b.share:
		b.got = 0
		b.extend(b.back.Add(b.window))
	}
	return n, err
}

func (b *steadyBody) extend(until time.Time) {
	b.until = until
	_ = b.control.SetReadDeadline(until)
}
