package autoscale

import (
	"bytes"
	"context"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"bcc/fault"
)

// logged returns a world whose log is read.
func logged(t *testing.T) (*world, *wants, *Loop, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	w, p, l, _ := newWorld(t, func(c *LoopConfig) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	return w, p, l, &log
}

func TestLoopSaysATroubleOnce(t *testing.T) {
	t.Parallel()
	w, _, l, log := logged(t)
	w.step(t, l, 0)
	for name, c := range map[string]struct {
		trouble func(error)
		says    string
	}{
		"no signals":       {func(err error) { w.away = err }, "last decision kept"},
		"nobody is told":   {func(err error) { w.deaf = err }, "nobody was told"},
		"no answer of who": {func(err error) { w.blind = err }, "last decision kept"},
	} {
		for range 2 { // it comes back
			log.Reset()
			c.trouble(fault.New(fault.Unavailable, "planted"))
			for range 20 {
				w.step(t, l, 15*time.Second)
			}
			if n := strings.Count(log.String(), "planted"); n != 1 || !strings.Contains(log.String(), c.says) {
				t.Errorf("%s: said %d times in 20 rounds, want once: %s", name, n, log)
			}
			c.trouble(fault.New(fault.Invalid, "planted"))
			if w.step(t, l, 15*time.Second); strings.Count(log.String(), "planted") != 2 {
				t.Errorf("%s: another trouble is not said: %s", name, log)
			}
			c.trouble(nil)
			w.step(t, l, 15*time.Second)
		}
	}
}

func TestLoopThatIsEndedWhileItAsksSaysNothingOfIt(t *testing.T) {
	t.Parallel()
	w, _, l, log := logged(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.away = context.Canceled
	cancel()
	if o := l.Step(ctx); o.Err != nil || log.Len() > 0 {
		t.Errorf("%v, %s", o.Err, log)
	}
}

// A server's clock may be put right while workers start: by hours, in both directions.
func TestLoopGoesOnWhenTheServersClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		w, p, l, _ := newWorld(t, nil)
		w.groups[0].Ready = 2 // for the target; they do not greet yet
		w.step(t, l, 0)
		p.n["c7i"] = 3
		w.step(t, l, 15*time.Second)
		w.jumped = jump
		w.step(t, l, 15*time.Second)
		var ages []time.Duration
		for _, r := range p.past {
			ages = append(ages, p.seen.Now.Sub(r.At))
		}
		if want := []time.Duration{30 * time.Second, 15 * time.Second}; !reflect.DeepEqual(ages, want) {
			t.Errorf("after a jump by %v records are %v old, want %v", jump, ages, want)
		}
		for _, at := range p.seen.Groups[0].Starting {
			if in := at.Sub(p.seen.Now); in != 90*time.Second { // of two minutes
				t.Errorf("after a jump by %v a worker is ready in %v, want 1m30s", jump, in)
			}
		}
	}
}

// A worker whose --id is not what the target calls it cannot be ended by anybody.
func TestLoopSaysOnceThatIdleWorkersAreNotTheTargets(t *testing.T) {
	t.Parallel()
	w, p, l, log := logged(t)
	w.groups[0].Ready, w.fleet.Workers, p.n["c7i"], w.keeps = 3, workers(3, 0), 0, 3
	for i := range 40 {
		w.step(t, l, 15*time.Second)
		if said := strings.Count(log.String(), "idle workers do not go"); said != min(i/20, 1) { // after five minutes
			t.Fatalf("round %d: said %d times: %s", i, said, log)
		}
	}
	log.Reset()
	w.keeps = 2 // one goes, and then no more
	for range 15 {
		w.step(t, l, 15*time.Second)
	}
	if strings.Contains(log.String(), "idle workers do not go") {
		t.Errorf("said less than five minutes after one went: %s", log)
	}
}

func TestLoopDoesNotBelieveWhatNoWorkerCanBe(t *testing.T) {
	t.Parallel()
	w, p, l, _ := newWorld(t, nil)
	w.fleet.Workers = append(workers(2, 2), Worker{ID: "mad", Kind: "c7i", PatchesPerS: 1e308, CPUPercent: -1e9}, Worker{ID: "minus", Kind: "c7i", PatchesPerS: -1e9, CPUPercent: 1e308})
	w.step(t, l, 0)
	if g := p.seen.Groups[0]; g.Ready != 4 || g.PatchesPerS != 80 || g.CPUPercent != 50 {
		t.Errorf("%+v, want 80 patches per second, and half of the cores in use", g)
	}
}

// silent answers nothing.
type silent struct{}

func (silent) Fleet(ctx context.Context) (Fleet, error) {
	<-ctx.Done()
	return Fleet{}, ctx.Err()
}

func (silent) Publish(ctx context.Context, _ Published) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestLoopDoesNotWaitForAServerThatHangs(t *testing.T) {
	t.Parallel()
	w, _, l, log := logged(t)
	w.step(t, l, 0)
	l.cfg.Stale, l.cfg.Source = 20*time.Millisecond, silent{}
	if o := w.step(t, l, 15*time.Second); fault.Of(o.Err) != fault.Unavailable || !strings.Contains(o.Held, "signals of the fleet: no answer within 10ms") || len(w.scaled) != 1 {
		t.Errorf("%v, asked for %q", o.Err, w.scaled)
	}
	l.cfg.Source, l.cfg.Publisher, l.seen = w, silent{}, age{}
	if o := w.step(t, l, 15*time.Second); fault.Of(o.Err) != fault.Unavailable || !strings.Contains(log.String(), `msg="nobody was told what is wanted" fault=unavailable error="no answer within 10ms"`) {
		t.Errorf("%v: %s", o.Err, log)
	}
}
