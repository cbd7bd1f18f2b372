package balance

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// kept is the body of a request of which the beginning is kept, so that it can be sent
// again. Of what is larger than the limit nothing is: it streams through, once.
type kept struct {
	from  io.ReadCloser
	limit int

	mu    sync.Mutex
	saved []byte
	over  bool // more was read than is kept
	taken int64
	end   error
}

func keep(r *http.Request, limit int) *kept {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if r.ContentLength > int64(limit) {
		limit = 0
	}
	return &kept{from: r.Body, limit: limit}
}

// whole reports whether the body can be sent from its beginning.
func (k *kept) whole() bool {
	if k == nil {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.over
}

// again returns the body from its beginning. One reader at a time reads on.
func (k *kept) again() io.ReadCloser {
	if k == nil {
		return http.NoBody
	}
	return &reading{of: k}
}

// reading is one pass over a kept body. The transport may go on reading for a moment
// after its attempt is over: what it takes then is kept, too.
type reading struct {
	of     *kept
	at     int64
	closed atomic.Bool
}

func (r *reading) Read(p []byte) (int, error) {
	if r.closed.Load() {
		return 0, io.ErrClosedPipe
	}
	n, err := r.of.read(p, r.at)
	r.at += int64(n)
	return n, err
}

// Close does not wait for a read that is under way: the client may be slow.
func (r *reading) Close() error {
	r.closed.Store(true)
	return nil
}

func (k *kept) read(p []byte, at int64) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case at < int64(len(k.saved)):
		return copy(p, k.saved[at:]), nil
	case at != k.taken: // of what is not kept
		return 0, errNotKept
	case k.end != nil:
		return 0, k.end
	}
	n, err := k.from.Read(p)
	k.end = err
	k.taken += int64(n)
	switch {
	case k.over || n == 0:
	case len(k.saved)+n > k.limit:
		k.over, k.saved = true, nil
	default:
		k.saved = append(k.saved, p[:n]...)
	}
	return n, err
}

// errNotKept is what a second pass gets that comes too late.
var errNotKept = errors.New("the beginning of the body is not kept")
