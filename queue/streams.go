package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"bcc/fault"
)

// Names and numbers on the server.
const (
	consumerName    = "workers"
	tellPrefix      = "bcc.tell."
	returnedStream  = "BCC_RETURNED"
	returnedSubject = "bcc.returned." // ROW.NUMBER.ID
	dropWindow      = 2 * time.Minute // how long the server remembers the ID of a job that is done
	returnedAge     = 30 * 24 * time.Hour
)

// PartAge is how long a job of a part lane waits before it vanishes.
const PartAge = time.Hour

// openStreams finds the streams and their consumers, or makes them: all at once, since
// on a cluster each waits for its leader.
func (q *Queue) openStreams(ctx context.Context) error {
	if err := q.removeOlder(ctx); err != nil {
		return err
	}
	eg, ctx := errgroup.WithContext(ctx)
	for _, l := range q.lanes {
		for _, r := range l.rows {
			eg.Go(func() error { return r.open(ctx, q) })
		}
	}
	eg.Go(func() (err error) {
		q.notes, err = q.openStream(ctx, jetstream.StreamConfig{
			Name:              returnedStream,
			Subjects:          []string{returnedSubject + "*.*.*"},
			MaxMsgsPerSubject: 1,
			MaxAge:            returnedAge, // longer than any job waits between two hand-backs
			MaxBytes:          maxNoteBytes,
			AllowDirect:       false, // a replica that lags would not know the last hand-back
		})
		return err
	})
	return eg.Wait()
}

// removeOlder removes the streams of the version that had no rows. Their jobs are put
// again from the store by whoever opens the ledger.
func (q *Queue) removeOlder(ctx context.Context) error {
	for name, subject := range map[string]string{"BCC_URGENT": "bcc.jobs.urgent.*", "BCC_ROUTINE": "bcc.jobs.routine.*"} {
		stream, err := asked(ctx, q, func(ctx context.Context) (jetstream.Stream, error) { return q.js.Stream(ctx, name) })
		if err == nil && slices.Equal(stream.CachedInfo().Config.Subjects, []string{subject}) {
			q.log.Info("older queue removed, its jobs are put again from the store", "stream", name, "jobs", stream.CachedInfo().State.Msgs)
			err = q.js.DeleteStream(ctx, name)
		}
		if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fault.Hint(unavailable(err, "ask for the older stream "+name), noJetStream)
		}
	}
	return nil
}

const noJetStream = "JetStream has to be on there: jetstream { store_dir: … } in the server's configuration"

// openStream returns the stream as it is there, or makes it.
func (q *Queue) openStream(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := asked(ctx, q, func(ctx context.Context) (jetstream.Stream, error) { return q.js.Stream(ctx, cfg.Name) })
	if err == nil {
		return stream, q.check(stream.CachedInfo(), cfg)
	}
	if q.local != nil && refused(err) {
		return nil, q.damaged(fmt.Errorf("open the stream %s: %w", cfg.Name, err))
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fault.Hint(unavailable(err, "open the stream "+cfg.Name), noJetStream)
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
	stream, err = asked(ctx, q, func(ctx context.Context) (jetstream.Stream, error) {
		return q.js.CreateStream(ctx, cfg) // of two at once both get the same
	})
	if err != nil {
		return nil, q.damaged(unavailable(err, "make the stream "+cfg.Name))
	}
	return stream, nil
}

// unanswered is how long one question to a cluster's API may take.
const unanswered = 2 * time.Second

// asked asks a cluster again while it says nothing: servers that have no leader at the
// moment drop a question without a word. Within a process there is no such silence.
func asked[T any](ctx context.Context, q *Queue, f func(context.Context) (T, error)) (T, error) {
	if q.local != nil {
		return f(ctx)
	}
	for {
		once, cancel := context.WithTimeout(ctx, unanswered)
		v, err := f(once)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) {
			return v, err
		}
	}
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

// damaged is err where the server is elsewhere. Inside the process nothing but the
// folder can be at fault, or its disk is full; the truth about the jobs lies elsewhere.
func (q *Queue) damaged(err error) error {
	if q.local == nil {
		return fault.Hint(err, "is JetStream on, with room for it?")
	}
	if !hasRoom(q.cfg.Dir) { // then nothing is damaged yet, and the folder is to stay
		return fault.Hint(fault.New(fault.Unavailable, "queue folder %s: its disk takes nothing more: %w", q.cfg.Dir, err),
			"make room on its disk and start again")
	}
	return fault.Hint(fault.New(fault.Corrupt, "queue folder %s: %w", q.cfg.Dir, err),
		"move %s away and start again: what is not done is put on the queue again from the store", q.cfg.Dir)
}
