package queue

import (
	"context"
	"slices"
	"time"
)

// A row is looked at so often, and made anew when it was found wanting so many times
// in a row: a server that is starved of time tells of jobs before it can give them.
const (
	tendEvery = 2 * time.Second
	tendTimes = 3
)

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
	wanting := map[*row]int{} // how often, one after the other
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
				found, err := r.ghosts(ctx)
				if err == nil && found > 0 {
					if wanting[r]++; wanting[r] < tendTimes {
						continue
					}
					err = q.renew(ctx, r, found)
				}
				if err != nil && ctx.Err() == nil {
					q.log.Debug("look for unreadable jobs", "row", r.name, "error", err)
				}
				wanting[r] = 0
			}
		}
	}
}

// renew makes a row anew of which so many jobs cannot be read.
func (q *Queue) renew(ctx context.Context, r *row, found uint64) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
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
