package infer_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bcc/infer"
	"bcc/infer/infertest"
)

func TestItFillsBatchesAcrossSlides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := fake(8)
		b, stop := start(t, config(8, time.Hour), r)
		defer stop()
		var wg sync.WaitGroup
		defer wg.Wait()
		for range 4 {
			s := newSlide(t, 2)
			c := s.channel(0, 2)
			wg.Go(func() {
				if err := b.Score(t.Context(), c, s.out); err != nil {
					t.Errorf("score: %v", err)
				}
				s.check()
			})
			defer close(c) // none of them has ended when the batch goes
		}
		synctest.Wait()
		if calls, patches := r.Calls.Load(), r.Patches.Load(); calls != 1 || patches != 8 {
			t.Errorf("%d patches in %d batches, want 8 in 1 while all slides may bring more", patches, calls)
		}
	})
}

func TestItSendsAShortBatchAfterTheDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := fake(8)
		b, stop := start(t, config(8, 50*time.Millisecond), r)
		defer stop()
		s := newSlide(t, 5)
		c := s.channel(0, 3)
		done := make(chan error, 1)
		go func() { done <- b.Score(t.Context(), c, s.out) }()

		time.Sleep(49 * time.Millisecond)
		synctest.Wait()
		if n := r.Patches.Load(); n != 0 {
			t.Errorf("%d patches went before the delay was over", n)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if n := r.Patches.Load(); n != 3 {
			t.Errorf("%d patches went after the delay, want 3", n)
		}
		c <- s.patch(3) // the next one has a delay of its own
		time.Sleep(40 * time.Millisecond)
		synctest.Wait()
		if n := r.Patches.Load(); n != 3 {
			t.Errorf("the patch after a short batch went early")
		}
		time.Sleep(11 * time.Millisecond)
		synctest.Wait()
		if n := r.Patches.Load(); n != 4 {
			t.Errorf("%d patches went, want 4", n)
		}
		c <- s.patch(4)
		close(c)
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.check()
	})
}

func TestItDoesNotKeepALonelyTailWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, stop := start(t, config(8, time.Hour), fake(8), fake(8))
		defer stop()
		began := time.Now()
		s := newSlide(t, 19)
		c := s.channel(0, 19)
		done := make(chan error, 1)
		go func() { done <- b.Score(t.Context(), c, s.out) }()
		synctest.Wait() // 16 are scored, 3 wait, both runners are idle
		close(c)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		s.check()
		if took := time.Since(began); took != 0 {
			t.Errorf("the last patches waited %v for nobody", took)
		}
	})
}

// sized is a fake that says its own batch.
type sized struct{ *infertest.Fake }

func (s sized) Batch() int { return s.Fake.Batch }

func TestItGivesEachRunnerBatchesOfItsOwnSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var mu sync.Mutex
		taken := map[int]int{} // patches a batch: batches
		block := func(_ context.Context, n int) error {
			mu.Lock()
			taken[n]++
			mu.Unlock()
			<-gate
			return nil
		}
		small, large := sized{fake(2)}, sized{fake(9)}
		small.Before, large.Before = block, block
		b, stop := start(t, config(4, time.Hour), small, large)
		defer stop()
		synctest.Wait() // both are idle
		s := newSlide(t, 30)
		c := s.channel(0, 11)
		done := make(chan error, 1)
		go func() { done <- b.Score(t.Context(), c, s.out) }()
		synctest.Wait()
		if mu.Lock(); taken[2] != 1 || taken[9] != 1 {
			t.Errorf("batches by size = %v, want one of 2 and one of 9", taken)
		}
		mu.Unlock()
		close(gate)
		for i := 11; i < 30; i++ {
			c <- s.patch(i)
		}
		close(c)
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.check()
	})
}

func TestItPrefersTheLargestBatchThatIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small, large := sized{fake(2)}, sized{fake(3)}
		b, stop := start(t, config(4, time.Second), small, large)
		defer stop()
		synctest.Wait()
		s := newSlide(t, 1)
		c := s.channel(0, 1)
		done := make(chan error, 1)
		go func() { done <- b.Score(t.Context(), c, s.out) }()
		synctest.Wait()
		close(c) // the last patch may go to either
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s.check(); large.Calls.Load() != 1 {
			t.Error("the smaller runner was woken for a batch that the larger could have had")
		}
	})
}

func TestItKeepsPatchesUpstreamWhenRunnersAreBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := fake(2)
		gate := make(chan struct{})
		r.Before = func(context.Context, int) error { <-gate; return nil }
		cfg := config(2, time.Second)
		cfg.Queue = 6
		b, stop := start(t, cfg, r)
		defer stop()
		s := newSlide(t, 50)
		c := s.channel(0, 50)
		close(c)
		done := make(chan error, 1)
		go func() { done <- b.Score(t.Context(), c, s.out) }()
		synctest.Wait()
		// six are held, one is in Score's hands
		if taken := 50 - len(c); taken != 7 {
			t.Errorf("%d patches were taken, want 7", taken)
		}
		close(gate)
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.check()
	})
}

func TestItSendsWhatIsLeftBehindALateBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := fake(8)
		gate := make(chan struct{})
		r.Before = func(context.Context, int) error { <-gate; return nil }
		cfg := config(8, time.Second)
		cfg.Queue = 100
		b, stop := start(t, cfg, r)
		defer stop()
		s := newSlide(t, 19)
		c := s.channel(0, 19)
		done := make(chan error, 1)
		go func() { done <- b.Score(t.Context(), c, s.out) }()
		time.Sleep(time.Minute) // the delay is over long before the runner is free
		close(gate)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := r.Patches.Load(); n != 19 {
			t.Errorf("%d patches were scored, want all 19 though no more come", n)
		}
		close(c)
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.check()
	})
}

func TestItWakesARunnerForEachBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var busy atomic.Int32
		runners := make([]infer.Runner, 4)
		for i := range runners {
			r := fake(1)
			r.Before = func(context.Context, int) error { busy.Add(1); <-gate; return nil }
			runners[i] = r
		}
		b, stop := start(t, config(1, time.Hour), runners...)
		defer stop()
		synctest.Wait() // all are idle
		s := newSlide(t, 4)
		c := s.channel(0, 4)
		done := make(chan error, 1)
		go func() { done <- b.Score(t.Context(), c, s.out) }()
		synctest.Wait()
		if n := busy.Load(); n != 4 {
			t.Errorf("%d runners work on 4 batches", n)
		}
		close(gate)
		close(c)
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.check()
	})
}
