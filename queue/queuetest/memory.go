package queuetest

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"bcc/fault"
	"bcc/queue"
)

const (
	dropWindow = 2 * time.Minute // as the real one's
	patience   = 5 * time.Second // as the real one's: how long a server may be silent
)

// order is that in which lanes are taken from.
var order = []queue.Lane{queue.UrgentPart, queue.Urgent, queue.Routine, queue.RoutinePart}

// Memory is a queue in memory with the methods of queue.Queue: for simulations. It
// keeps what queue.Queue promises and, told to (Misbehave), no more than that. It
// waits by time and channels only, so it runs in a testing/synctest bubble; there it
// must be closed.
type Memory struct {
	lease   time.Duration
	closing chan struct{}

	mu        sync.Mutex
	trouble   Trouble
	down      bool
	closed    bool
	changed   chan struct{} // closed when there may be a job for a taker
	lanes     map[queue.Lane]*lane
	recent    map[jobName]time.Time // when a job of that name was put
	last      int                   // the number of the job put last
	listeners []*listener
}

type jobName struct {
	lane queue.Lane
	row  int
	id   string
}

// lane holds the jobs of one Lane.
type lane struct {
	rows [queue.Rows]row
	next int             // the row that is asked first
	jobs map[int]*waiter // all of them, by number
}

// row holds jobs in the order in which they were put.
type row struct {
	fresh []*waiter // never taken
	taken []*waiter // at least once
}

// waiter is a job that is there, leased or not.
type waiter struct {
	job      queue.Job
	number   int
	given    int
	returned int
	leased   bool
	until    time.Time // the lease's end; not leased: not given before
}

func (w *waiter) ready(now time.Time) bool { return !now.Before(w.until) }

// NewMemory returns an empty queue whose jobs are leased for so long.
func NewMemory(lease time.Duration) *Memory {
	m := &Memory{lease: lease, closing: make(chan struct{}), changed: make(chan struct{})}
	m.clear()
	return m
}

func (m *Memory) clear() {
	m.lanes, m.recent, m.last = map[queue.Lane]*lane{}, map[jobName]time.Time{}, 0
	for _, l := range order {
		m.lanes[l] = &lane{jobs: map[int]*waiter{}}
	}
}

var word = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// Ready is queue.Queue.Ready: it is always there.
func (m *Memory) Ready() error { return nil }

// Put is queue.Queue.Put.
func (m *Memory) Put(ctx context.Context, jobs ...queue.Job) error {
	for _, j := range jobs {
		if err := j.Validate(); err != nil {
			return err
		}
	}
	return m.call(ctx, "put jobs", func() error {
		for _, j := range jobs {
			m.put(j, time.Now())
		}
		m.wake()
		return nil
	})
}

// put keeps a job unless it is there, or was a short while ago. The caller holds mu.
func (m *Memory) put(j queue.Job, now time.Time) {
	l := m.lanes[j.Lane]
	if j.Lane == queue.UrgentPart || j.Lane == queue.RoutinePart {
		j.Row = 0
	}
	n := jobName{j.Lane, j.Row, j.ID}
	if at, is := m.recent[n]; is && now.Sub(at) < dropWindow {
		return
	}
	for _, w := range l.jobs {
		if w.job.ID == j.ID && w.job.Row == j.Row {
			return
		}
	}
	m.recent[n] = now
	m.last++
	w := &waiter{job: j, number: m.last}
	w.job.Data = slices.Clone(j.Data)
	l.jobs[w.number] = w
	l.rows[j.Row].fresh = append(l.rows[j.Row].fresh, w)
}

