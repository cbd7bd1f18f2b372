// Package queuetest tells whether a queue keeps what package queue promises,
// wherever its server runs. Memory is one without a server, for simulations.
//
// In: a function that opens queues. Out: test failures. It starts no server.
package queuetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"bcc/fault"
	"bcc/queue"
)

// Queue is what keeps the promises: queue.Queue, Memory.
type Queue interface {
	Put(ctx context.Context, jobs ...queue.Job) error
	Take(ctx context.Context, lanes ...queue.Lane) (*queue.Lease, error)
	Backlog(ctx context.Context) (queue.Backlog, error)
	Tell(topic string, data []byte) error
	Listen(topic string, f func(topic string, data []byte)) (stop func(), err error)
	Close() error
}

var _ Queue = (*queue.Queue)(nil)

// Open opens a queue that is empty and closes it with the test.
type Open func(t *testing.T, lease time.Duration) Queue

// Exercise runs the suite. Leases of its queues are long unless a test waits for
// their end.
func Exercise(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, Open){
		"a job is given once and gone when done":           givenOnce,
		"urgent jobs go first, then the oldest":            urgentFirst,
		"a Put that has returned is seen":                  seen,
		"whoever names lanes takes from those":             chosen,
		"takers of other lanes hide nothing":               hideNothing,
		"rows take turns":                                  turns,
		"a full row keeps no other waiting":                fair,
		"what was handed back goes first in its row only":  returnedInRow,
		"parts are counted by themselves":                  parts,
		"a job of an ID that is there is dropped":          sameID,
		"Take wakes when a job is put":                     wakes,
		"Take ends with its context and takes nothing":     takeEnds,
		"many takers share many jobs":                      share,
		"Return gives the job on and does not count":       returned,
		"Again counts and waits":                           again,
		"a lease ends unless it is beaten":                 leaseEnds,
		"what is done too late says so and is done":        doneLate,
		"the backlog counts":                               backlog,
		"what is told is heard by those who listen":        told,
		"a listener hears one thing at a time and in turn": inTurn,
		"what makes no sense is refused":                   refused,
		"a closed queue says so":                           closed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

const long = 30 * time.Second

func job(lane queue.Lane, id string) queue.Job {
	return queue.Job{ID: id, Lane: lane, Data: []byte("data of " + id)}
}

func put(t *testing.T, q Queue, jobs ...queue.Job) {
	t.Helper()
	if err := q.Put(t.Context(), jobs...); err != nil {
		t.Fatal(err)
	}
}

// take takes a job that must be there at once, or within a look.
func take(t *testing.T, q Queue, lanes ...queue.Lane) *queue.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	l, err := q.Take(ctx, lanes...)
	if err != nil {
		t.Fatalf("take: %v", err)
	}
	return l
}

// nothing asserts that no job can be taken for a while.
func nothing(t *testing.T, q Queue, during time.Duration, lanes ...queue.Lane) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	if l, err := q.Take(ctx, lanes...); err == nil {
		t.Fatalf("took %s, want nothing", l.ID)
	} else if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.Of(err) != kind {
		t.Fatalf("%v, want an error of kind %v", err, kind)
	}
}

// wantBacklog waits for it: a cluster counts a moment late.
func wantBacklog(t *testing.T, q Queue, want queue.Backlog) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got, err := q.Backlog(t.Context())
		ok(t, err)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("backlog %+v, want %+v", got, want)
		}
	}
}

func givenOnce(t *testing.T, open Open) {
	q := open(t, long)
	put(t, q, job(queue.Routine, "a"))
	l := take(t, q)
	if l.ID != "a" || l.Lane != queue.Routine || string(l.Data) != "data of a" || l.Attempt != 1 {
		t.Errorf("took %+v attempt %d", l.Job, l.Attempt)
	}
	nothing(t, q, 50*time.Millisecond)
	ok(t, l.Beat(t.Context()))
	ok(t, l.Done(t.Context()))
	ok(t, l.Done(t.Context())) // whoever is not sure says it again
	wantBacklog(t, q, queue.Backlog{})
}

