package queue

import (
	"context"
	"slices"
	"time"
)

const tendEvery = 2 * time.Second

// tend looks for rows of the queue inside this process that hold jobs which nobody is
// given: their bits turned on the disk. The server counts such a job for ever and
// refuses another of its ID, so that its slide would wait for ever. The row is made
// anew, without its jobs: whoever keeps the truth about them puts them again.
func (q *Queue) tend() {
	defer close(q.tended)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-q.closing
		cancel()
	}()
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		select {
		case <-q.closing:
			return
		case <-tick.C:
		}
		for _, l := range q.lanes {
			for _, r := range l.rows {
				if err := q.tendRow(ctx, r); err != nil && ctx.Err() == nil {
					q.log.Debug("look for unreadable jobs", "row", r.name, "error", err)
				}
			}
		}
	}
}

func (q *Queue) tendRow(ctx context.Context, r *row) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, err := r.ghosts(ctx)
	if err != nil || found == 0 {
		return err
	}
	// The consumer says that it has nothing more to give. It is asked all the same.
	given, err := r.consumer.FetchNoWait(1)
	if err != nil {
		return err
	}
	for m := range given.Messages() {
		return m.Nak()
	}
	if given.Error() != nil {
		return given.Error()
	}
	q.log.Error("jobs cannot be read; their row is made anew", "row", r.name, "jobs", found)
	if err := q.js.DeleteStream(ctx, r.streamName()); err != nil {
		return err
	}
	q.local.before = slices.DeleteFunc(q.local.before, func(name string) bool { return name == r.streamName() })
	fresh := &row{lane: r.lane, number: r.number, name: r.name, prefix: r.prefix, next: r.next} // others read r now
	return fresh.open(ctx, q)
}
