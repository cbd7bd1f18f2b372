package queue

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Workers elsewhere put and end jobs while we count: what is seen so often, so far
// apart, is no such moment.
const (
	ghostLooks = 3
	ghostPause = 50 * time.Millisecond
)

// layGhosts finds jobs that lie in a row and that its consumer takes for done, and has
// them given once more. The server writes the end of a job in two files, one after the
// other; a power cut between them leaves a job that is counted for ever and given to
// nobody. A consumer made anew knows nothing, so it gives what there is.
func (q *Queue) layGhosts(ctx context.Context) error {
	if q.local == nil {
		return nil // a cluster has replicas, and others who work on it now
	}
	for _, l := range q.lanes {
		for _, r := range l.rows {
			found, err := r.ghosts(ctx)
			if err == nil && found > 0 {
				q.log.Warn("jobs that seemed done are given once more", "row", r.name, "jobs", found)
				err = r.remake(ctx, q.cfg.Lease)
			}
			if err != nil {
				return q.damaged(unavailable(err, "look for forgotten jobs in row "+r.name))
			}
		}
	}
	return nil
}

// ghosts counts the jobs that the row's consumer will not give.
func (r *row) ghosts(ctx context.Context) (found uint64, err error) {
	stream, consumer := r.stream.CachedInfo(), r.consumer.CachedInfo() // as they were found
	for look := range ghostLooks {
		if look > 0 {
			time.Sleep(ghostPause)
			if consumer, err = r.consumer.Info(ctx); err != nil {
				return 0, err
			}
			if stream, err = r.stream.Info(ctx); err != nil {
				return 0, err
			}
		}
		gives := consumer.NumPending + uint64(consumer.NumAckPending)
		if stream.State.Msgs <= gives {
			return 0, nil
		}
		found = stream.State.Msgs - gives
	}
	return found, nil
}

// remake makes the row's consumer anew.
func (r *row) remake(ctx context.Context, lease time.Duration) (err error) {
	if err = r.stream.DeleteConsumer(ctx, consumerName); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	r.consumer, err = r.setLease(ctx, lease)
	return err
}
