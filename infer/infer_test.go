package infer_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
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
