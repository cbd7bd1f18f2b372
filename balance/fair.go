package balance

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
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
type turn struct{ let chan bool } // false: there is no more room to wait

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
	of := t.rows[key]
	if of == nil {
		of = &row{key: key}
	}
	if t.count >= t.waiting && !t.displace(of) {
		t.mu.Unlock()
		return nil, crowded
	}
	if len(of.wait) == 0 && t.rows[key] == nil {
		t.rows[key] = of
		t.order = append(t.order, of)
	}
	me := &turn{make(chan bool, 1)}
	of.wait = append(of.wait, me)
	t.count++
	t.mu.Unlock()

	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case in := <-me.let:
		if !in {
			return nil, crowded
		}
		return t.give, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = refusal{status: http.StatusServiceUnavailable, message: "all servers are busy", hint: "come again later", after: 2 * time.Second}
	}
	if !t.leave(of, me) && <-me.let { // its turn came at the same moment
		t.give()
	}
	return nil, err
}

var crowded = refusal{status: http.StatusServiceUnavailable, message: "too many requests wait already", hint: "come again later", after: 2 * time.Second}

// displace makes room for one more of a row by sending away the last of the longest
// one, unless that is this row itself. The caller holds mu.
func (t *turns) displace(of *row) bool {
	var longest *row
	for _, r := range t.order {
		if longest == nil || len(r.wait) > len(longest.wait) {
			longest = r
		}
	}
	if longest == nil || len(longest.wait) <= len(of.wait)+1 {
		return false
	}
	last := len(longest.wait) - 1
	longest.wait[last].let <- false
	longest.wait = longest.wait[:last]
	t.count--
	return true
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
		me.let <- true
	}
}

// key is whose turn a request takes: of who signs it, where a server has taken that
// signature before, else of the client's address. Anybody can make up a thousand keys.
func (b *Balancer) key(r *http.Request) string {
	if d, signed := digest(r); signed && b.keys.known(d) {
		return string(d[:])
	}
	return network(b.cfg.client(r))
}

// network is the part of an address that one client has: of IPv6, the first 64 bits.
func network(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() && !a.Is4In6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return host
}

// digest of what a request is signed with: the key itself is not kept.
func digest(r *http.Request) (d [sha256.Size]byte, signed bool) {
	auth := strings.TrimSpace(r.Header.Get("Authorization"))
	return sha256.Sum256([]byte(auth)), auth != ""
}

// keys are those with which servers have done something.
type keys struct {
	mu   sync.Mutex
	seen map[[sha256.Size]byte]struct{}
}

// mostKeys bounds them; they are soon learned anew.
const mostKeys = 10_000

func (k *keys) known(d [sha256.Size]byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, is := k.seen[d]
	return is
}

// answered learns from what a server said to a signed request for work. What only looks
// may be open to all, whoever signs it.
func (k *keys) answered(r *http.Request, status int) {
	d, signed := digest(r)
	if !signed || r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case status == http.StatusUnauthorized:
		delete(k.seen, d)
	case status >= 200 && status < 300:
		if k.seen == nil || len(k.seen) >= mostKeys {
			k.seen = map[[sha256.Size]byte]struct{}{}
		}
		k.seen[d] = struct{}{}
	}
}
