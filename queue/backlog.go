package queue

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
)

// Backlog counts the jobs that are there.
func (q *Queue) Backlog(ctx context.Context) (Backlog, error) {
	n, err := q.count(ctx)
	if err != nil {
		return Backlog{}, err
	}
	parts := func(l Lane) int { return n[l].waiting + n[l].leased }
	return Backlog{
		Urgent:  n[Urgent].waiting,
		Routine: n[Routine].waiting,
		Leased:  n[Urgent].leased + n[Routine].leased,
		Parts:   parts(UrgentPart) + parts(RoutinePart),
	}, nil
}

// counts is how many jobs of a lane were never taken, and how many were.
type counts struct{ waiting, leased int }

// count asks for all rows at once.
func (q *Queue) count(ctx context.Context) (map[Lane]counts, error) {
	if q.closed() {
		return nil, errClosed
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var mu sync.Mutex
	sum := map[Lane]counts{}
	eg, ctx := errgroup.WithContext(ctx)
	for _, l := range q.lanes {
		for _, r := range l.rows {
			eg.Go(func() error {
				n, err := r.count(ctx)
				if err != nil {
					return fault.Hint(unavailable(err, "count the jobs of row "+r.name), "is the queue's server up?")
				}
				mu.Lock()
				defer mu.Unlock()
				sum[l.name] = counts{sum[l.name].waiting + n.waiting, sum[l.name].leased + n.leased}
				return nil
			})
		}
	}
	return sum, eg.Wait()
}

// count asks the stream how many there are: the consumer learns of a job a moment
// after the stream has acknowledged it. Most rows are empty, and that is one question.
func (r *row) count(ctx context.Context) (counts, error) {
	stream, err := r.stream.Info(ctx)
	if err != nil || stream.State.Msgs == 0 {
		return counts{}, err
	}
	consumer, err := r.consumer.Info(ctx)
	if err != nil {
		return counts{}, err
	}
	all := int(stream.State.Msgs)
	leased := min(consumer.NumAckPending, all)
	return counts{all - leased, leased}, nil
}
