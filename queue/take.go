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

// Take waits until there is a job and leases it: urgent ones first, then the one
// that waits longest; one that was handed back comes before those never taken. It
// returns ctx's error when ctx ends, Unavailable when the server has not answered
// for some seconds; then wait a little and call it again.
func (q *Queue) Take(ctx context.Context) (*Lease, error) {
	var silent time.Time // since when the server does not answer
	for {
		lease, wait, err := q.look(ctx)
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
			wait.rest = patience / 20
		}
		if err := wait.sleep(ctx, q.closing); err != nil {
			return nil, err
		}
	}
}

// look asks once, in turn with the other takers of this process. Without a lease and
// an error there is nothing, and pause says how long.
func (q *Queue) look(ctx context.Context) (*Lease, pause, error) {
	if err := ctx.Err(); err != nil {
		return nil, pause{}, err
	}
	if err := q.bell.take(ctx, q.closing); err != nil {
		return nil, pause{}, err
	}
	defer q.bell.give()
	now := q.bell.now()
	if now.rest > 0 {
		return nil, now, nil
	}
	for _, l := range q.lanes {
		lease, err := q.ask(l)
		if err != nil {
			return nil, now, err
		}
		if lease == nil {
			continue
		}
		if ctx.Err() != nil { // who asked is gone: to anybody, as if it had not been taken
			return nil, pause{}, errors.Join(ctx.Err(), lease.Return(context.WithoutCancel(ctx)))
		}
		return lease, pause{}, nil
	}
	return nil, q.bell.foundNothing(now), nil
}

// ask asks the server for a job of the lane, nil where there is none. The question
// is not given up when the taker's context ends: a job that comes when nobody
// listens any more is lost until its lease ends.
//
// The answers have an inbox of their own, and one question at a time uses it: a job
// comes under its own subject, by which conn.Request cannot tell whose answer it is.
func (q *Queue) ask(l lane) (*Lease, error) {
	fail := func(err error) (*Lease, error) {
		return nil, unavailable(err, fmt.Sprintf("take a job of lane %s", l.name))
	}
	var err error
	if q.inbox == nil {
		if q.inbox, err = q.conn.SubscribeSync(q.conn.NewInbox()); err != nil {
			q.inbox = nil
			return fail(err)
		}
	}
	asked := time.Now()
	if err := q.conn.PublishRequest(l.next, q.inbox.Subject, []byte(`{"batch":1,"no_wait":true}`)); err != nil {
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
			return nil, fault.New(fault.Unavailable, "take a job of lane %s: %s %s", l.name, status, m.Header.Get("Description"))
		}
	}
	return q.leased(l, m, asked)
}

// leased makes a lease of what the server sent.
func (q *Queue) leased(l lane, m *nats.Msg, asked time.Time) (*Lease, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, fault.New(fault.Unavailable, "take a job of lane %s: %w", l.name, err)
	}
	id := strings.TrimPrefix(m.Subject, l.prefix)
	h := &held{
		q:     q,
		id:    id,
		ack:   m.Reply,
		note:  fmt.Sprintf("%s%s.%d.%s", returnedSubject, l.name, meta.Sequence.Stream, id),
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
	q.met.took(l.name, meta.NumDelivered > 1, meta.Timestamp)
	return NewLease(Job{ID: id, Lane: l.name, Data: m.Data}, attempt, h), nil
}
