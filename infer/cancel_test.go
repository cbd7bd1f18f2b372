package infer_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bcc/fault"
	"bcc/infer"
)

func TestItFailsOnlyTheSlidesOfABatchThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := fault.New(fault.Corrupt, "a bad batch")
		var bad atomic.Bool
		r := fake(4)
		r.Before = func(context.Context, int) error {
			if bad.Load() {
				return broken
			}
			return nil
		}
		b, stop := start(t, config(4, time.Hour), r)
		defer stop()

		slow, lost := newSlide(t, 6), newSlide(t, 40)
		slowly := slow.channel(0, 0)
		slowDone := make(chan error, 1)
		go func() { slowDone <- b.Score(t.Context(), slowly, slow.out) }()
		synctest.Wait()

		bad.Store(true)
		c := lost.channel(0, 40)
		err := b.Score(t.Context(), c, lost.out)
		if !errors.Is(err, broken) || fault.Of(err) != fault.Corrupt {
			t.Errorf("score = %v (%v), want the batch's own error and kind", err, fault.Of(err))
		}
		lost.wantReleased(40)
		bad.Store(false)

		for i := range 6 {
			slowly <- slow.patch(i)
		}
		close(slowly)
		if err := <-slowDone; err != nil {
			t.Errorf("a slide with no patch in the bad batch fails: %v", err)
		}
		slow.check()
	})
}

func TestItRetriesOnAnotherRunnerWhenADeviceIsLost(t *testing.T) {
	t.Parallel()
	for range 20 { // which runner gets which batch is chance
		good, flaky := fake(4), fake(4)
		var calls atomic.Int32
		flaky.Before = func(context.Context, int) error {
			if calls.Add(1) >= 3 {
				return fault.New(fault.Unavailable, "the device fell off the bus")
			}
			return nil
		}
		b, stop := start(t, config(4, time.Second), flaky, good)
		var wg sync.WaitGroup
		for range 3 {
			s := newSlide(t, 100)
			wg.Go(func() {
				if err := b.Score(t.Context(), s.send(t.Context()), s.out); err != nil {
					t.Errorf("score: %v", err)
					return
				}
				s.check()
			})
		}
		wg.Wait()
		if n := calls.Load(); n > 3 {
			t.Errorf("a lost runner was asked %d times more", n-3)
		}
		if err := stop(); err != nil {
			t.Errorf("run = %v, want nil while a runner is left", err)
		}
	}
}

func TestItSharesALostBatchAmongAllThatAreIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate, lose := make(chan struct{}), make(chan struct{})
		var busy atomic.Int32
		large := sized{fake(6)}
		large.Before = func(context.Context, int) error { <-lose; return fault.New(fault.Unavailable, "gone") }
		runners := []infer.Runner{large}
		for range 3 {
			small := sized{fake(2)}
			small.Before = func(context.Context, int) error { busy.Add(1); <-gate; return nil }
			runners = append(runners, small)
		}
		b, stop := start(t, config(1, time.Second), runners...)
		defer stop()
		s := newSlide(t, 12)
		c := s.channel(0, 0)
		done := make(chan error, 1)
		go func() { done <- b.Score(t.Context(), c, s.out) }()
		for i := range 6 { // the small ones take a pair each
			c <- s.patch(i)
		}
		synctest.Wait()
		for i := 6; i < 12; i++ { // so the large one gets these
			c <- s.patch(i)
		}
		synctest.Wait()
		for range 3 {
			gate <- struct{}{}
		}
		synctest.Wait() // the small ones are idle again
		busy.Store(0)
		close(lose)
		synctest.Wait()
		if n := busy.Load(); n != 3 {
			t.Errorf("%d of 3 idle runners work on the 6 patches of the one that was lost", n)
		}
		close(gate)
		close(c)
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.check()
	})
}

func TestItFailsEverythingWhenTheLastDeviceIsLost(t *testing.T) {
	t.Parallel()
	lost := func(context.Context, int) error { return fault.New(fault.Unavailable, "no device") }
	one, two := fake(4), fake(4)
	one.Before, two.Before = lost, lost
	b, err := infer.New(config(4, time.Millisecond), []infer.Runner{one, two})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- b.Run(t.Context()) }()
	var wg sync.WaitGroup
	for range 3 {
		s := newSlide(t, 60)
		wg.Go(func() {
			c := s.channel(0, 60)
			if err := b.Score(t.Context(), c, s.out); fault.Of(err) != fault.Unavailable {
				t.Errorf("score = %v, want unavailable", err)
			}
			s.wantReleased(60)
		})
	}
	wg.Wait()
	if err := <-ended; fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "no device") {
		t.Errorf("run = %v, want unavailable with the device's reason", err)
	}
	late := newSlide(t, 1)
	if err := b.Score(t.Context(), late.channel(0, 1), late.out); fault.Of(err) != fault.Unavailable {
		t.Errorf("score afterwards = %v, want unavailable", err)
	}
	late.wantReleased(1)
}

