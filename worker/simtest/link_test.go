package simtest

import (
	"context"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bcc/blob"
	"bcc/blob/blobtest"
	"bcc/fault"
	"bcc/queue"
	"bcc/queue/queuetest"
)

// node is a process as queue and store see it. A killed one does nothing any more:
// what its goroutines still say on their way out is not heard, and changes nothing.
type node struct {
	name string
	dead atomic.Bool
	cut  atomic.Bool // off the network

	mu     sync.Mutex
	leases map[string]bool // of which it has not said a last word
	ends   time.Time       // when it was killed or told to stop
}

// holds takes down that the node has a job, or has said what becomes of it.
func (n *node) holds(id string, is bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.leases == nil {
		n.leases = map[string]bool{}
	}
	if n.leases[id] = is; !is {
		delete(n.leases, id)
	}
}

var (
	errDead = fault.New(fault.Unavailable, "the process was killed")
	errCut  = fault.New(fault.Unavailable, "no way to the host")
)

// silence is how long a call over a cut network takes to fail.
const silence = 2 * time.Second

// reach is nil, or why the node's word does not arrive.
func (n *node) reach(ctx context.Context) error {
	switch {
	case n.dead.Load():
		return errDead
	case n.cut.Load():
		sleep(ctx, silence)
		return errCut
	}
	return nil
}

// queueLink is a node's way to the queue.
type queueLink struct {
	*node
	q     *queuetest.Memory
	watch func(topic string, data []byte) // of what is told
}

func (l queueLink) Put(ctx context.Context, jobs ...queue.Job) error {
	return l.call(ctx, func() error { return l.q.Put(ctx, jobs...) })
}

func (l queueLink) Ready() error { return l.q.Ready() }

func (l queueLink) call(ctx context.Context, f func() error) error {
	if err := l.reach(ctx); err != nil {
		return err
	}
	err := f()
	if gone := l.reach(ctx); gone != nil { // it is done; nobody hears that
		return gone
	}
	return err
}

func (l queueLink) Backlog(ctx context.Context) (b queue.Backlog, err error) {
	err = l.call(ctx, func() (err error) { b, err = l.q.Backlog(ctx); return err })
	return b, err
}

func (l queueLink) Take(ctx context.Context, lanes ...queue.Lane) (lease *queue.Lease, err error) {
	err = l.call(ctx, func() (err error) { lease, err = l.q.Take(ctx, lanes...); return err })
	if err != nil {
		return nil, err // what was on its way is nobody's until its lease ends
	}
	l.holds(lease.ID, true)
	return queue.NewLease(lease.Job, lease.Attempt, held{l, lease}), nil
}

func (l queueLink) Tell(topic string, data []byte) error {
	if l.dead.Load() || l.cut.Load() {
		return nil
	}
	l.watch(topic, data)
	return l.q.Tell(topic, data)
}

func (l queueLink) Listen(topic string, f func(string, []byte)) (func(), error) {
	if l.dead.Load() {
		return nil, errDead
	}
	return l.q.Listen(topic, func(topic string, data []byte) {
		if !l.dead.Load() && !l.cut.Load() {
			f(topic, data)
		}
	})
}

// held is a lease that a node has.
type held struct {
	l     queueLink
	lease *queue.Lease
}

func (h held) Beat(ctx context.Context) error {
	err := h.l.call(ctx, func() error { return h.lease.Beat(ctx) })
	if err != nil && fault.Of(err) == fault.NotFound {
		h.l.holds(h.lease.ID, false)
	}
	return err
}

func (h held) Done(ctx context.Context) error {
	h.l.holds(h.lease.ID, false)
	return h.l.call(ctx, func() error { return h.lease.Done(ctx) })
}

func (h held) Again(ctx context.Context, after time.Duration) error {
	h.l.holds(h.lease.ID, false)
	return h.l.call(ctx, func() error { return h.lease.Again(ctx, after) })
}

func (h held) Return(ctx context.Context, after time.Duration) error {
	h.l.holds(h.lease.ID, false)
	return h.l.call(ctx, func() error { return h.lease.Later(ctx, after) })
}

// storage is the store that all share, and how it is at the moment.
type storage struct {
	*blobtest.Memory
	watch func(op, key string, data []byte) // of what is written and deleted

	mu      sync.Mutex
	rand    *rand.Rand
	slow    time.Duration // calls take up to so long, each way
	refuse  float64       // of calls: nothing is done
	unheard float64       // of calls: it is done, but the answer is lost
	away    bool
	calm    bool // nothing of this: for those who check
}

type weather struct {
	there, back      time.Duration
	refused, unheard bool
}

func (s *storage) weather() weather {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calm {
		return weather{}
	}
	return weather{
		there: time.Duration(s.rand.Int64N(int64(s.slow))), back: time.Duration(s.rand.Int64N(int64(s.slow))),
		refused: s.away || s.rand.Float64() < s.refuse, unheard: s.rand.Float64() < s.unheard,
	}
}

// set changes how the store is.
func (s *storage) set(change func(*storage)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// storeLink is a node's way to the store.
type storeLink struct {
	*node
	s *storage
}

var _ blob.Store = storeLink{}

// call has f done, as over a network.
func (l storeLink) call(ctx context.Context, f func() error) error {
	if err := l.reach(ctx); err != nil {
		return err
	}
	w := l.s.weather()
	if w.there > 0 {
		if err := sleep(ctx, w.there); err != nil {
			return err
		}
	}
	if err := l.reach(ctx); err != nil {
		return err
	}
	if w.refused {
		return fault.New(fault.Unavailable, "the store does not answer")
	}
	err := f()
	if w.back > 0 {
		if gone := sleep(ctx, w.back); gone != nil {
			return gone
		}
	}
	if gone := l.reach(ctx); gone != nil {
		return gone
	}
	if err == nil && w.unheard {
		err = fault.New(fault.Unavailable, "the store's answer was lost")
	}
	return err
}

func (l storeLink) Put(ctx context.Context, key string, r io.Reader) error {
	return l.write(ctx, "put", key, r, l.s.Memory.Put)
}

func (l storeLink) Create(ctx context.Context, key string, r io.Reader) error {
	return l.write(ctx, "create", key, r, l.s.Memory.Create)
}

func (l storeLink) write(ctx context.Context, op, key string, r io.Reader, do func(context.Context, string, io.Reader) error) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return l.call(ctx, func() error {
		err := do(context.WithoutCancel(ctx), key, strings.NewReader(string(data)))
		if err == nil {
			l.s.watch(op, key, data)
		}
		return err
	})
}

func (l storeLink) Adopt(ctx context.Context, key, path string) error {
	return l.call(ctx, func() error { return l.s.Memory.Adopt(ctx, key, path) })
}

func (l storeLink) Open(ctx context.Context, key string) (o *blob.Object, err error) {
	err = l.call(ctx, func() (err error) { o, err = l.s.Memory.Open(ctx, key); return err })
	if err != nil {
		return nil, err
	}
	return o, nil
}

func (l storeLink) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if err := l.call(ctx, func() error { return nil }); err != nil {
			yield(blob.Info{}, err)
			return
		}
		for info, err := range l.s.Memory.List(ctx, prefix) {
			if !yield(info, err) {
				return
			}
		}
	}
}

func (l storeLink) Delete(ctx context.Context, key string) error {
	return l.call(ctx, func() error {
		err := l.s.Memory.Delete(context.WithoutCancel(ctx), key)
		if err == nil {
			l.s.watch("delete", key, nil)
		}
		return err
	})
}
