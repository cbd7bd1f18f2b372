package isolate

import (
	"encoding/json"
	"io"
	"sync"

	"bcc/fault"
)

// asking reads the slide's bytes through the parent. It is safe for concurrent use.
type asking struct {
	conn *conn

	mu   sync.Mutex
	next uint32
	open map[uint32]*question
}

// question is a reading under way.
type question struct {
	into []byte
	n    int
	err  error
	done chan struct{}
}

func newAsking(c *conn) *asking { return &asking{conn: c, open: map[uint32]*question{}} }

// ReadAt reads as io.ReaderAt says. An error is the parent's own, by its number.
func (a *asking) ReadAt(p []byte, at int64) (int, error) {
	for n := 0; n < len(p); {
		got, err := a.ask(p[n:min(len(p), n+askBytes)], at+int64(n))
		n += got
		if err != nil {
			return n, err
		}
	}
	return len(p), nil
}

func (a *asking) ask(p []byte, at int64) (int, error) {
	if at < 0 {
		return 0, fault.New(fault.Corrupt, "read at byte %d", at)
	}
	q := &question{into: p, done: make(chan struct{})}
	a.mu.Lock()
	a.next = max(a.next+1, 1) // 0 is the number of none
	num := a.next
	a.open[num] = q
	a.mu.Unlock()
	body := order.AppendUint32(order.AppendUint64(nil, uint64(at)), uint32(len(p)))
	if err := a.conn.send(fromAsk, num, nil, body); err != nil {
		return 0, fault.New(fault.Unavailable, "ask for bytes of the slide: %w", err)
	}
	<-q.done
	return q.n, q.err
}

// answered takes an answer.
func (a *asking) answered(num uint32, body []byte) {
	a.mu.Lock()
	q := a.open[num]
	delete(a.open, num)
	a.mu.Unlock()
	if q == nil || len(body) == 0 {
		return
	}
	defer close(q.done)
	if body[0] == bytesError {
		var f failure
		if err := json.Unmarshal(body[1:], &f); err != nil {
			q.err = err
			return
		}
		q.err = unpack(f, nil)
		return
	}
	q.n = copy(q.into, body[1:])
	if body[0] == bytesEnd || q.n < len(q.into) {
		q.err = io.EOF
	}
}
