package balance

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"crypto/sha256"
)

// turns lets so many requests through at once. Who has to wait does so in a row of its
// key, and the rows are served in turn: who sends a thousand waits for its own.
type turns struct {
	waiting int // at most

	mu     sync.Mutex
	room   int // of all members together
	inside int
	count  int // who wait
	rows   map[string]*row
	order  []*row // that have somebody, the next first
}

type row struct {
	key  string
	wait []*turn
}

// turn is somebody who waits.
type turn struct{ let chan struct{} }

func newTurns(room, waiting int) *turns {
	return &turns{room: room, waiting: waiting, rows: map[string]*row{}}
}

// capacity says how many may be inside.
func (t *turns) capacity(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.room = max(n, 1)
	t.next()
}

// take waits for a turn of a key. give ends it.
func (t *turns) take(ctx context.Context, key string, patience time.Duration) (give func(), err error) {
	t.mu.Lock()
	if t.inside < t.room && t.count == 0 {
		t.inside++
		t.mu.Unlock()
		return t.give, nil
	}
	if t.count >= t.waiting {
		t.mu.Unlock()
		return nil, refusal{status: http.StatusServiceUnavailable, message: "too many requests wait already", hint: "come again later", after: 2 * time.Second}
	}
	me := &turn{make(chan struct{})}
	of := t.rows[key]
	if of == nil {
		of = &row{key: key}
		t.rows[key] = of
		t.order = append(t.order, of)
	}
	of.wait = append(of.wait, me)
	t.count++
	t.mu.Unlock()

	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-me.let:
		return t.give, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = refusal{status: http.StatusServiceUnavailable, message: "all servers are busy", hint: "come again later", after: 2 * time.Second}
	}
	if !t.leave(of, me) { // its turn came at the same moment
		t.give()
	}
	return nil, err
}

// leave takes somebody out of the row; false: it is out already.
func (t *turns) leave(of *row, me *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, other := range of.wait {
		if other == me {
			of.wait = append(of.wait[:i], of.wait[i+1:]...)
			t.count--
			return true
		}
	}
	return false
}

func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inside--
	t.next()
}

// next lets in who is next while there is room. The caller holds mu.
func (t *turns) next() {
	for t.inside < t.room && len(t.order) > 0 {
		r := t.order[0]
		t.order = t.order[1:]
		if len(r.wait) == 0 { // all left
			delete(t.rows, r.key)
			continue
		}
		me := r.wait[0]
		if r.wait = r.wait[1:]; len(r.wait) > 0 {
			t.order = append(t.order, r)
		} else {
			delete(t.rows, r.key)
		}
		t.count--
		t.inside++
		close(me.let)
	}
}

// key is whose turn a request takes: of who signs it, else of the client's address.
// Only a digest is kept of a key.
func (b *Balancer) key(r *http.Request) string {
	if auth := strings.TrimSpace(r.Header.Get("Authorization")); auth != "" {
		sum := sha256.Sum256([]byte(auth))
		return string(sum[:16])
	}
	return b.cfg.client(r)
}
