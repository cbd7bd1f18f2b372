package worker

import (
	"context"
	"slices"
	"sync"

	"bcc/queue"
)

// urgency is how many urgent slides are conducted here. While there are any, the engine
// has enough to do with the shard that its conductor makes: the worker's other slots
// leave urgent parts to workers that are idle. Else, on a fleet with nothing to do, one
// in ten urgent slides had all its shards made in one place, one beside the other, in
// twice the time. What nobody else takes the conductor makes, one after the other. The
// zero value is ready.
type urgency struct {
	mu      sync.Mutex
	slides  int
	changed chan struct{} // closed when slides becomes 0, or is not 0 any more
}

// begin says that an urgent slide is conducted from now on; end, called once, that it
// is not any more.
func (u *urgency) begin() (end func()) {
	u.add(1)
	return func() { u.add(-1) }
}

func (u *urgency) add(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	before := u.slides
	u.slides += n
	if (before == 0) != (u.slides == 0) && u.changed != nil {
		close(u.changed)
		u.changed = nil
	}
}

// now returns whether there are any, and what is closed when that changes.
func (u *urgency) now() (any bool, changed <-chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.changed == nil {
		u.changed = make(chan struct{})
	}
	return u.slides > 0, u.changed
}

// next takes a job of the lanes that a slot takes now. Without a lease and an error:
// what it takes has changed, or ctx has ended.
func (w *Worker) next(ctx context.Context, lanes []queue.Lane) (*queue.Lease, error) {
	busy, changed := w.urgency.now()
	if busy {
		lanes = slices.DeleteFunc(slices.Clone(lanes), func(l queue.Lane) bool { return l == queue.UrgentPart })
	}
	take, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-changed:
			stop()
		case <-take.Done():
		}
	}()
	l, err := w.queue.Take(take, lanes...)
	if take.Err() != nil && err != nil {
		return nil, nil
	}
	return l, err
}
