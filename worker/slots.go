package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"bcc/fault"
	"bcc/queue"
)

// What slots take. One more than those that take everything takes only what is
// urgent, so that it is begun at once.
var (
	everything = []queue.Lane{queue.UrgentPart, queue.Urgent, queue.Routine, queue.RoutinePart}
	wholeOnes  = []queue.Lane{queue.UrgentPart, queue.Urgent, queue.Routine}
	urgentOnly = []queue.Lane{queue.UrgentPart, queue.Urgent}
)

// partSlots is how many slots take routine parts: one that reads while another is
// scored. More of them would share the engine, each would take longer, and in the end
// all of them would be late.
const partSlots = 2

// parts returns the lanes of parts among those.
func parts(lanes []queue.Lane) []queue.Lane {
	var of []queue.Lane
	for _, l := range lanes {
		if l == queue.UrgentPart || l == queue.RoutinePart {
			of = append(of, l)
		}
	}
	return of
}

// slots are the goroutines that do jobs, one job at a time each.
type slots struct {
	w      *Worker
	ctx    context.Context // ends what is in hand
	taking context.Context // ends before: nothing is taken any more
	wg     *sync.WaitGroup
	stop   []context.CancelFunc // of those that take everything: each takes no more jobs
}

// resize starts slots, or lets some end when they are through with their job.
func (s *slots) resize(n int) {
	for len(s.stop) < n {
		taking, stop := context.WithCancel(s.taking)
		s.stop = append(s.stop, stop)
		lanes := everything
		if len(s.stop) > partSlots {
			lanes = wholeOnes
		}
		place := len(s.stop) - 1
		s.wg.Go(func() { s.w.serve(s.ctx, taking, lanes, place) })
	}
	for last := len(s.stop) - 1; len(s.stop) > n; last-- {
		s.stop[last]()
		s.stop = s.stop[:last]
	}
	s.w.slots.Store(int64(n))
	s.w.metrics.slots.Set(float64(n))
}

// adapt keeps as many slots as engine and memory have room for, until ctx ends.
func (s *slots) adapt(ctx context.Context) {
	if s.w.cfg.Engine == nil {
		return
	}
	m := meter{engine: s.w.cfg.Engine, memory: s.w.cfg.Memory}
	tick := time.NewTicker(adaptEvery)
	defer tick.Stop()
	for {
		now := len(s.stop)
		if u, ok := m.read(time.Now(), s.w.share.walking() >= now); ok {
			if want := u.slots(now, s.w.cfg.MaxJobs); want != now {
				s.w.log.Info("slides walked at once", "slots", want, "idle", u.idle, "memory", u.memory)
				s.resize(want)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// adaptEvery is how often the number of slots is thought over: a new one needs some
// seconds until its patches reach the engine.
const adaptEvery = 5 * time.Second

// serve does one job after the other until taking ends. ctx ends what is in hand.
// Slots at later places rest first where memory gets tight.
func (w *Worker) serve(ctx, taking context.Context, lanes []queue.Lane, place int) {
	for taking.Err() == nil {
		open, shut := w.gate(taking, place)
		l, err := w.next(open, lanes)
		shut()
		switch {
		case err != nil:
			w.log.Warn("take a job", "error", err)
			sleep(taking, time.Second)
		case l == nil: // told to look anew
		case l.Lane == queue.UrgentPart || l.Lane == queue.RoutinePart:
			w.part(ctx, l)
		default:
			w.job(ctx, l, parts(lanes))
		}
	}
}

// hold keeps the lease of a job while f does it, and stops it when the lease is lost
// or nobody wants the slide any more: then it returns errLost or errCancelled, or why
// else f's context ended before it was through.
func (w *Worker) hold(ctx context.Context, l *queue.Lease, job *walk, f func(context.Context) error) error {
	w.mu.Lock()
	w.walks[job] = struct{}{}
	w.mu.Unlock()
	over, finish := context.WithCancel(ctx)
	beaten := make(chan struct{})
	go func() {
		defer close(beaten)
		w.beat(over, l, job.stop)
	}()
	err := f(ctx)
	finish()
	<-beaten
	w.mu.Lock()
	delete(w.walks, job)
	w.mu.Unlock()
	if c := context.Cause(ctx); err != nil && (errors.Is(c, errLost) || errors.Is(c, errCancelled) || errors.Is(c, errMade)) {
		return c
	}
	return err
}

// beat keeps the lease until ctx ends, and stops the work where it is lost.
func (w *Worker) beat(ctx context.Context, l *queue.Lease, stop context.CancelCauseFunc) {
	tick := time.NewTicker(w.cfg.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		switch err := l.Beat(ctx); {
		case err == nil || ctx.Err() != nil:
		case fault.Of(err) == fault.NotFound:
			w.log.Warn("the lease of a job is lost", "job_id", l.ID)
			stop(errLost)
			return
		default: // it may be kept yet: the lease knows when it is over
			w.log.Warn("keep the lease of a job", "job_id", l.ID, "error", err)
		}
	}
}

// waiting remembers whether slides wait on the queue, which costs a question to ask.
// The zero value is that nobody knows.
type waiting struct {
	mu    sync.Mutex
	asked time.Time
	jobs  int  // that nobody has begun
	none  bool // there are none: the queue said so
}

// How long an answer holds: a long queue is not empty a second later.
const (
	waitingFew  = time.Second
	waitingMany = 5 * time.Second
	many        = 100
)

// nothingWaits reports whether no slide waits for a worker, as far as is known. While
// one asks, others go by the last answer.
func (w *Worker) nothingWaits(ctx context.Context) bool {
	q := &w.waits
	q.mu.Lock()
	holds := waitingFew
	if q.jobs >= many {
		holds = waitingMany
	}
	if now := time.Now(); q.asked.IsZero() || now.Sub(q.asked) >= holds {
		q.asked = now
		q.mu.Unlock() // the queue may be slow
		b, err := w.queue.Backlog(ctx)
		q.mu.Lock()
		q.jobs = b.Urgent + b.Routine
		q.none = err == nil && q.jobs == 0
	}
	defer q.mu.Unlock()
	return q.none
}
