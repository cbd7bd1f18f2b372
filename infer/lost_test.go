package infer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bcc/fault"
	"bcc/infer"
)

// failing returns a runner that loses its device at the call after so many.
func failing(batch int, after int32) infer.Runner {
	f := fake(batch)
	var calls atomic.Int32
	f.Before = func(context.Context, int) error {
		if calls.Add(1) > after {
			return fault.New(fault.Unavailable, "the device fell off the bus")
		}
		return nil
	}
	return f
}

func TestSpareRunnersGoOnWhenTheLastIsLost(t *testing.T) {
	t.Parallel()
	for range 20 { // which runner gets which batch is chance
		var asked atomic.Int32
		cfg := config(4, time.Second)
		cfg.Spare = func() ([]infer.Runner, error) {
			asked.Add(1)
			return []infer.Runner{fake(4), sized{fake(1000)}}, nil // one larger than the queue
		}
		b, stop := start(t, cfg, failing(4, 3), failing(4, 5))
		if got := b.Degraded(); got != nil {
			t.Errorf("degraded %q before anything happened", got)
		}
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
		if n := asked.Load(); n != 1 {
			t.Errorf("spares were asked for %d times", n)
		}
		if want := []string{"the device that the model ran on is lost: 2 spare runners go on since"}; !slices.Equal(b.Degraded(), want) {
			t.Errorf("degraded %q", b.Degraded())
		}
		if err := stop(); err != nil {
			t.Errorf("run = %v", err)
		}
	}
}

func TestItSaysThatARunnerIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config(4, time.Second)
		cfg.Spare = func() ([]infer.Runner, error) { panic("asked though a runner is left") }
		slow := fake(4)
		slow.Before = func(context.Context, int) error { time.Sleep(time.Minute); return nil } // so that the other gets a batch
		b, stop := start(t, cfg, failing(4, 0), slow)
		defer stop()
		s := newSlide(t, 100)
		if err := b.Score(t.Context(), s.send(t.Context()), s.out); err != nil {
			t.Fatal(err)
		}
		s.check()
		if want := []string{"1 of 2 runners lost with a device: the others do the work"}; !slices.Equal(b.Degraded(), want) {
			t.Errorf("degraded %q", b.Degraded())
		}
	})
}

func TestEverythingFailsWithoutSpares(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spare func() ([]infer.Runner, error)
		says  string
	}{
		"it has none":           {func() ([]infer.Runner, error) { return nil, nil }, "there are none"},
		"they cannot be had":    {func() ([]infer.Runner, error) { return nil, errors.New("no memory") }, "no memory"},
		"they are lost as well": {func() ([]infer.Runner, error) { return []infer.Runner{failing(4, 2)}, nil }, "fell off the bus"},
	} {
		cfg := config(4, time.Millisecond)
		cfg.Spare = c.spare
		b, err := infer.New(cfg, []infer.Runner{failing(4, 2)})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- b.Run(t.Context()) }()
		s := newSlide(t, 100)
		if err := b.Score(t.Context(), s.channel(0, 100), s.out); fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: score = %v, want unavailable: %s", name, err, c.says)
		}
		s.wantReleased(100)
		if err := <-ended; fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: run = %v, want unavailable: %s", name, err, c.says)
		}
	}
}

func TestACancelledScoreDoesNotWaitForSpares(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opened := make(chan struct{})
		cfg := config(4, time.Second)
		cfg.Spare = func() ([]infer.Runner, error) { <-opened; return []infer.Runner{fake(4)}, nil }
		b, stop := start(t, cfg, failing(4, 0))
		defer stop()
		ctx, cancel := context.WithCancel(t.Context())
		gone, stays := newSlide(t, 4), newSlide(t, 3)
		goneDone, staysDone := make(chan error, 1), make(chan error, 1)
		go func() { goneDone <- b.Score(ctx, gone.channel(0, 4), gone.out) }()
		go func() { staysDone <- b.Score(t.Context(), stays.send(t.Context()), stays.out) }()
		synctest.Wait()
		cancel()
		if err := <-goneDone; !errors.Is(err, context.Canceled) { // the bubble is stuck if it waits
			t.Errorf("score = %v, want cancelled", err)
		}
		gone.wantReleased(4)
		close(opened)
		if err := <-staysDone; err != nil {
			t.Error(err)
		}
		stays.check()
	})
}