func sameID(t *testing.T, open Open) {
	q := open(t, long)
	put(t, q, job(queue.Routine, "a"), job(queue.Routine, "a"), job(queue.Routine, "b"))
	put(t, q, job(queue.Routine, "b"), job(queue.Routine, "c"))
	wantBacklog(t, q, queue.Backlog{Routine: 3})
	l := take(t, q)
	put(t, q, job(queue.Routine, l.ID))
	ok(t, l.Done(t.Context()))
	put(t, q, job(queue.Routine, l.ID)) // soon after it was done
	wantBacklog(t, q, queue.Backlog{Routine: 2})
}

func wakes(t *testing.T, open Open) {
	q := open(t, long)
	best := time.Hour
	for i := range 5 {
		type taken struct {
			lease *queue.Lease
			at    time.Time
		}
		got := make(chan taken, 1)
		go func() {
			l, _ := q.Take(t.Context())
			got <- taken{l, time.Now()}
		}()
		time.Sleep(30 * time.Millisecond) // it sleeps
		put(t, q, job(queue.Routine, fmt.Sprint("j", i)))
		begun := time.Now()
		g := <-got
		best = min(best, g.at.Sub(begun))
		ok(t, g.lease.Done(t.Context()))
	}
	// A look a second would be far slower than the best of five.
	if best > 200*time.Millisecond {
		t.Errorf("taken %v after it was put", best)
	}
}

func takeEnds(t *testing.T, open Open) {
	q := open(t, long)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := q.Take(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, want that the context was cancelled", err)
	}
	put(t, q, job(queue.Routine, "a"))
	if _, err := q.Take(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, want that the context was cancelled", err)
	}
	if l := take(t, q); l.Attempt != 1 {
		t.Errorf("attempt %d, want 1", l.Attempt)
	}
}

func share(t *testing.T, open Open) {
	q := open(t, long)
	const jobs, takers = 200, 8
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range takers {
		wg.Go(func() {
			for {
				l, err := q.Take(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				seen[l.ID]++
				all := len(seen) == jobs
				mu.Unlock()
				if err := l.Done(t.Context()); err != nil {
					t.Error(err)
				}
				if all {
					cancel()
				}
			}
		})
	}
	var many []queue.Job
	for i := range jobs {
		many = append(many, job([]queue.Lane{queue.Urgent, queue.Routine}[i%2], fmt.Sprint("j", i)))
	}
	put(t, q, many...)
	wg.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was taken %d times", id, n)
		}
	}
	if len(seen) != jobs {
		t.Errorf("%d jobs taken, want %d", len(seen), jobs)
	}
}

func returned(t *testing.T, open Open) {
	q := open(t, long)
	put(t, q, job(queue.Routine, "a"), job(queue.Routine, "b"))
	for range 3 {
		l := take(t, q)
		if l.ID != "a" || l.Attempt != 1 {
			t.Fatalf("took %s attempt %d, want a attempt 1", l.ID, l.Attempt)
		}
		begun := time.Now()
		ok(t, l.Return(t.Context()))
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("returned after %v", took)
		}
	}
	l := take(t, q)
	ok(t, l.Again(t.Context(), 0))
	if l = take(t, q); l.ID != "a" || l.Attempt != 2 {
		t.Fatalf("took %s attempt %d, want a attempt 2", l.ID, l.Attempt)
	}
	ok(t, l.Return(t.Context()))
	if l = take(t, q); l.ID != "a" || l.Attempt != 2 {
		t.Fatalf("took %s attempt %d, want a attempt 2 still", l.ID, l.Attempt)
	}
	const rest = 300 * time.Millisecond
	begun := time.Now()
	ok(t, l.Later(t.Context(), rest))
	other := take(t, q)
	if l = take(t, q); other.ID != "b" || l.ID != "a" || l.Attempt != 2 {
		t.Fatalf("took %s, then %s attempt %d, want b, then a attempt 2", other.ID, l.ID, l.Attempt)
	}
	if took := time.Since(begun); took < rest {
		t.Errorf("a job that was to come after %v came after %v", rest, took)
	}
}