func TestItDropsACancelledSlideAndGoesOnWithOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := fake(2)
		gate := make(chan struct{})
		r.Before = func(context.Context, int) error { <-gate; return nil }
		cfg := config(2, time.Hour)
		cfg.Queue = 10
		b, stop := start(t, cfg, r)
		defer stop()

		gone, stays := newSlide(t, 20), newSlide(t, 4)
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("nobody wants it")
		goneDone := make(chan error, 1)
		goneC := gone.channel(0, 20)
		go func() { goneDone <- b.Score(ctx, goneC, gone.out) }()
		synctest.Wait() // 2 with the runner, 8 queued, 1 in hand, 9 in the channel
		staysDone := make(chan error, 1)
		go func() {
			c := stays.channel(0, 4)
			close(c)
			staysDone <- b.Score(t.Context(), c, stays.out)
		}()
		synctest.Wait()

		cancel(reason)
		synctest.Wait()
		select {
		case err := <-goneDone:
			t.Fatalf("score returned %v while two of its patches are with a runner", err)
		default:
		}
		gate <- struct{}{} // that batch ends
		if err := <-goneDone; !errors.Is(err, reason) {
			t.Errorf("score = %v, want the context's cause", err)
		}
		gone.wantReleased(20)
		if n := r.Patches.Load(); n != 2 {
			t.Errorf("%d patches of a cancelled slide were scored, want only the 2 that had begun", n)
		}
		close(gate)
		if err := <-staysDone; err != nil {
			t.Errorf("the other slide: %v", err)
		}
		stays.check()
	})
}

func TestItRetriesAShortBatchAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lost atomic.Bool
		var second atomic.Int64 // when the batch was tried again
		before := func(context.Context, int) error {
			if !lost.Swap(true) {
				return fault.New(fault.Unavailable, "gone")
			}
			second.Store(time.Now().UnixMilli())
			return nil
		}
		one, two := fake(8), fake(8)
		one.Before, two.Before = before, before
		b, stop := start(t, config(8, time.Second), one, two)
		defer stop()
		s := newSlide(t, 3)
		c := s.channel(0, 3)
		done := make(chan error, 1)
		began := time.Now().UnixMilli()
		go func() { done <- b.Score(t.Context(), c, s.out) }()
		time.Sleep(time.Minute)
		if took := second.Load() - began; took != 1000 {
			t.Errorf("the batch was tried again after %d ms, want at once after its delay of 1000", took)
		}
		close(c)
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.check()
	})
}

func TestItDropsWhatIsQueuedWhenCancelledAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := fake(2)
		gate := make(chan struct{})
		r.Before = func(context.Context, int) error { <-gate; return nil }
		cfg := config(2, time.Hour)
		cfg.Queue = 20
		b, stop := start(t, cfg, r)
		defer stop()
		s := newSlide(t, 10)
		c := s.channel(0, 10)
		close(c)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Score(ctx, c, s.out) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(gate)
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("score = %v, want context canceled", err)
		}
		s.wantReleased(10)
		if n := r.Patches.Load(); n != 2 {
			t.Errorf("%d patches were scored after the cancel, want only the 2 that had begun", n)
		}
	})
}

func TestItStopsABatchUnderWayWhenRunEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := fake(2)
		r.Before = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		b, stop := start(t, config(2, time.Hour), r)
		s := newSlide(t, 20)
		done := make(chan error, 1)
		go func() { done <- b.Score(t.Context(), s.channel(0, 20), s.out) }()
		synctest.Wait()
		if err := stop(); err != nil {
			t.Errorf("run = %v, want nil when its context ends", err)
		}
		if err := <-done; !errors.Is(err, context.Canceled) || fault.Of(err) != fault.Unavailable {
			t.Errorf("score = %v (%v), want context canceled, unavailable", err, fault.Of(err))
		}
		s.wantReleased(20)
	})
}

func TestItGivesUpWaitingWhenNobodyRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, err := infer.New(config(2, time.Second), []infer.Runner{fake(2)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := newSlide(t, 30)
		if err := b.Score(ctx, s.channel(0, 30), s.out); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("score = %v, want the deadline", err)
		}
		s.wantReleased(30)
	})
}

// Slides come, go and are cancelled at any moment while devices are lost: nothing
// hangs, nothing is released twice and whoever is not cancelled is scored.
func TestItLosesNothingInABusyDay(t *testing.T) {
	t.Parallel()
	flaky := fake(4)
	var calls atomic.Int32
	flaky.Before = func(context.Context, int) error {
		if calls.Add(1) > 30 {
			return fault.New(fault.Unavailable, "lost")
		}
		return nil
	}
	b, _ := start(t, config(4, time.Millisecond), fake(4), flaky, fake(4))
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			s := newSlide(t, 1+rand.IntN(60))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%3 == 0 {
				time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, cancel)
			}
			err := b.Score(ctx, s.send(ctx), s.out)
			switch {
			case err == nil:
				s.check()
			case i%3 != 0 || !errors.Is(err, context.Canceled):
				t.Errorf("slide %d: %v", i, err)
			}
			for k := range s.released {
				if n := s.released[k].Load(); n > 1 {
					t.Errorf("slide %d: patch %d was released %d times", i, k, n)
				}
			}
		})
	}
	wg.Wait()
}
