// Package queue keeps jobs until they are done: on NATS JetStream, inside this
// process or on a cluster elsewhere.
//
// In: jobs, each a name, a lane, a row of that lane and bytes. Out: leases, one at a
// time to whoever asks: the lanes by rank, the rows of a lane in turn; a lease that is
// not beaten goes to another. Beside the jobs it carries words to whoever listens at
// the moment (Tell, Listen), which may be lost, and says who of several may act (Lead).
// It does not know what a job means.
//
//	           Put                Take
//	(nobody) ───────► waiting ───────────► leased ──Done──► (gone)
//	                     ▲                  │ Beat: longer
//	                     └──────────────────┘ Return, Again, or no Beat for a lease
//
// A job is given at least once: whoever works on it must bear that another did so
// before. DESIGN.md says why, and what JetStream does underneath.
package queue

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bcc/fault"
)

// How long the server may take to answer one request before it is called
// unavailable. On this machine it takes less than a millisecond; a cluster that
// elects a leader some seconds.
const patience = 5 * time.Second

// Queue is an open queue. All methods are safe for concurrent use.
type Queue struct {
	cfg   Config
	log   *slog.Logger
	local *embedded // nil: the cluster is elsewhere
	conn  *nats.Conn
	js    jetstream.JetStream
	name  string           // of this process, in words to others
	lanes []*lane          // in the order of Take
	notes jetstream.Stream // how often which job was handed back
	bell  *bell
	inbox *nats.Subscription // of answers to ask; whoever has the bell's turn uses it
	met   *metrics

	closing   chan struct{}
	tended    chan struct{} // closed when tend has ended; nil: it was not begun
	closeOnce sync.Once
	closeErr  error
}

// Open opens the queue in a folder or joins the cluster at a URL. A folder that
// another process has is Busy, one that lost jobs Corrupt, a cluster that does not
// answer for Config.Patience Unavailable. Once open, a lost cluster is looked for until
// Close; meanwhile the methods return Unavailable.
func Open(ctx context.Context, cfg Config) (_ *Queue, err error) {
	cfg = cfg.filled()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	q := &Queue{cfg: cfg, log: cfg.Logger, name: rand.Text(), lanes: newLanes(), bell: newBell(), closing: make(chan struct{})}
	defer func() {
		if err != nil {
			q.Close()
		}
	}()
	if cfg.URL == "" {
		if q.local, err = embed(cfg); err != nil {
			return nil, err
		}
	}
	if err = q.join(ctx); err != nil {
		return nil, err
	}
	if err = q.layGhosts(ctx); err != nil {
		return nil, err
	}
	if err = q.free(ctx); err != nil {
		return nil, err
	}
	if _, err = q.conn.Subscribe(wakeSubject, q.woken); err != nil {
		return nil, unavailable(err, "listen for new jobs")
	}
	if q.met, err = newMetrics(cfg.Registerer, q); err != nil {
		return nil, err
	}
	if q.local != nil {
		q.tended = make(chan struct{})
		go q.tend()
	}
	return q, nil
}

// Close gives up the connection and, where the queue lies in this process, waits
// until it is on the disk and the folder is free. Leases that are still held go to
// others when their time is over.
func (q *Queue) Close() error {
	q.closeOnce.Do(func() {
		close(q.closing)
		if q.tended != nil {
			<-q.tended
		}
		q.met.unregister()
		if q.conn != nil {
			q.bell.stopProbing(patience) // else a job on its way to us would wait for its lease to end
			if q.conn.IsConnected() {
				q.conn.FlushTimeout(time.Second) // what was told last; it may be lost by contract
			}
			q.conn.Close()
		}
		if q.local != nil {
			q.closeErr = q.local.close()
		}
	})
	return q.closeErr
}

func (q *Queue) closed() bool {
	select {
	case <-q.closing:
		return true
	default:
		return false
	}
}

var errClosed = fault.New(fault.Unavailable, "the queue is closed")
