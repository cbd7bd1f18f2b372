package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bcc/blob/blobtest"
	"bcc/cohort"
	"bcc/detect"
	"bcc/queue"
	"bcc/queue/queuetest"
	"bcc/report"
	"bcc/worker"
	"bcc/wsi"
)

// engine is one device that everything in a process shares, in a bubble's time: a
// batch after the other, those of urgent slides first.
type engine struct {
	patch time.Duration
	turn  chan struct{}
	busy  atomic.Int64
}

func newEngine(patch time.Duration) *engine {
	e := &engine{patch: patch, turn: make(chan struct{}, 1)}
	e.turn <- struct{}{}
	return e
}

func (e *engine) score(ctx context.Context, n int, scored func(int)) error {
	const batch = 8
	for n > 0 {
		select {
		case <-e.turn:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		now := min(n, batch)
		select {
		case <-time.After(time.Duration(now) * e.patch):
		case <-ctx.Done():
		}
		e.busy.Add(int64(time.Duration(now) * e.patch))
		e.turn <- struct{}{}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		scored(now)
		n -= now
	}
	return nil
}

// dozing is an Examiner whose slides take time and say nothing.
type dozing struct {
	blink
	*engine
	opening time.Duration
}

func (x dozing) Survey(ctx context.Context, src detect.Source, watch detect.Watcher) (worker.Survey, error) {
	time.Sleep(x.opening)
	s, err := x.blink.Survey(ctx, src, watch)
	return dozingSurvey{s, x}, err
}

func (x dozing) Score(ctx context.Context, _ detect.Source, g *wsi.Grid, scored func(int)) ([]float32, error) {
	return make([]float32, g.Len()), x.score(ctx, g.Len(), scored)
}

type dozingSurvey struct {
	worker.Survey
	x dozing
}

func (s dozingSurvey) Score(ctx context.Context, from, to int, scored func(int)) ([]float32, error) {
	return make([]float32, to-from), s.x.score(ctx, to-from, scored)
}

// bubble is a fleet in a bubble of synctest.
type bubble struct {
	t      *testing.T
	store  *blobtest.Memory
	queue  *queuetest.Memory
	ledger *cohort.Ledger
	stops  []func()
}

func newBubble(t *testing.T) *bubble {
	b := &bubble{t: t, store: blobtest.NewMemory(), queue: queuetest.NewMemory(30 * time.Second)}
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue = b.store, b.queue
	var err error
	if b.ledger, err = cohort.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bubble) close() {
	for _, stop := range b.stops {
		stop()
	}
	b.ledger.Close()
	b.queue.Close()
	synctest.Wait()
}

// start runs a worker over an engine; slides have so many patches.
func (b *bubble) start(e *engine, patches int, change func(*worker.Config)) *worker.Worker {
	m := worker.Model{Runners: 1, Examine: func(detect.Config) (worker.Examiner, error) {
		return dozing{blink{patches}, e, 500 * time.Millisecond}, nil
	}}
	m.Detect = detect.DefaultConfig(patchPx, scaleUM)
	m.Detect.Outputs, m.Detect.Model = 1, report.Model{SHA256: "f00d"}
	cfg := worker.DefaultConfig()
	cfg.Scratch = b.t.TempDir()
	cfg.Engine = func() (time.Duration, int) { return time.Duration(e.busy.Load()), 1 }
	if change != nil {
		change(&cfg)
	}
	wk, err := worker.New(cfg, m, b.store, b.queue, cohort.NewDesk(b.store, b.queue), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := wk.Run(ctx); err != nil {
			b.t.Error(err)
		}
	}()
	b.stops = append(b.stops, func() { cancel(); <-done })
	return wk
}

// submit submits n slides.
func (b *bubble) submit(lane queue.Lane, n int, name string) cohort.Manifest {
	m := cohort.Manifest{Priority: lane}
	for i := range n {
		data := fmt.Append(nil, name, i)
		if err := b.store.Put(b.t.Context(), "slides/"+digest(data), bytes.NewReader(data)); err != nil {
			b.t.Fatal(err)
		}
		m.Slides = append(m.Slides, cohort.Slide{Name: name, SHA256: digest(data)})
	}
	m, err := b.ledger.Submit(b.t.Context(), m)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// took waits for the cohort and returns how long that took.
func (b *bubble) took(m cohort.Manifest) time.Duration {
	begun := time.Now()
	for i := range m.Slides {
		s, err := b.ledger.Wait(b.t.Context(), cohort.SlideID(m.ID, i))
		if err != nil || s.State != cohort.Done {
			b.t.Fatalf("slide %d: %s %+v, %v", i, s.State, s.End, err)
		}
	}
	return time.Since(begun)
}

func TestFastAndSlowWorkersShareASlideToItsEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ slides, patches int }{
		"many slides": {60, 800}, "one large slide": {1, 48_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t)
				defer b.close()
				b.start(newEngine(10*time.Millisecond), c.patches, nil)
				b.start(newEngine(40*time.Millisecond), c.patches, nil) // four times slower
				took := b.took(b.submit(queue.Routine, c.slides, "s"))
				all := float64(c.slides * c.patches)
				rate, sum := all/took.Seconds(), 100.0+25
				if rate < 0.9*sum {
					t.Errorf("%.1f patches a second in %v, want nine tenths of %.0f", rate, took, sum)
				}
				t.Logf("%.3f of the sum of both alone", rate/sum)
			})
		})
	}
}

func TestSlotsGrowWhileRunnersWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.close()
		e := newEngine(time.Hour)
		wk := b.start(e, 100, func(c *worker.Config) {
			c.MaxJobs = 4
			c.Engine = func() (time.Duration, int) { return 0, 1 } // it has nothing to do
		})
		b.submit(queue.Routine, 10, "s")
		time.Sleep(time.Second)
		if n := wk.State().Jobs; n != 2 {
			t.Errorf("%d slots at first, want 2", n)
		}
		time.Sleep(time.Minute)
		if s := wk.State(); s.Jobs != 4 || s.Busy != 4 {
			t.Errorf("%d slots, %d at work; want 4", s.Jobs, s.Busy)
		}
	})
}
