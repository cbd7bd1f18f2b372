package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bcc/fault"
)

// lane holds the rows of one Lane.
type lane struct {
	name Lane
	rows []*row
	last int // the row that gave last; whoever has the bell's turn uses it
}

// row is where jobs lie: a stream with one consumer that all share.
type row struct {
	lane     Lane
	number   int
	name     string // LANE-NUMBER, or LANE for the only row of a part lane
	prefix   string // of the subjects of its jobs; the job's ID follows
	next     string // the subject on which a job is asked for
	stream   jetstream.Stream
	consumer jetstream.Consumer

	heard heard // the bell's
}

// newLanes names all lanes and their rows. Each process begins its round somewhere
// else.
func newLanes() []*lane {
	var all []*lane
	for _, name := range lanes {
		l := &lane{name: name, last: rand.IntN(name.rows())}
		for i := range name.rows() {
			r := &row{lane: name, number: i, name: string(name)}
			if !name.part() {
				r.name = fmt.Sprintf("%s-%d", name, i)
			}
			r.prefix = fmt.Sprintf("bcc.jobs.%s.", r.name)
			r.next = fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", r.streamName(), consumerName)
			l.rows = append(l.rows, r)
		}
		all = append(all, l)
	}
	return all
}

// streamName is BCC_ROUTINE_0 and so on.
func (r *row) streamName() string {
	return "BCC_" + strings.ToUpper(strings.ReplaceAll(r.name, "-", "_"))
}

// among returns the lanes of these names in the order of Take; all where none is named.
func (q *Queue) among(names []Lane) ([]*lane, error) {
	if len(names) == 0 {
		return q.lanes, nil
	}
	for _, n := range names {
		if !slices.Contains(lanes, n) {
			return nil, fault.New(fault.Invalid, "take from lane %q: want some of %q", n, lanes)
		}
	}
	var some []*lane
	for _, l := range q.lanes {
		if slices.Contains(names, l.name) {
			some = append(some, l)
		}
	}
	return some, nil
}

// rowOf returns the row of a job that is valid.
func (q *Queue) rowOf(j Job) *row {
	l := q.lanes[slices.Index(lanes, j.Lane)]
	return l.rows[j.Row%len(l.rows)]
}

// open finds the row's stream and consumer, or makes them.
func (r *row) open(ctx context.Context, q *Queue) (err error) {
	cfg := jetstream.StreamConfig{
		Name:       r.streamName(),
		Subjects:   []string{r.prefix + "*"},
		Retention:  jetstream.WorkQueuePolicy,
		Discard:    jetstream.DiscardNew, // a full queue says so; it forgets nothing
		Duplicates: dropWindow,
	}
	if r.lane.part() {
		cfg.MaxAge, cfg.MaxBytes = PartAge, maxPartBytes
	}
	if r.stream, err = q.openStream(ctx, cfg); err != nil {
		return err
	}
	// Asked for before it is set: on a cluster each change of one is written thrice.
	r.consumer, err = asked(ctx, q, func(ctx context.Context) (jetstream.Consumer, error) { return r.stream.Consumer(ctx, consumerName) })
	if err == nil && r.consumer.CachedInfo().Config.AckWait == q.cfg.Lease {
		return nil
	}
	r.consumer, err = asked(ctx, q, func(ctx context.Context) (jetstream.Consumer, error) { return r.setLease(ctx, q.cfg.Lease) })
	if err != nil {
		return q.damaged(unavailable(err, "open the consumer of "+cfg.Name))
	}
	return nil
}

// setLease makes the row's consumer, or gives the one that is there another lease.
func (r *row) setLease(ctx context.Context, lease time.Duration) (jetstream.Consumer, error) {
	return r.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:       consumerName,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       lease, // a BackOff would override it: there is none
		MaxDeliver:    -1,    // who takes a job decides how often is too often
		MaxAckPending: -1,    // the default stops the row at 1000 leases
	})
}
