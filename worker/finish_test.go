package worker_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bcc/cohort"
	"bcc/queue"
	"bcc/worker"
)

// gated has every batch wait until open is called; begun hears of the first.
func (w *world) gated() (begun <-chan struct{}, open func()) {
	started, gate := make(chan struct{}), make(chan struct{})
	var first, last sync.Once
	w.before = func(ctx context.Context, _ int) error {
		first.Do(func() { close(started) })
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return started, func() { last.Do(func() { close(gate) }) }
}

// draining reports whether a worker says that it takes nothing new.
func (w *world) draining() bool {
	for _, s := range w.ledger.Workers() {
		if s.Draining {
			return true
		}
	}
	return false
}

func finish(d time.Duration) func(*worker.Config) {
	return func(c *worker.Config) { c.Finish, c.Kind = d, "cpu" }
}

func TestAWorkerThatIsToldToEndFinishesWhatItHasBegunAndTakesNothingNew(t *testing.T) {
	t.Parallel()
	for name, lane := range map[string]queue.Lane{"alone in its slide": queue.Routine, "its shards were offered": queue.Urgent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			begun, open := w.gated()
			stop := w.start(t, oneSlot, inShards, finish(time.Minute))
			first := w.submit(t, lane, w.upload(t, "a", paint(t, 0)))
			<-begun
			ended := make(chan struct{})
			go func() { defer close(ended); stop() }()
			until(t, "it says that it drains", w.draining)
			second := w.submit(t, queue.Routine, w.upload(t, "b", paint(t, 1)))
			open()
			if s := w.wait(t, first, 0); s.State != cohort.Done || s.End.Attempts != 1 {
				t.Errorf("%s: %+v", s.State, s.End)
			}
			<-ended
			if s, _, err := w.ledger.Slide(t.Context(), cohort.SlideID(second.ID, 0)); err != nil || s.State != cohort.Pending {
				t.Errorf("what came later is %s: %v", s.State, err)
			}
			w.start(t) // another takes it
			w.wait(t, second, 0)
		})
	}
}

func TestWhatIsNotFinishedInTimeIsHandedBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var slow atomic.Bool
	slow.Store(true)
	begun := make(chan struct{}, 100)
	w.before = func(context.Context, int) error {
		if slow.Load() { // nine rounds of these: three seconds
			begun <- struct{}{}
			time.Sleep(300 * time.Millisecond)
		}
		return nil
	}
	stop := w.start(t, oneSlot, finish(time.Millisecond))
	m := w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0)))
	<-begun
	stop()
	if s, _, err := w.ledger.Slide(t.Context(), cohort.SlideID(m.ID, 0)); err != nil || s.State.Final() {
		t.Fatalf("it was finished all the same: %s, %v", s.State, err)
	}
	slow.Store(false)
	w.start(t)
	if s := w.wait(t, m, 0); s.State != cohort.Done || s.End.Attempts != 1 {
		t.Errorf("%s: %+v", s.State, s.End)
	}
}

func TestAnIdleWorkerThatIsToldToEndDoesNotWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stop := w.start(t, finish(time.Hour))
	until(t, "it greets", func() bool { return len(w.ledger.Workers()) == 1 })
	if k := w.ledger.Workers()[0].Kind; k != "cpu" {
		t.Errorf("its kind is %q", k)
	}
	stop()
	told := time.Now()
	until(t, "it is not counted any more", func() bool { return len(w.ledger.Workers()) == 0 })
	if took := time.Since(told); took > 12*time.Second { // after 15 s without a word it would be anyway
		t.Errorf("it was gone %v later: it did not say so", took)
	}
}