// wake has all takers look. The caller holds mu.
func (m *Memory) wake() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// Take is queue.Queue.Take.
func (m *Memory) Take(ctx context.Context, lanes ...queue.Lane) (*queue.Lease, error) {
	for _, l := range lanes {
		if !slices.Contains(order, l) {
			return nil, fault.New(fault.Invalid, "take a job of lane %q: want one of %q", l, order)
		}
	}
	var silent time.Time
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		asked := time.Now()
		m.mu.Lock()
		if m.closed {
			m.mu.Unlock()
			return nil, errClosed
		}
		var h *held
		due := asked.Add(time.Hour)
		changed, down := m.changed, m.down
		if !down {
			silent = time.Time{}
			h, due = m.pick(asked, lanes)
		} else if silent.IsZero() {
			silent = asked
		}
		late := m.trouble.slow()
		m.mu.Unlock()

		switch {
		case h != nil: // it is on its way to the taker; one that has gone meanwhile hands it back
			sleep(context.WithoutCancel(ctx), late)
			if err := ctx.Err(); err != nil {
				h.Return(context.WithoutCancel(ctx), 0)
				return nil, err
			}
			return queue.NewLease(h.job, h.attempt, h), nil
		case down && asked.Sub(silent) >= patience:
			return nil, fault.New(fault.Unavailable, "take a job: no answer")
		case down:
			due = silent.Add(patience)
		}
		timer := time.NewTimer(time.Until(due))
		select {
		case <-changed:
		case <-timer.C:
		case <-m.closing:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// pick leases the next job of the lanes, or says when there may be one. The caller
// holds mu.
func (m *Memory) pick(now time.Time, lanes []queue.Lane) (*held, time.Time) {
	due := now.Add(time.Hour)
	for _, name := range order {
		if len(lanes) > 0 && !slices.Contains(lanes, name) {
			continue
		}
		l := m.lanes[name]
		for i := range l.rows {
			k := (l.next + i) % len(l.rows)
			w, when := m.first(&l.rows[k], now)
			if w == nil {
				if when.Before(due) {
					due = when
				}
				continue
			}
			l.next = (k + 1) % len(l.rows)
			return m.give(w, now), now
		}
	}
	return nil, due
}

// first returns the row's next job, those that were taken before first, or when one
// of them is due.
func (m *Memory) first(r *row, now time.Time) (*waiter, time.Time) {
	due := now.Add(time.Hour)
	for _, w := range r.taken {
		if w.ready(now) {
			return w, now
		}
		if w.until.Before(due) {
			due = w.until
		}
	}
	if len(r.fresh) == 0 {
		return nil, due
	}
	i := 0
	if m.trouble.hits(m.trouble.Swap) {
		i = m.trouble.Rand.IntN(len(r.fresh))
	}
	w := r.fresh[i]
	r.fresh = slices.Delete(r.fresh, i, i+1)
	r.taken = append(r.taken, w)
	slices.SortFunc(r.taken, func(a, b *waiter) int { return a.number - b.number })
	return w, now
}

// give leases a job. The caller holds mu.
func (m *Memory) give(w *waiter, now time.Time) *held {
	if !m.trouble.hits(m.trouble.Uncounted) || w.given == 0 {
		w.given++
	}
	w.leased, w.until = true, now.Add(m.lease)
	if m.trouble.hits(m.trouble.Early) {
		w.until = now.Add(m.lease / 8)
	}
	return &held{m: m, job: w.job, number: w.number, attempt: max(1, w.given-w.returned), until: now.Add(m.lease)}
}

// Backlog is queue.Queue.Backlog.
func (m *Memory) Backlog(ctx context.Context) (b queue.Backlog, err error) {
	err = m.call(ctx, "count the jobs", func() error {
		b = m.count()
		return nil
	})
	return b, err
}

func (m *Memory) count() (b queue.Backlog) {
	for name, l := range m.lanes {
		fresh := 0
		for i := range l.rows {
			fresh += len(l.rows[i].fresh)
		}
		switch name {
		case queue.Urgent:
			b.Urgent = fresh
		case queue.Routine:
			b.Routine = fresh
		default:
			b.Parts += len(l.jobs)
			continue
		}
		b.Leased += len(l.jobs) - fresh
	}
	return b
}

// Close is queue.Queue.Close.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	close(m.closing)
	for _, l := range m.listeners {
		l.stop()
	}
	return nil
}

var errClosed = fault.New(fault.Unavailable, "the queue is closed")

// matches reports whether what is told on topic is heard by who listens to wanted.
func matches(wanted, topic string) bool {
	above, all := strings.CutSuffix(wanted, ">")
	return wanted == topic || all && len(topic) > len(above) && strings.HasPrefix(topic, above)
}

// Has reports whether a job is there, leased or not. It is not a call: no trouble
// meets it.
func (m *Memory) Has(l queue.Lane, id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.lanes[l].jobs {
		if w.job.ID == id {
			return true
		}
	}
	return false
}

// Empty reports whether no job is there.
func (m *Memory) Empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lanes {
		if len(l.jobs) > 0 {
			return false
		}
	}
	return true
}
