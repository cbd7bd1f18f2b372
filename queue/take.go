package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"bcc/fault"
)

// Take waits until there is a job in one of the lanes, or in any where none is named,
// and leases it: of the first lane that has one, of its rows the one after that which
// gave last, and there the job that waits longest; one that was handed back comes
// before those never taken. It returns ctx's error when ctx ends, Unavailable when the
// server has not answered for some seconds; then wait a little and call it again.
func (q *Queue) Take(ctx context.Context, lanes ...Lane) (*Lease, error) {
	among, err := q.among(lanes)
	if err != nil {
		return nil, err
	}
	var silent time.Time // since when the server does not answer
	for {
		lease, wait, err := q.look(ctx, among)
		switch {
		case lease != nil:
			return lease, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case q.closed():
			return nil, errClosed
		case err == nil:
			silent = time.Time{}
		case silent.IsZero():
			silent = time.Now()
			fallthrough
		default:
			if time.Since(silent) > patience {
				return nil, err
			}
			wait = pause{rest: patience / 20}
		}
		if err := wait.sleep(ctx, q.closing); err != nil {
			return nil, err
		}
	}
}

// look asks once, in turn with the other takers of this process. Without a lease and
// an error there is nothing, and pause says how long.
func (q *Queue) look(ctx context.Context, among []*lane) (*Lease, pause, error) {
	if err := ctx.Err(); err != nil {
		return nil, pause{}, err
	}
	if p := q.bell.pause(among); p.rest > 0 {
		return nil, p, nil
	}
	if err := q.bell.take(ctx, q.closing); err != nil {
		return nil, pause{}, err
	}
	defer q.bell.give()
	for _, l := range among {
		for i := range l.rows {
			r := l.rows[(l.last+1+i)%len(l.rows)]
			lease, err := q.askRow(ctx, r)
			if err != nil {
				return nil, pause{}, err
			}
			if lease == nil {
				continue
			}
			if ctx.Err() != nil { // who asked is gone: to anybody, as if it had not been taken
				return nil, pause{}, errors.Join(ctx.Err(), lease.Return(context.WithoutCancel(ctx)))
			}
			l.last = r.number
			return lease, pause{}, nil
		}
	}
	return nil, q.bell.pause(among), nil
}

// askRow asks for a job of the row unless it is known that there is none. It says that
// there is none only when every job that is known to have been put was given to
// somebody: else a later lane would be taken from too early.
func (q *Queue) askRow(ctx context.Context, r *row) (*Lease, error) {
	rings, due := q.bell.due(r)
	if !due {
		return nil, nil
	}
	for wait := shortestRest / 20; ; wait = min(2*wait, 10*shortestRest) {
		lease, err := q.ask(r)
		if lease != nil || err != nil {
			return lease, err
		}
		if q.bell.owed(r) {
			if err := q.countGiven(ctx, r); err != nil {
				return nil, err
			}
		}
		if !q.bell.owed(r) {
			q.bell.foundNothing(r, rings)
			return nil, nil
		}
		if err := (pause{rest: wait}).sleep(ctx, q.closing); err != nil {
			return nil, err
		}
	}
}

// countGiven asks the server up to which number it has given out the row's jobs.
func (q *Queue) countGiven(ctx context.Context, r *row) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	info, err := r.consumer.Info(ctx)
	if err != nil {
		return unavailable(err, "look whether row "+r.name+" gives all that was put")
	}
	q.bell.gave(r, info.Delivered.Stream)
	return nil
}

// ask asks the server for a job of the row, nil where there is none. The question is
// not given up when the taker's context ends: a job that comes when nobody listens any
// more is lost until its lease ends.
//
// The answers have an inbox of their own, and one question at a time uses it: a job
// comes under its own subject, by which conn.Request cannot tell whose answer it is.
func (q *Queue) ask(r *row) (*Lease, error) {
	fail := func(err error) (*Lease, error) {
		return nil, unavailable(err, "take a job of row "+r.name)
	}
	var err error
	if q.inbox == nil {
		if q.inbox, err = q.conn.SubscribeSync(q.conn.NewInbox()); err != nil {
			q.inbox = nil
			return fail(err)
		}
	}
	asked := time.Now()
	if err := q.conn.PublishRequest(r.next, q.inbox.Subject, []byte(`{"batch":1,"no_wait":true}`)); err != nil {
		return fail(err)
	}
	m, err := q.inbox.NextMsg(patience)
	if err != nil {
		q.inbox.Unsubscribe() // a late answer must not be taken for the next one's
		q.inbox = nil
		return fail(err)
	}
	if status := m.Header.Get("Status"); len(m.Data) == 0 && status != "" {
		switch {
		case status == "404", status == "408", strings.Contains(m.Header.Get("Description"), "MaxWaiting"):
			return nil, nil // none; or others have asked for those there are
		default:
			return nil, fault.New(fault.Unavailable, "take a job of row %s: %s %s", r.name, status, m.Header.Get("Description"))
		}
	}
	return q.leased(r, m, asked)
}

// leased makes a lease of what the server sent.
func (q *Queue) leased(r *row, m *nats.Msg, asked time.Time) (*Lease, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, fault.New(fault.Unavailable, "take a job of row %s: %w", r.name, err)
	}
	if meta.NumDelivered == 1 {
		q.bell.gave(r, meta.Sequence.Stream)
	}
	id := strings.TrimPrefix(m.Subject, r.prefix)
	h := &held{
		q:     q,
		row:   r,
		id:    id,
		ack:   m.Reply,
		note:  fmt.Sprintf("%s%s.%d.%s", returnedSubject, r.name, meta.Sequence.Stream, id),
		until: asked.Add(q.cfg.Lease), // the server counts from when it sent, which was later
	}
	attempt := int(meta.NumDelivered)
	if attempt > 1 {
		if h.returns, err = q.returns(h.note); err != nil {
			// Without the number of its attempts the job may be given up too early.
			q.conn.Publish(h.ack, []byte("-NAK"))
			return nil, err
		}
		attempt = max(1, attempt-h.returns)
	}
	q.met.took(r.lane, meta.NumDelivered > 1, meta.Timestamp)
	l := NewLease(Job{ID: id, Lane: r.lane, Row: r.number, Data: m.Data}, attempt, h)
	l.Put = meta.Timestamp
	return l, nil
}
