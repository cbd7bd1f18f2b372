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

// gauge counts the runners at work and the largest batch.
type gauge struct{ now, most, batch atomic.Int64 }

func (g *gauge) before(_ context.Context, n int) error {
	g.most.Store(max(g.most.Load(), g.now.Add(1)))
	g.batch.Store(max(g.batch.Load(), int64(n)))
	time.Sleep(10 * time.Millisecond)
	g.now.Add(-1)
	return nil
}

func TestUnderPressureBatchesAreSmallAndFewRunnersWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gauge
		runners := []*infertest.Fake{fake(4), fake(4), fake(4), fake(4)}
		var all []infer.Runner
		for _, r := range runners {
			r.Before = g.before
			all = append(all, r)
		}
		cfg := config(4, time.Hour)
		cfg.Queue = 32
		b, stop := start(t, cfg, all...)
		defer stop()
		score := func(n int) (took time.Duration) {
			g.most.Store(0)
			g.batch.Store(0)
			s := newSlide(t, n)
			c := s.channel(0, n)
			close(c)
			began := time.Now()
			if err := b.Score(t.Context(), c, s.out); err != nil {
				t.Error(err)
			}
			s.check()
			return time.Since(began)
		}
		if score(64); g.most.Load() < 3 || g.batch.Load() != 4 {
			t.Errorf("%d runners at once with up to %d patches, want 4 with 4", g.most.Load(), g.batch.Load())
		}
		b.Press(2, 1)
		if took := score(16); g.most.Load() != 1 || g.batch.Load() != 2 || took != 80*time.Millisecond {
			t.Errorf("pressed: %d runners at once with up to %d patches took %v, want 1 with 2, 80ms", g.most.Load(), g.batch.Load(), took)
		}
		b.Press(0, 0)
		if score(64); g.most.Load() < 3 || g.batch.Load() != 4 {
			t.Errorf("relieved: %d runners at once with up to %d patches, want 4 with 4", g.most.Load(), g.batch.Load())
		}
	})
}

func TestPressureThatEndsWakesWhoWaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gauge
		a, other := fake(1), fake(1)
		a.Before, other.Before = g.before, g.before
		b, stop := start(t, config(1, time.Hour), a, other)
		defer stop()
		b.Press(1, 1)
		s := newSlide(t, 20)
		c := s.channel(0, 20)
		close(c)
		var wg sync.WaitGroup
		began := time.Now()
		wg.Go(func() {
			if err := b.Score(t.Context(), c, s.out); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(95 * time.Millisecond) // one by one: nine are through, the tenth is at work
		b.Press(0, 0)
		wg.Wait()
		if took := time.Since(began); took > 160*time.Millisecond {
			t.Errorf("20 patches took %v: the second runner still waits", took)
		}
		s.check()
	})
}

// padded is a runner that pads short batches.
type padded struct{ *infertest.Fake }

func (p padded) Least() int { return p.Batch }

func TestPressureLeavesBatchesThatWouldBePadded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gauge
		f := fake(4)
		f.Before = g.before
		b, stop := start(t, config(4, time.Hour), padded{f})
		defer stop()
		b.Press(1, 1)
		s := newSlide(t, 16)
		c := s.channel(0, 16)
		close(c)
		if err := b.Score(t.Context(), c, s.out); err != nil {
			t.Error(err)
		}
		s.check()
		if n := f.Calls.Load(); n != 4 {
			t.Errorf("16 patches in %d batches, want 4 full ones: a short one is padded and takes no less", n)
		}
	})
}
