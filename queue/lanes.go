package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bcc/fault"
)

// Names on the server. A lane is a stream with one consumer that all share.
const (
	consumerName    = "workers"
	wakeSubject     = "bcc.wake"
	tellPrefix      = "bcc.tell."
	returnedStream  = "BCC_RETURNED"
	returnedSubject = "bcc.returned." // LANE.SEQUENCE.ID
	dropWindow      = 2 * time.Minute // how long the server remembers the ID of a job that is done
	returnedAge     = 30 * 24 * time.Hour
)

// streamNames are the streams of the lanes, urgent first.
var streamNames = []string{"BCC_URGENT", "BCC_ROUTINE"}

// lane is where the jobs of one Lane lie.
type lane struct {
	name     Lane
	prefix   string // of the subjects of its jobs; the job's ID follows
	next     string // the subject on which a job is asked for
	stream   jetstream.Stream
	consumer jetstream.Consumer
}

// openStreams finds the streams and their consumers, or makes them.
func (q *Queue) openStreams(ctx context.Context) (err error) {
	for i, name := range []Lane{Urgent, Routine} {
		l := lane{name: name, prefix: fmt.Sprintf("bcc.jobs.%s.", name)}
		l.stream, err = q.openStream(ctx, jetstream.StreamConfig{
			Name:       streamNames[i],
			Subjects:   []string{l.prefix + "*"},
			Retention:  jetstream.WorkQueuePolicy,
			Discard:    jetstream.DiscardNew, // a full queue says so; it forgets nothing
			MaxBytes:   maxLaneBytes,
			Duplicates: dropWindow,
		})
		if err != nil {
			return err
		}
		if l.consumer, err = l.setLease(ctx, q.cfg.Lease); err != nil {
			return q.damaged(unavailable(err, "open the consumer of "+streamNames[i]))
		}
		l.next = fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", streamNames[i], consumerName)
		q.lanes = append(q.lanes, l)
	}
	q.notes, err = q.openStream(ctx, jetstream.StreamConfig{
		Name:              returnedStream,
		Subjects:          []string{returnedSubject + "*.*.*"},
		MaxMsgsPerSubject: 1,
		MaxAge:            returnedAge, // longer than any job waits between two hand-backs
		MaxBytes:          maxLaneBytes / 16,
		AllowDirect:       false, // a replica that lags would not know the last hand-back
	})
	return err
}

// setLease makes the lane's consumer, or gives the one that is there another lease.
func (l lane) setLease(ctx context.Context, lease time.Duration) (jetstream.Consumer, error) {
	return l.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:       consumerName,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       lease, // a BackOff would override it: there is none
		MaxDeliver:    -1,    // who takes a job decides how often is too often
		MaxAckPending: -1,    // the default stops the lane at 1000 leases
	})
}

// damaged is err where the server is elsewhere. Inside the process nothing but the
// folder can be at fault, and the truth about the jobs lies elsewhere.
func (q *Queue) damaged(err error) error {
	if q.local == nil {
		return fault.Hint(err, "is JetStream on, with room for it?")
	}
	return fault.Hint(fault.New(fault.Corrupt, "queue folder %s: %w", q.cfg.Dir, err),
		"move %s away and start again: what is not done is put on the queue again from the store", q.cfg.Dir)
}

// openStream returns the stream as it is there, or makes it.
func (q *Queue) openStream(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := q.js.Stream(ctx, cfg.Name)
	if err == nil {
		return stream, q.check(stream.CachedInfo(), cfg)
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fault.Hint(unavailable(err, "open the stream "+cfg.Name), "the server must have JetStream")
	}
	if q.local != nil && slices.Contains(q.local.before, cfg.Name) {
		return nil, q.damaged(fmt.Errorf("jobs lie in %s, but what describes them is lost", streamDir(q.cfg.Dir, cfg.Name)))
	}
	cfg.Storage = jetstream.FileStorage
	if q.local == nil {
		cfg.MaxBytes = -1 // the limits of the cluster's account count
		cfg.Replicas = q.cfg.Replicas
		if cfg.Replicas == 0 && q.conn.ConnectedClusterName() != "" {
			cfg.Replicas = 3
		}
	}
	stream, err = q.js.CreateStream(ctx, cfg) // of two at once both get the same
	if err != nil {
		return nil, q.damaged(unavailable(err, "make the stream "+cfg.Name))
	}
	return stream, nil
}

// check looks at a stream that was there: whether it is ours, and whether the server
// lost something of it.
func (q *Queue) check(info *jetstream.StreamInfo, want jetstream.StreamConfig) error {
	if info.Config.Retention != want.Retention || !slices.Equal(info.Config.Subjects, want.Subjects) {
		return fault.Hint(fault.New(fault.Invalid, "the stream %s is there, but it is not a queue of bcc", want.Name),
			"give bcc an account of its own on that cluster")
	}
	if lost := info.State.Lost; lost != nil {
		q.log.Error("queue lost jobs", "stream", want.Name, "jobs", len(lost.Msgs), "bytes", lost.Bytes)
	}
	return nil
}
