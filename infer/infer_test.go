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
	"bcc/infer/infertest"
	"bcc/wsi"
)

const sidePx = 2

func config(batch int, delay time.Duration) infer.Config {
	return infer.Config{Batch: batch, PatchPx: sidePx, Outputs: 1, MaxDelay: delay}
}

func fake(batch int) *infertest.Fake {
	return &infertest.Fake{PatchPx: sidePx, Batch: batch, Outputs: 1}
}

// start runs a batcher over the runners until the test ends or stop is called;
// stop returns what Run returned.
func start(t *testing.T, cfg infer.Config, runners ...infer.Runner) (b *infer.Batcher, stop func() error) {
	t.Helper()
	b, err := infer.New(cfg, runners)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { stop() })
	return b, stop
}

// slide makes patches whose red says their index and counts what is released.
type slide struct {
	t        *testing.T
	released []atomic.Int32
	out      []float32
}

func newSlide(t *testing.T, n int) *slide {
	return &slide{t: t, released: make([]atomic.Int32, n), out: make([]float32, n)}
}

func (s *slide) patch(i int) wsi.Patch {
	pix := make([]byte, 3*sidePx*sidePx)
	for k := range pix {
		pix[k] = byte(i)
	}
	return wsi.Patch{Index: i, Pix: pix, Release: func() {
		s.released[i].Add(1)
		for k := range pix {
			pix[k] = 255 // whoever still reads it gets it wrong
		}
	}}
}

// send sends the patches in a random order, then closes; it stops when ctx ends.
func (s *slide) send(ctx context.Context) <-chan wsi.Patch {
	patches := make(chan wsi.Patch, 3)
	go func() {
		defer close(patches)
		for _, i := range rand.Perm(len(s.out)) {
			p := s.patch(i)
			select {
			case patches <- p:
			case <-ctx.Done():
				p.Release()
				return
			}
		}
	}()
	return patches
}

// check finds every row right and every patch released once.
func (s *slide) check() {
	s.t.Helper()
	for i, got := range s.out {
		if want := float32(float64(byte(i)) / 255); got != want {
			s.t.Fatalf("row %d = %v, want %v", i, got, want)
		}
		if n := s.released[i].Load(); n != 1 {
			s.t.Fatalf("patch %d was released %d times, want once", i, n)
		}
	}
}

// channel returns a channel that holds patches from..to and is left open.
func (s *slide) channel(from, to int) chan wsi.Patch {
	c := make(chan wsi.Patch, len(s.out))
	for i := from; i < to; i++ {
		c <- s.patch(i)
	}
	return c
}

func (s *slide) wantReleased(n int) {
	s.t.Helper()
	total := 0
	for i := range s.released {
		k := int(s.released[i].Load())
		if k > 1 {
			s.t.Errorf("patch %d was released %d times", i, k)
		}
		total += k
	}
	if total != n {
		s.t.Errorf("%d patches were released, want %d", total, n)
	}
}

func TestItScoresManySlidesAtOnceInGridOrder(t *testing.T) {
	t.Parallel()
	b, stop := start(t, config(4, time.Second), fake(4), fake(4), fake(4))
	var wg sync.WaitGroup
	for range 8 {
		s := newSlide(t, 201) // no multiple of the batch
		wg.Go(func() {
			if err := b.Score(t.Context(), s.send(t.Context()), s.out); err != nil {
				t.Errorf("score: %v", err)
				return
			}
			s.check()
		})
	}
	wg.Wait()
	if err := stop(); err != nil {
		t.Errorf("run = %v, want nil when its context ends", err)
	}
}

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
		if err := b.Score(t.Context(), s.send(t.Context()), s.out); err != nil {
			t.Fatal(err)
		}
		s.check()
		if took := time.Since(began); took != 0 {
			t.Errorf("the last patches waited %v for nobody", took)
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

func TestItRefusesPatchesThatDoNotFit(t *testing.T) {
	t.Parallel()
	b, _ := start(t, config(4, time.Second), fake(4))
	for name, change := range map[string]func(*wsi.Patch){
		"a row too far":   func(p *wsi.Patch) { p.Index = 3 },
		"a negative row":  func(p *wsi.Patch) { p.Index = -1 },
		"too few pixels":  func(p *wsi.Patch) { p.Pix = p.Pix[1:] },
		"too many pixels": func(p *wsi.Patch) { p.Pix = append(p.Pix, 0) },
	} {
		s := newSlide(t, 3)
		c := make(chan wsi.Patch, 3)
		c <- s.patch(0)
		p := s.patch(1)
		change(&p)
		c <- p
		c <- s.patch(2)
		if err := b.Score(t.Context(), c, s.out); err == nil {
			t.Errorf("%s is taken without an error", name)
		}
		s.wantReleased(3)
	}
}

func TestItRefusesConfigsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	bad := infer.Config{Batch: -1, PatchPx: 0, Outputs: 1 << 30, MaxDelay: -1, Queue: -1}
	_, err := infer.New(bad, []infer.Runner{fake(1)})
	if fault.Of(err) != fault.Invalid {
		t.Fatalf("new = %v, want invalid", err)
	}
	for _, word := range []string{"batch", "patch side", "outputs", "queue", "delay"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not name the %s", err, word)
		}
	}
	if _, err := infer.New(config(1, 0), nil); fault.Of(err) != fault.Invalid {
		t.Errorf("new without a runner = %v, want invalid", err)
	}
	d := infer.DefaultConfig()
	d.PatchPx, d.Outputs = 224, 2
	if err := d.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func TestItRunsOnce(t *testing.T) {
	t.Parallel()
	b, stop := start(t, config(1, 0), fake(1))
	s := newSlide(t, 1)
	if err := b.Score(t.Context(), s.send(t.Context()), s.out); err != nil {
		t.Fatal(err)
	}
	if err := b.Run(t.Context()); err == nil {
		t.Error("a batcher runs twice at once")
	}
	stop()
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

func BenchmarkScore(b *testing.B) {
	for _, slides := range []int{1, 4} {
		b.Run(map[int]string{1: "slides=1", 4: "slides=4"}[slides], func(b *testing.B) {
			runners := []infer.Runner{noop{}, noop{}}
			bt, err := infer.New(config(8, 50*time.Millisecond), runners)
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() { ended <- bt.Run(ctx) }()
			pix := make([]byte, 3*sidePx*sidePx)
			const each = 20_000
			n := 0
			for b.Loop() {
				var wg sync.WaitGroup
				for range slides {
					out := make([]float32, each)
					patches := make(chan wsi.Patch, 64)
					wg.Go(func() {
						defer close(patches)
						for i := range each {
							patches <- wsi.Patch{Index: i, Pix: pix}
						}
					})
					wg.Go(func() {
						if err := bt.Score(ctx, patches, out); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
				n += slides * each
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "patches/s")
			cancel()
			<-ended
		})
	}
}

type noop struct{}

func (noop) Run(context.Context, [][]byte, []float32) error { return nil }
func (noop) Close() error                                   { return nil }
