package worker_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bcc/cohort"
	"bcc/fault"
	"bcc/worker"
)

func newLooker(t testing.TB, m worker.Model) *worker.Looker {
	t.Helper()
	l, err := worker.NewLooker(worker.DefaultLookerConfig(), m)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func picture(t testing.TB, number int) worker.Picture {
	data := paint(t, number)
	return worker.Picture{Data: data, SHA256: digest(data), Name: "x.png", Parameters: cohort.Parameters{MPPUM: scaleUM}}
}

// square is one patch of one colour, and a pixel that makes it differ from others.
func square(t testing.TB, side int, c color.RGBA, number int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		m.SetRGBA(i%side, i/side, c)
	}
	m.SetRGBA(0, 0, color.RGBA{c.R, byte(number), byte(number >> 8), 255})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAPictureIsLookedAtOnceAndRememberedByWhatWasAsked(t *testing.T) {
	t.Parallel()
	var scored atomic.Int64
	l := newLooker(t, newModel(t, patchPx, 2, func(_ context.Context, n int) error { scored.Add(int64(n)); return nil }))
	p := picture(t, 0)
	first, err := l.Look(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if r := first.Result; r.Prediction != "BCC" || len(r.Lesions) != 1 || r.Slide.Name != "x.png" || r.Slide.SHA256 != p.SHA256 || first.Cached || len(first.Patches) != 72 {
		t.Errorf("%+v with %d patches", r, len(first.Patches))
	}
	lesion := 0
	for _, q := range first.Patches {
		if q.W != patchPx || q.H != patchPx || q.Tissue <= 0 || q.Tissue > 1 {
			t.Fatalf("patch %+v", q)
		}
		if q.Probability > 0.85 {
			lesion++
		}
	}
	if lesion != 9 {
		t.Errorf("%d patches of the lesion, painted are 9", lesion)
	}
	p.Name = "y.png"
	again, err := l.Look(t.Context(), p)
	if err != nil || !again.Cached || again.Result.Slide.Name != "y.png" || len(again.Patches) != 72 || again.Patches[5] != first.Patches[5] || scored.Load() != 72 {
		t.Errorf("%+v, %v, %d patches scored", again.Result, err, scored.Load())
	}
	low := 0.05
	p.Parameters.Threshold = &low
	other, err := l.Look(t.Context(), p)
	if err != nil || other.Cached || other.Result.Parameters.Threshold != low {
		t.Errorf("%+v, %v", other.Result.Parameters, err)
	}
}

func TestAPatchWithoutAScaleIsTakenAtTheModelsOwn(t *testing.T) {
	t.Parallel()
	l := newLooker(t, newModel(t, patchPx, 2, nil))
	look, err := l.Look(t.Context(), worker.Picture{Data: square(t, patchPx, red, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if len(look.Patches) != 1 || look.Patches[0].Probability < 0.85 || look.Result.Prediction != "BCC" || look.Result.Score < 0.85 ||
		!strings.Contains(strings.Join(look.Result.Degraded, ";"), "scale") {
		t.Errorf("%+v %+v", look.Result, look.Patches)
	}
	if white, err := l.Look(t.Context(), worker.Picture{Data: square(t, patchPx, color.RGBA{255, 255, 255, 255}, 0)}); err != nil || len(white.Patches) != 1 || white.Patches[0].Tissue != 0 {
		t.Errorf("a patch of glass: %+v, %v", white.Patches, err)
	}
	_, err = l.Look(t.Context(), worker.Picture{Data: square(t, 40, red, 0)})
	if fault.Of(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "mpp_um") {
		t.Errorf("another size: %v, hint %q", err, fault.HintOf(err))
	}
}

func TestBadPicturesHaveTheirKind(t *testing.T) {
	t.Parallel()
	l := newLooker(t, newModel(t, patchPx, 2, nil))
	whole, nan := paint(t, 0), 2.0
	for name, c := range map[string]struct {
		p    worker.Picture
		kind fault.Kind
	}{
		"text":      {worker.Picture{Data: []byte("hello hello hello hello")}, fault.Unsupported},
		"empty":     {worker.Picture{}, fault.Corrupt},
		"cut":       {worker.Picture{Data: whole[:len(whole)/2]}, fault.Corrupt},
		"threshold": {worker.Picture{Data: whole, Parameters: cohort.Parameters{Threshold: &nan}}, fault.Invalid},
	} {
		if _, err := l.Look(t.Context(), c.p); err == nil || fault.Of(err) != c.kind {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
}

func TestMoreThanThereIsRoomForIsRefused(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	l := newLooker(t, newModel(t, patchPx, 2, func(context.Context, int) error { <-gate; return nil }))
	var wg sync.WaitGroup
	var full, ok atomic.Int64
	for i := range 64 {
		wg.Go(func() {
			_, err := l.Look(t.Context(), worker.Picture{Data: square(t, patchPx, red, i)})
			if f, is := errors.AsType[*worker.Full](err); is {
				if full.Add(1); f.RetryAfter <= 0 || fault.Of(err) != fault.Busy {
					t.Errorf("%v: come again in %v", err, f.RetryAfter)
				}
				if full.Load() == 48 { // as many as are too many: the others get on
					close(gate)
				}
				return
			}
			if err != nil {
				t.Error(err)
			}
			ok.Add(1)
		})
	}
	wg.Wait()
	if ok.Load() != 16 { // 8 a runner, before anything is measured
		t.Errorf("%d let in, %d refused", ok.Load(), full.Load())
	}
	if _, is := l.Full(); is {
		t.Error("full when nothing is in flight")
	}
}

func TestAClientThatGoesAwayTakesItsWorkWithIt(t *testing.T) {
	t.Parallel()
	started := make(chan struct{}, 100)
	slow := func(context.Context, int) error {
		started <- struct{}{}
		time.Sleep(10 * time.Millisecond)
		return nil
	}
	var scored atomic.Int64
	l := newLooker(t, newModel(t, patchPx, 1, func(ctx context.Context, n int) error { scored.Add(int64(n)); return slow(ctx, n) }))
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-started; leave() }()
	if _, err := l.Look(ctx, picture(t, 0)); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, want cancelled", err)
	}
	if n := scored.Load(); n > 16 {
		t.Errorf("%d of 72 patches were scored", n)
	}
	if _, is := l.Full(); is {
		t.Error("its place is not given back")
	}
}

func TestALookThatBreaksDownHurtsNobodyElse(t *testing.T) {
	t.Parallel()
	m := newModel(t, patchPx, 2, nil)
	probability := m.Detect.Probability
	m.Detect.Probability = func(row []float32) float32 {
		if row[0] > 0.85 {
			panic("broken promise")
		}
		return probability(row)
	}
	l := newLooker(t, m)
	if _, err := l.Look(t.Context(), worker.Picture{Data: square(t, patchPx, red, 0)}); fault.Of(err) != fault.Internal || err == nil {
		t.Errorf("%v", err)
	}
	if _, err := l.Look(t.Context(), worker.Picture{Data: square(t, patchPx, pink, 0)}); err != nil {
		t.Error(err)
	}
}
