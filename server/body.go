package server

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// steadyBody is a body that has to keep coming: each window brings its share, or
// the read fails with os.ErrDeadlineExceeded. A deadline a read would let one byte a
// second hold a connection for hours; one for all would refuse large slides on slow
// lines.
type steadyBody struct {
	io.ReadCloser
	rc     *http.ResponseController
	window time.Duration
	share  int64 // bytes a window
	got    int64 // in this one
	over   bool  // read to its end
}

func newSteadyBody(b io.ReadCloser, rc *http.ResponseController, window time.Duration, rate int64) *steadyBody {
	s := &steadyBody{ReadCloser: b, rc: rc, window: window, share: int64(float64(rate) * window.Seconds())}
	s.extend()
	return s
}

func (b *steadyBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.got += int64(n); err == nil && b.got >= b.share {
		b.got = 0
		b.extend()
	}
	if err == io.EOF {
		b.over = true
		// The server goes on reading, to see the client go away: that has no deadline.
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (b *steadyBody) extend() { _ = b.rc.SetReadDeadline(time.Now().Add(b.window)) }

// budget counts something that is bounded over all requests.
type budget struct {
	most int64
	used atomic.Int64
}

// take takes n where there is room for it.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.most {
		return true
	}
	b.used.Add(-n)
	return false
}

func (b *budget) give(n int64) { b.used.Add(-n) }
