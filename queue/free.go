package queue

import (
	"context"
	"time"
)

// How long the server takes to notice a lease that was made shorter is a tenth of a
// second.
const (
	noLease = time.Millisecond
	notice  = 250 * time.Millisecond
)

// free ends all leases of a queue inside the process when it is opened. Only this
// process could hold them, and it has just begun: after a crash, or after a drain, the
// work goes on at once and not when the leases would have ended. Where others may
// join, they may have lived on with theirs: nothing is done.
//
// The server has no word for it, but a consumer whose lease is shorter than what has
// gone by gives everything anew, and goes on to do so when the lease is long again.
func (q *Queue) free(ctx context.Context) error {
	if q.local == nil || q.cfg.Listen != "" {
		return nil
	}
	var held []*row
	for _, l := range q.lanes {
		for _, r := range l.rows {
			if r.consumer.CachedInfo().NumAckPending > 0 { // as it was found
				held = append(held, r)
			}
		}
	}
	if len(held) == 0 {
		return nil
	}
	for _, lease := range []time.Duration{noLease, q.cfg.Lease} {
		for _, r := range held {
			if _, err := r.setLease(ctx, lease); err != nil {
				return unavailable(err, "free the jobs of row "+r.name)
			}
		}
		if lease == noLease {
			time.Sleep(notice) // where it takes longer, those leases end in their own time
		}
	}
	return nil
}
