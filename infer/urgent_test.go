package infer_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bcc/infer/infertest"
)

func TestUrgentPatchesGoIntoTheNextBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const took = 10 * time.Millisecond
		r := fake(2)
		r.Before = func(context.Context, int) error { time.Sleep(took); return nil }
		cfg := config(2, time.Hour)
		cfg.Queue = 6
		b, stop := start(t, cfg, r)
		defer stop()
		var wg sync.WaitGroup
		defer wg.Wait()
		routine := newSlide(t, 40)
		c := routine.channel(0, 40)
		close(c)
		var routineTook time.Duration
		began := time.Now()
		wg.Go(func() {
			if err := b.Score(t.Context(), c, routine.out); err != nil {
				t.Error(err)
			}
			routineTook = time.Since(began)
		})
		time.Sleep(took / 2) // the first batch is with the runner, the queue is full
		synctest.Wait()
		urgent := newSlide(t, 4)
		u := urgent.channel(0, 4)
		close(u)
		if err := b.Urgent().Score(t.Context(), u, urgent.out); err != nil {
			t.Error(err)
		}
		// half a batch was left of the one at work, and two are its own
		if wait, want := time.Since(began), 3*took; wait != want {
			t.Errorf("four urgent patches took %v, want %v", wait, want)
		}
		urgent.check()
		wg.Wait()
		routine.check()
		if want := 22 * took; routineTook != want {
			t.Errorf("40 routine and 4 urgent patches took %v, want %v", routineTook, want)
		}
		if worked, n := b.Busy(); worked != 22*took || n != 1 {
			t.Errorf("busy for %v on %d runners, want %v on 1", worked, n, 22*took)
		}
	})
}

func TestUrgentPatchesFillUpWithOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &infertest.Fake{PatchPx: sidePx, Batch: 8, Outputs: 1}
		b, stop := start(t, config(8, time.Hour), r)
		defer stop()
		routine, urgent := newSlide(t, 5), newSlide(t, 3)
		c, u := routine.channel(0, 5), urgent.channel(0, 3)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := b.Score(t.Context(), c, routine.out); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := b.Urgent().Score(t.Context(), u, urgent.out); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if n := r.Calls.Load(); n != 1 {
			t.Errorf("%d batches, want one that both filled", n)
		}
		close(c)
		close(u)
		wg.Wait()
		routine.check()
		urgent.check()
	})
}
