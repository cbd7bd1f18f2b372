package queue

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Others put and end jobs while we count: what is seen so often, so far apart, while
// nothing moves, is no such moment.
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

// ghosts counts the jobs that lie in the row and that its consumer will not give.
func (r *row) ghosts(ctx context.Context) (found uint64, err error) {
	var before jetstream.StreamState
	var was jetstream.ConsumerInfo
	for look := range ghostLooks {
		if look > 0 {
			if err := (pause{rest: ghostPause}).sleep(ctx, nil); err != nil {
				return 0, err
			}
		}
		stream, err := r.stream.Info(ctx)
		if err != nil || stream.State.Msgs == 0 {
			return 0, err
		}
		is, err := r.consumer.Info(ctx)
		if err != nil {
			return 0, err
		}
		gives := is.NumPending + uint64(is.NumAckPending)
		moved := before.LastSeq != stream.State.LastSeq || before.Msgs != stream.State.Msgs ||
			was.Delivered.Consumer != is.Delivered.Consumer || was.AckFloor.Consumer != is.AckFloor.Consumer || was.NumAckPending != is.NumAckPending
		if stream.State.Msgs <= gives || look > 0 && moved {
			return 0, nil
		}
		before, was, found = stream.State, *is, stream.State.Msgs-gives
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
