package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bcc/fault"
	"bcc/queue"
)

// counter is a queue whose takers wait for ever; it counts them.
type counter struct {
	Queue
	waiting atomic.Int64
}

func (c *counter) Take(ctx context.Context, _ ...queue.Lane) (*queue.Lease, error) {
	c.waiting.Add(1)
	defer c.waiting.Add(-1)
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestSlotsTakeAsManyJobsAsMemoryHasRoomFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var room atomic.Int64
		q := &counter{}
		w := &Worker{queue: q, cfg: Config{Room: func() int { return int(room.Load()) }}}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for place := range 4 {
			wg.Go(func() { w.serve(ctx, ctx, everything, place) })
		}
		for _, n := range []int64{0, 4, 1, 0, 2} {
			room.Store(n)
			time.Sleep(2 * gateEvery)
			synctest.Wait()
			if got := q.waiting.Load(); got != n {
				t.Errorf("room for %d: %d slots wait for a job", n, got)
			}
		}
		stop()
		wg.Wait()
	})
}

func TestALookerRefusesWhileMemoryIsFull(t *testing.T) {
	t.Parallel()
	full := true
	l := &Looker{full: func() bool { return full }, room: newRoom(time.Second, 1, gauge{})}
	if err := l.enter(1); fault.Of(err) != fault.Busy {
		t.Errorf("%v: want busy", err)
	}
	if wait, refused := l.Full(); !refused || wait <= 0 {
		t.Errorf("%v, %v: want to be told when to come again", wait, refused)
	}
	full = false
	if _, refused := l.Full(); refused {
		t.Error("refused while there is memory")
	}
}
