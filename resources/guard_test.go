package resources

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
)

func TestLevelsRiseAtOnceAndFallLate(t *testing.T) {
	t.Parallel()
	c := DefaultGuardConfig()
	var w watch
	at := time.Now()
	for i, step := range []struct {
		after time.Duration
		share float64
		want  Level
	}{
		{0, 0.5, Calm},
		{0, 0.8, Tight},
		{0, 0.79, Tight},         // inside the gap
		{time.Hour, 0.76, Tight}, // however long
		{0, 0.7, Tight},          // below it, but not for long
		{4 * time.Second, 0.7, Tight},
		{0, 0.76, Tight}, // back in the gap: the time begins anew
		{9 * time.Second, 0.7, Tight},
		{5 * time.Second, 0.7, Calm},
		{0, 0.95, Full}, // over both bounds at once
		{0, 0.2, Full},
		{5 * time.Second, 0.2, Tight}, // one at a time
		{0, 0.2, Tight},
		{5 * time.Second, 0.2, Calm},
		{0, 0.85, Tight},
		{0, 0.9, Full},
		{0, 0.1, Full},
		{time.Second, 0.91, Full},
		{10 * time.Second, 0.1, Full}, // since it was above again
	} {
		at = at.Add(step.after)
		if w = c.next(w, at, step.share); w.level != step.want {
			t.Fatalf("step %d, %.2f used: %v, want %v", i, step.share, w.level, step.want)
		}
	}
}

// tank is a memory that a test fills.
type tank struct{ used atomic.Uint64 }

func (m *tank) read(context.Context) (uint64, uint64, error) { return m.used.Load(), 1000 << 20, nil }

func TestAGuardRelievesSaysSoAndRecovers(t *testing.T) {
	t.Parallel()
	var (
		memory tank
		mu     sync.Mutex
		log    bytes.Buffer
		calls  = map[Level]int{}
	)
	memory.used.Store(950 << 20)
	reg := prometheus.NewRegistry()
	cfg := DefaultGuardConfig()
	cfg.Memory, cfg.Registerer = memory.read, reg
	cfg.Every, cfg.Settle, cfg.Again = time.Millisecond, 2*time.Millisecond, 3*time.Millisecond
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) // read after Run only
	cfg.Relieve = func(_ context.Context, l Level) {
		mu.Lock()
		defer mu.Unlock()
		if calls[l]++; l == Full && calls[l] == 3 {
			memory.used.Store(100 << 20) // it helped
		}
	}
	g, err := NewGuard(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- g.Run(ctx) }()
	for seen := false; !seen; { // until it has recovered
		mu.Lock()
		seen = calls[Calm] > 0
		if l := g.Level(); l == Full && len(g.Degraded()) != 1 {
			t.Error("full, and no word of it")
		}
		mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if calls[Full] < 3 || calls[Tight] < 1 || g.Level() != Calm || g.Degraded() != nil {
		t.Errorf("calls %v, %v, %q", calls, g.Level(), g.Degraded())
	}
	for _, want := range []string{"memory is nearly full", "used_bytes=996147200", "memory is calm again"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, log.String())
		}
	}
	if got := scraped(t, reg); got[`bcc_memory_levels_total full`] != 1 || got["bcc_memory_level"] != 0 {
		t.Errorf("%v", got)
	}
}

// scraped returns what is registered, by its name and the values of its labels.
func scraped(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return got
}

func TestAGuardThatCannotReadStaysAsItWas(t *testing.T) {
	t.Parallel()
	cfg := DefaultGuardConfig()
	broken := false
	cfg.Memory = func(context.Context) (uint64, uint64, error) {
		if broken {
			return 0, 0, errors.New("no such file")
		}
		return 85, 100, nil
	}
	g, err := NewGuard(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.look(t.Context(), time.Now())
	broken = true
	if l := g.look(t.Context(), time.Now().Add(time.Hour)); l != Tight {
		t.Errorf("%v", l)
	}
	var none *Guard
	if none.Level() != Calm || none.Degraded() != nil {
		t.Error("no guard is not calm")
	}
}

func TestAGuardRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*GuardConfig){
		func(c *GuardConfig) { c.Tight = 0.95 },
		func(c *GuardConfig) { c.Full = 1.1 },
		func(c *GuardConfig) { c.Every = 0 },
		func(c *GuardConfig) { c.Memory = nil },
	} {
		c := DefaultGuardConfig()
		change(&c)
		if _, err := NewGuard(c); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestASnapshotIsScraped(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s := Snapshot{Cores: 4, CPUPercent: 25, MemoryUsed: 1, MemoryTotal: 2, Disks: []Disk{{Name: "data", Free: 5, Total: 9}, {Name: "scratch"}}, GPUs: gpus(2)}
	if err := Register(reg, func() Snapshot { return s }); err != nil {
		t.Fatal(err)
	}
	got := scraped(t, reg)
	for name, want := range map[string]float64{
		"bcc_cpu_percent": 25, "bcc_cpu_cores": 4, "bcc_memory_used_bytes": 1, "bcc_memory_total_bytes": 2,
		"bcc_disk_free_bytes data": 5, "bcc_disk_total_bytes data": 9, "bcc_disk_free_bytes scratch": 0,
		"bcc_device_memory_total_bytes cuda:0": 80 * gib, "bcc_device_use_percent cuda:1": 0, "bcc_network_bytes_per_second in": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: %v, %v: want %v", name, v, ok, want)
		}
	}
	if _, ok := got["bcc_device_temperature_celsius cuda:0"]; ok {
		t.Error("a temperature that the driver does not tell")
	}
}
