package queue

import (
	"context"

	"bcc/fault"
)

// Backlog counts the jobs that are there.
func (q *Queue) Backlog(ctx context.Context) (Backlog, error) {
	var b Backlog
	if q.closed() {
		return b, errClosed
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, l := range q.lanes {
		waiting, leased, err := l.count(ctx)
		if err != nil {
			return Backlog{}, fault.Hint(unavailable(err, "count the jobs of lane "+string(l.name)), "is the queue's server up?")
		}
		if l.name == Urgent {
			b.Urgent = waiting
		} else {
			b.Routine = waiting
		}
		b.Leased += leased
	}
	return b, nil
}

// count asks the stream how many there are: the consumer learns of a job a moment
// after the stream has acknowledged it.
func (l lane) count(ctx context.Context) (waiting, leased int, err error) {
	consumer, err := l.consumer.Info(ctx)
	if err != nil {
		return 0, 0, err
	}
	stream, err := l.stream.Info(ctx)
	if err != nil {
		return 0, 0, err
	}
	all := int(stream.State.Msgs)
	leased = min(consumer.NumAckPending, all)
	return all - leased, leased, nil
}