func again(t *testing.T, open Open) {
	q := open(t, long)
	put(t, q, job(queue.Routine, "a"))
	const pause = 300 * time.Millisecond
	begun := time.Now()
	ok(t, take(t, q).Again(t.Context(), pause))
	l := take(t, q)
	if took := time.Since(begun); took < pause {
		t.Errorf("taken again after %v, want %v at least", took, pause)
	} else if took > pause+5*time.Second {
		t.Errorf("taken again after %v", took)
	}
	if l.Attempt != 2 {
		t.Errorf("attempt %d, want 2", l.Attempt)
	}
}

func leaseEnds(t *testing.T, open Open) {
	const lease = 300 * time.Millisecond
	q := open(t, lease)
	put(t, q, job(queue.Routine, "a"))
	first := take(t, q)
	for range 6 { // one and a half leases long
		time.Sleep(lease / 4)
		if err := first.Beat(t.Context()); err != nil {
			t.Skipf("this machine is too busy to beat in time: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), lease/8)
	defer cancel()
	if l, err := q.Take(ctx); err == nil {
		t.Fatalf("took %s, which is beaten", l.ID)
	}
	second := take(t, q) // waits for its end
	if second.ID != "a" || second.Attempt != 2 {
		t.Errorf("took %s attempt %d, want a attempt 2", second.ID, second.Attempt)
	}
	wantKind(t, first.Beat(t.Context()), fault.NotFound)
	wantKind(t, first.Return(t.Context()), fault.NotFound)
	wantKind(t, first.Again(t.Context(), 0), fault.NotFound)
}

func doneLate(t *testing.T, open Open) {
	const lease = 200 * time.Millisecond
	q := open(t, lease)
	put(t, q, job(queue.Routine, "a"))
	l := take(t, q)
	time.Sleep(lease + 10*time.Millisecond)
	wantKind(t, l.Done(t.Context()), fault.NotFound)
	nothing(t, q, 2*lease)
	wantBacklog(t, q, queue.Backlog{})
}

func backlog(t *testing.T, open Open) {
	q := open(t, long)
	wantBacklog(t, q, queue.Backlog{})
	put(t, q, job(queue.Routine, "a"), job(queue.Routine, "b"), job(queue.Urgent, "c"))
	wantBacklog(t, q, queue.Backlog{Urgent: 1, Routine: 2})
	c, a := take(t, q), take(t, q)
	wantBacklog(t, q, queue.Backlog{Routine: 1, Leased: 2})
	ok(t, a.Return(t.Context()))
	ok(t, c.Done(t.Context()))
	wantBacklog(t, q, queue.Backlog{Routine: 1, Leased: 1})
}

func told(t *testing.T, open Open) {
	q := open(t, long)
	one, all := make(chan string, 10), make(chan string, 10)
	hear := func(into chan string) func(string, []byte) {
		return func(topic string, data []byte) { into <- topic + "=" + string(data) }
	}
	stop, err := q.Listen("slide.x", hear(one))
	ok(t, err)
	_, err = q.Listen("slide.>", hear(all))
	ok(t, err)
	ok(t, q.Tell("slide.x", []byte("1")))
	ok(t, q.Tell("slide.y.z", []byte("2")))
	ok(t, q.Tell("other", nil))
	expect := func(from chan string, want string) {
		t.Helper()
		select {
		case got := <-from:
			if got != want {
				t.Fatalf("heard %s, want %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s was not heard", want)
		}
	}
	expect(one, "slide.x=1")
	expect(all, "slide.x=1")
	expect(all, "slide.y.z=2")
	stop()
	ok(t, q.Tell("slide.x", []byte("3")))
	expect(all, "slide.x=3")
	if len(one)+len(all) != 0 {
		t.Errorf("%d and %d more were heard, want none", len(one), len(all))
	}
}

func inTurn(t *testing.T, open Open) {
	q := open(t, long)
	const words = 500
	var running, next int // no lock: the listener is alone, the race detector looks
	heard := make(chan struct{})
	_, err := q.Listen("w", func(_ string, data []byte) {
		if running++; running != 1 {
			t.Errorf("%d calls at a time", running)
		}
		if string(data) != fmt.Sprint(next) {
			t.Errorf("heard %s, want %d", data, next)
		}
		running--
		if next++; next == words {
			close(heard)
		}
	})
	ok(t, err)
	for i := range words {
		ok(t, q.Tell("w", fmt.Append(nil, i)))
	}
	select {
	case <-heard:
	case <-time.After(10 * time.Second):
		t.Fatal("not all was heard")
	}
}

func refused(t *testing.T, open Open) {
	q := open(t, long)
	huge := make([]byte, queue.MaxData+1)
	for _, j := range []queue.Job{
		{ID: "", Lane: queue.Urgent},
		{ID: "a.b", Lane: queue.Urgent},
		{ID: "a b", Lane: queue.Urgent},
		{ID: "a>", Lane: queue.Urgent},
		{ID: string(huge[:200]), Lane: queue.Urgent},
		{ID: "a", Lane: ""},
		{ID: "a", Lane: "fast"},
		{ID: "a", Lane: queue.Routine, Data: huge},
		{ID: "a", Lane: queue.Routine, Row: -1},
		{ID: "a", Lane: queue.Routine, Row: queue.Rows},
	} {
		wantKind(t, q.Put(t.Context(), job(queue.Routine, "good"), j), fault.Invalid)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := q.Take(ctx, queue.Urgent, "fast")
	wantKind(t, err, fault.Invalid)
	for _, topic := range []string{"", ".", "a.", "a b", "a.*", "a.>"} {
		wantKind(t, q.Tell(topic, nil), fault.Invalid)
	}
	for _, topic := range []string{"", ">", "a.>.b", "*.a", "a\r\nPUB x 0"} {
		_, err := q.Listen(topic, func(string, []byte) {})
		wantKind(t, err, fault.Invalid)
	}
	wantKind(t, q.Tell("a", huge), fault.Invalid)
	wantBacklog(t, q, queue.Backlog{})
	put(t, q, queue.Job{ID: "big", Lane: queue.Routine, Data: huge[:queue.MaxData]}, queue.Job{ID: "none", Lane: queue.Routine})
	if l := take(t, q); len(l.Data) != queue.MaxData {
		t.Errorf("%d bytes came back, want %d", len(l.Data), queue.MaxData)
	}
	if l := take(t, q); len(l.Data) != 0 || l.ID != "none" {
		t.Errorf("took %s with %d bytes, want none with 0", l.ID, len(l.Data))
	}
	ok(t, q.Tell("a", huge[:queue.MaxData]))
}

func closed(t *testing.T, open Open) {
	q := open(t, long)
	put(t, q, job(queue.Routine, "a"))
	l := take(t, q)
	ended := make(chan error, 1)
	go func() {
		_, err := q.Take(t.Context())
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	ok(t, q.Close())
	ok(t, q.Close())
	wantKind(t, <-ended, fault.Unavailable)
	_, err := q.Take(t.Context())
	wantKind(t, err, fault.Unavailable)
	_, err = q.Backlog(t.Context())
	wantKind(t, err, fault.Unavailable)
	_, err = q.Listen("a", func(string, []byte) {})
	wantKind(t, err, fault.Unavailable)
	wantKind(t, q.Put(t.Context(), job(queue.Routine, "b")), fault.Unavailable)
	wantKind(t, q.Tell("a", nil), fault.Unavailable)
	wantKind(t, l.Beat(t.Context()), fault.Unavailable)
	wantKind(t, l.Done(t.Context()), fault.Unavailable)
	wantKind(t, l.Return(t.Context()), fault.Unavailable)
}
