package balance

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// kept is the body of a request of which the beginning is kept, so that it can be sent
// again. Of what is larger than the limit nothing is: it streams through, once.
type kept struct {
	from  io.ReadCloser
	limit int
	last  atomic.Int64 // Unix time in ns of the last piece that came; 0: none yet

	mu    sync.Mutex
	saved []byte
	taken int64

	// Not under mu, which is held while the client is waited for.
	over atomic.Bool // more was read than is kept
	end  atomic.Pointer[error]
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
	return !k.over.Load()
}

// broken returns why the client's side of the body ended before its end; nil where it
// did not.
func (k *kept) broken() error {
	if k == nil {
		return nil
	}
	if end := k.end.Load(); end != nil && *end != io.EOF {
		return *end
	}
	return nil
}

// moved returns when the last piece of the body came, or since.
func (k *kept) moved(since time.Time) time.Time {
	if k == nil {
		return since
	}
	if last := time.Unix(0, k.last.Load()); last.After(since) {
		return last
	}
	return since
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
	case k.end.Load() != nil:
		return 0, *k.end.Load()
	}
	n, err := k.from.Read(p)
	if err != nil {
		k.end.Store(&err)
	}
	k.last.Store(time.Now().UnixNano())
	k.taken += int64(n)
	switch {
	case k.over.Load() || n == 0:
	case len(k.saved)+n > k.limit:
		k.saved = nil
		k.over.Store(true)
	default:
		k.saved = append(k.saved, p[:n]...)
	}
	return n, err
}

// errNotKept is what a second pass gets that comes too late.
var errNotKept = errors.New("the beginning of the body is not kept")
