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
		if err := j.Validate(); err != nil {
			return err
		}
	}
	if err := q.broken(); err != nil {
		return err
	}
	for start := 0; start < len(jobs); start += putPart {
		part := jobs[start:min(start+putPart, len(jobs))]
		kept, err := q.putPart(ctx, part)
		if err != nil {
			return fmt.Errorf("%d of %d jobs kept: %w", start+kept, len(jobs), err)
		}
	}
	return nil
}

// Ready reports, as nil, that a Put has a chance: the server is there, and writes. It
// asks nobody.
func (q *Queue) Ready() error {
	if err := q.broken(); err != nil {
		return err
	}
	if q.local == nil && !q.conn.IsConnected() {
		return fault.Hint(fault.New(fault.Unavailable, "the queue at %s does not answer", places(q.cfg.URL)), "is the queue's server up?")
	}
	return nil
}

// putPart sends all jobs, then waits for each.
func (q *Queue) putPart(ctx context.Context, jobs []Job) (kept int, err error) {
	last := map[*row]uint64{} // the number of the last job that each row has kept
	defer func() {
		for r, number := range last {
			q.wake(r, number)
		}
	}()
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
		stored, err := q.acknowledged(ctx, ack, tick)
		for err != nil && isInProcess(err) { // somebody puts the same job: until it is there or not
			time.Sleep(20 * time.Millisecond)
			stored, err = q.js.PublishMsg(ctx, message(q, jobs[i]), onlyOnce(jobs[i])...)
		}
		if err != nil && !isThere(err) {
			return kept, q.putFailed(jobs[i], err)
		}
		kept++
		r := q.rowOf(jobs[i])
		if err != nil { // it is there, and nobody may have been told
			stored = &jetstream.PubAck{Duplicate: true}
		}
		last[r] = max(last[r], stored.Sequence)
		if !stored.Duplicate {
			q.met.put(r.lane)
		}
	}
	return kept, nil
}

// acknowledged waits for the next job to be acknowledged. Its time begins with the one
// before: a slow disk is slow, not silent.
func (q *Queue) acknowledged(ctx context.Context, ack jetstream.PubAckFuture, tick *time.Ticker) (*jetstream.PubAck, error) {
	for begun := time.Now(); ; {
		select {
		case a := <-ack.Ok():
			return a, nil
		case err := <-ack.Err():
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-q.closing:
			return nil, errClosed
		case <-tick.C:
			if err := q.broken(); err != nil {
				return nil, err
			}
			if time.Since(begun) > 2*patience {
				return nil, errors.New("the server is silent")
			}
		}
	}
}

func message(q *Queue, j Job) *nats.Msg {
	return &nats.Msg{Subject: q.rowOf(j).prefix + j.ID, Data: j.Data}
}

// onlyOnce has the server refuse a job while one of its ID is there, and drop it
// where one was a short while ago. While a cluster elects a leader, 4 to 9 s after it
// lost one, nobody responds: that is waited for.
func onlyOnce(j Job) []jetstream.PublishOpt {
	return []jetstream.PublishOpt{
		jetstream.WithMsgID(j.ID), jetstream.WithExpectLastSequencePerSubject(0),
		jetstream.WithRetryWait(electing / electingTries), jetstream.WithRetryAttempts(electingTries),
	}
}

const (
	electing      = 9 * time.Second // less than acknowledged waits
	electingTries = 36
)

func (q *Queue) putFailed(j Job, err error) error {
	if broken := q.broken(); broken != nil {
		return broken
	}
	if err = unavailable(err, fmt.Sprintf("put job %s", j.ID)); fault.HintOf(err) != "" {
		return err
	}
	return fault.Hint(err, "is the queue's server up? The same jobs may be put again")
}
