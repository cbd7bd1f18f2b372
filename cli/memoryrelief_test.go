package cli

import (
	"bytes"
	"context"
	"math"
	"os"
	"os/exec"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bcc/detect"
	"bcc/infer"
	"bcc/infer/infertest"
	"bcc/native/ort"
	"bcc/resources"
	"bcc/wsi"
)

// shrinkCount is a session that counts how often it gave memory back.
type shrinkCount struct{ shrunk atomic.Int64 }

func (c *shrinkCount) Shrink(context.Context) error { c.shrunk.Add(1); return nil }
func (*shrinkCount) Close() error                   { return nil }

// fakeEngine is an engine over sessions, one of them a spare, and a runner that takes a
// second a batch.
func fakeEngine(t *testing.T) (e *engine, sessions []*shrinkCount, runner *infertest.Fake) {
	t.Helper()
	runner = &infertest.Fake{PatchPx: 1, Batch: 4, Outputs: 1, Before: func(context.Context, int) error {
		time.Sleep(time.Second)
		return nil
	}}
	cfg := infer.DefaultConfig()
	cfg.PatchPx, cfg.Outputs = 1, 1
	b, err := infer.New(cfg, []infer.Runner{runner})
	if err != nil {
		t.Fatal(err)
	}
	sessions = []*shrinkCount{{}, {}, {}}
	e = &engine{Batcher: b, runners: []infer.Runner{runner}, models: []session{sessions[0], sessions[1]}}
	e.spares.Store(&engine{models: []session{sessions[2]}})
	return e, sessions, runner
}

// each fails unless every session was asked that often.
func each(t *testing.T, sessions []*shrinkCount, want int64, when string) {
	t.Helper()
	for i, s := range sessions {
		if n := s.shrunk.Load(); n != want {
			t.Errorf("%s: session %d gave memory back %d times, want %d", when, i, n, want)
		}
	}
}

// background runs f until the test's bubble ends it.
func background(t *testing.T, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestAGuardAtPressureHasTheEngineGiveMemoryBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, sessions, runner := fakeEngine(t)
		defer background(t, e.Run)()
		var used atomic.Uint64
		cfg := e.guardConfig(nil, nil)
		cfg.Memory = func(context.Context) (uint64, uint64, error) { return used.Load(), 100, nil }
		g, err := resources.NewGuard(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer background(t, g.Run)()
		var walk detect.Config
		e.watch, e.infos, e.runners = g, []ort.Info{{Outputs: 1, Device: "cpu"}}, nil
		e.describe(&walk)
		time.Sleep(time.Minute)
		each(t, sessions, 0, "calm")
		if walk.Slide.Pressed() {
			t.Error("slides give up their tiles though memory is calm")
		}
		used.Store(85)
		time.Sleep(cfg.Again / 2)
		each(t, sessions, 1, "tight")
		if !walk.Slide.Pressed() {
			t.Error("slides keep their tiles though memory is tight")
		}
		used.Store(95)
		time.Sleep(cfg.Again / 2)
		each(t, sessions, 2, "full")
		time.Sleep(cfg.Again)
		each(t, sessions, 3, "full still")
		if score(t, e, 4); runner.Calls.Load() != 4 {
			t.Errorf("4 patches in %d batches, want one each", runner.Calls.Load())
		}
		used.Store(10)
		time.Sleep(time.Minute)
		if score(t, e, 4); runner.Calls.Load() != 5 {
			t.Errorf("4 patches in %d batches, want one", runner.Calls.Load()-4)
		}
	})
}

func TestAnIdleEngineGivesMemoryBackOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, sessions, _ := fakeEngine(t)
		defer background(t, e.Run)()
		defer background(t, e.rest)()
		time.Sleep(time.Hour)
		each(t, sessions, 0, "it has not worked yet")
		for i := range int64(2) {
			score(t, e, 4)
			each(t, sessions, i, "at work")
			time.Sleep(restAfter + 3*restEvery)
			each(t, sessions, i+1, "idle")
			time.Sleep(time.Hour)
			each(t, sessions, i+1, "idle for long")
		}
	})
}

// score has n patches scored.
func score(t *testing.T, e *engine, n int) {
	t.Helper()
	patches := make(chan wsi.Patch, n)
	for i := range n {
		patches <- wsi.Patch{Index: i, Pix: make([]byte, 3)}
	}
	close(patches)
	if err := e.Score(t.Context(), patches, make([]float32, n)); err != nil {
		t.Error(err)
	}
}

// The guard of a list of slides is behind its door: with the memory of this machine,
// which has room.
func TestSlidesOfAListComeThroughTheGuardsDoor(t *testing.T) {
	t.Parallel()
	e, _, _ := fakeEngine(t)
	stop, err := guarded(t.Context(), e, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if e.watch == nil {
		t.Error("no watch: tiles are kept however full memory is")
	}
	if e.door == nil {
		t.Fatal("no door: slides are begun however full memory is")
	}
	e.door.room = func() int { return 0 }
	var cfg detect.Config
	e.infos, e.runners = []ort.Info{{Outputs: 1, Device: "cpu"}}, nil
	e.describe(&cfg)
	ctx, end := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer end()
	if _, err := cfg.Enter(ctx); err == nil {
		t.Error("a slide was begun")
	}
}

// Go's limit is the process's, so this test has one of its own.
func TestGoHearsOfItsPartOfTheMemory(t *testing.T) {
	if os.Getenv("BCC_GO_LIMIT") == "" {
		t.Parallel()
		for _, env := range []string{"", "77MiB"} {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestGoHearsOfItsPartOfTheMemory$", "-test.v")
			cmd.Env = append(os.Environ(), "BCC_GO_LIMIT=1", "GOMEMLIMIT="+env)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("GOMEMLIMIT=%s: %v\n%s", env, err, out)
			}
		}
		return
	}
	m := resources.Machine{Cores: resources.Cores{Usable: 2}, MemoryTotal: 1 << 30, Limited: true}
	p, err := m.Plan(resources.Model{Bytes: 1 << 20, PatchPx: 224}, (&engineFlags{device: "cpu", gpuMemory: 0.8}).wish())
	if err != nil {
		t.Fatal(err)
	}
	want := int64(p.Memory.Go)
	if os.Getenv("GOMEMLIMIT") != "" {
		want = 77 << 20
	}
	limitGo(resources.Budget{})
	if got := debug.SetMemoryLimit(-1); os.Getenv("GOMEMLIMIT") == "" && got != math.MaxInt64 {
		t.Errorf("a machine without a limit: %d", got)
	}
	limitGo(p.Memory)
	if got := debug.SetMemoryLimit(-1); got != want || want <= 0 || want >= 1<<30 {
		t.Errorf("Go's limit is %d bytes, want %d of a container's %d", got, want, 1<<30)
	}
}
