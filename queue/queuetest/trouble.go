package queuetest

import (
	"context"
	"math/rand/v2"
	"time"

	"bcc/fault"
)

// Trouble says how a Memory misbehaves. Shares are of 1; the zero value is none.
type Trouble struct {
	Rand *rand.Rand // of its own; no default where a share is above 0

	Slow      time.Duration // calls and words take up to so long, each way
	Refuse    float64       // of calls: nothing is done, and the answer is Unavailable
	Unheard   float64       // of calls: it is done, but the answer is Unavailable
	Mute      float64       // of words, for each listener: not heard
	Swap      float64       // of takes: another job of the row than the oldest
	Early     float64       // of leases: over at an eighth of their time, and the holder does not know
	Uncounted float64       // of takes: not counted as an attempt
}

func (t *Trouble) hits(share float64) bool { return share > 0 && t.Rand.Float64() < share }

func (t *Trouble) slow() time.Duration {
	if t.Slow <= 0 {
		return 0
	}
	return time.Duration(t.Rand.Int64N(int64(t.Slow)))
}

// Misbehave has the queue do so from now on.
func (m *Memory) Misbehave(t Trouble) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble = t
}

// Down has the queue answer nobody until Up; leases go on to their ends.
func (m *Memory) Down() { m.turn(true) }

// Up ends Down.
func (m *Memory) Up() { m.turn(false) }

func (m *Memory) turn(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
	m.wake()
}

// Free ends all leases, as a queue in the process of its only workers does when it is
// opened again; holders do not know.
func (m *Memory) Free() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lanes {
		for _, w := range l.jobs {
			if w.leased {
				w.leased, w.until = false, time.Time{}
			}
		}
	}
	m.wake()
}

// Lose forgets all jobs, and whatever was known of earlier ones.
func (m *Memory) Lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clear()
	m.wake()
}

// call has do done with mu held, as a server far away does it: after a while, not at
// all, or without being heard.
func (m *Memory) call(ctx context.Context, what string, do func() error) error {
	m.mu.Lock()
	there, back := m.trouble.slow(), m.trouble.slow()
	refused, unheard := m.trouble.hits(m.trouble.Refuse), m.trouble.hits(m.trouble.Unheard)
	m.mu.Unlock()
	if err := sleep(ctx, there); err != nil {
		return err
	}
	m.mu.Lock()
	down := m.down
	var err error
	switch {
	case m.closed:
		err = errClosed
	case down || refused:
		err = fault.New(fault.Unavailable, "%s: no answer", what)
	default:
		if err = do(); err == nil && unheard {
			err = fault.New(fault.Unavailable, "%s: the answer was not heard", what)
		}
	}
	m.mu.Unlock()
	if down {
		back = patience
	}
	if gone := sleep(ctx, back); err == nil {
		err = gone
	}
	return err
}

// sleep returns ctx's error where it ends before d has gone by.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
