package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bcc/fault"
)

const (
	// So many jobs are on their way to the server at once in one Put; takers are woken
	// after each such part.
	putPart = 512
	// All Puts together; past it the client waits.
	maxUnacknowledged = 1 << 16
)

// Put keeps the jobs: when it returns nil each of them is on the disk of the server,
// and on those of most replicas. Where it fails some may be; to Put the same jobs
// again is always safe, because one whose ID is there is dropped.
//
// Busy: the queue is full. Unavailable: the server does not answer.
func (q *Queue) Put(ctx context.Context, jobs ...Job) error {
	for _, j := range jobs {
		if err := j.validate(); err != nil {
			return err
		}
	}
	if err := q.broken(); err != nil {
		return err
	}
	for start := 0; start < len(jobs); start += putPart {
		part := jobs[start:min(start+putPart, len(jobs))]
		kept, err := q.putPart(ctx, part)
		if kept > 0 {
			q.wake()
		}
		if err != nil {
			return fmt.Errorf("%d of %d jobs kept: %w", start+kept, len(jobs), err)
		}
	}
	return nil
}

// putPart sends all jobs, then waits for each.
func (q *Queue) putPart(ctx context.Context, jobs []Job) (kept int, err error) {
	sent := make([]jetstream.PubAckFuture, 0, len(jobs))
	for _, j := range jobs {
		ack, err := q.js.PublishMsgAsync(message(q, j), append(onlyOnce(j), jetstream.WithStallWait(patience))...)
		if err != nil {
			return kept, q.putFailed(j, err)
		}
		sent = append(sent, ack)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i, ack := range sent {
		err = q.acknowledged(ctx, ack, tick)
		for err != nil && isInProcess(err) { // somebody puts the same job: until it is there or not
			time.Sleep(20 * time.Millisecond)
			_, err = q.js.PublishMsg(ctx, message(q, jobs[i]), onlyOnce(jobs[i])...)
		}
		if err != nil && !isThere(err) {
			return kept, q.putFailed(jobs[i], err)
		}
		if err == nil {
			q.met.put(jobs[i].Lane)
		}
		kept, err = kept+1, nil
	}
	return kept, nil
}

// acknowledged waits for the next job to be acknowledged. Its time begins with the one
// before: a slow disk is slow, not silent.
func (q *Queue) acknowledged(ctx context.Context, ack jetstream.PubAckFuture, tick *time.Ticker) error {
	for begun := time.Now(); ; {
		select {
		case <-ack.Ok():
			return nil
		case err := <-ack.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-q.closing:
			return errClosed
		case <-tick.C:
			if err := q.broken(); err != nil {
				return err
			}
			if time.Since(begun) > 2*patience {
				return errors.New("the server is silent")
			}
		}
	}
}

func message(q *Queue, j Job) *nats.Msg {
	return &nats.Msg{Subject: q.prefix(j.Lane) + j.ID, Data: j.Data}
}

// onlyOnce has the server refuse a job while one of its ID is there, and drop it
// where one was a short while ago.
func onlyOnce(j Job) []jetstream.PublishOpt {
	return []jetstream.PublishOpt{jetstream.WithMsgID(j.ID), jetstream.WithExpectLastSequencePerSubject(0)}
}

func (q *Queue) putFailed(j Job, err error) error {
	if broken := q.broken(); broken != nil {
		return broken
	}
	if err = unavailable(err, fmt.Sprintf("put job %s", j.ID)); fault.HintOf(err) != "" {
		return err
	}
	return fault.Hint(err, "is the queue's server up? The same jobs may be put again")
}

func (q *Queue) prefix(name Lane) string {
	for _, l := range q.lanes {
		if l.name == name {
			return l.prefix
		}
	}
	return "" // validated
}

// wake tells all takers, on all machines, to look. Where the word is lost they look
// after a second.
func (q *Queue) wake() {
	q.bell.ring() // ours at once
	q.conn.Publish(wakeSubject, nil)
}
