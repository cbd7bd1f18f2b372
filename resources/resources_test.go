package resources

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"

	"bcc/fault"
)

func TestASnapshotIsPlausible(t *testing.T) {
	t.Parallel()
	s, err := Read(t.Context(), Config{Folder: t.TempDir()}, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if s.Cores < 1 || s.CPUPercent < 0 || s.CPUPercent > 100 ||
		s.RSSBytes < 1<<20 || s.RSSBytes > s.MemoryTotal || s.MemoryUsed > s.MemoryTotal ||
		s.DiskFree > s.DiskTotal || s.DiskTotal == 0 || time.Since(s.Time) > time.Minute {
		t.Errorf("%+v", s)
	}
	if _, err := Read(t.Context(), Config{Folder: filepath.Join(t.TempDir(), "nowhere")}, 0); fault.Of(err) != fault.NotFound || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("%v: want not found, and the folder", err)
	}
}

func TestTheFirstReadingOfABusyMachineIsNoZero(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	defer close(stop)
	go func() { // one core
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	s, err := NewSampler(t.Context(), Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	first := s.Latest()
	if first.CPUPercent <= 0 {
		t.Errorf("%v %% while a core is busy", first.CPUPercent)
	}
	s.sample(t.Context())
	if !s.Latest().Time.After(first.Time) {
		t.Error("a sample left the first reading")
	}
}

func TestUseIsTheShareOfTheWindow(t *testing.T) {
	t.Parallel()
	a := times{busy: 10, all: 100}
	for _, c := range []struct {
		b    times
		want float64
	}{{times{busy: 12, all: 108}, 25}, {a, 0}, {times{busy: 9, all: 101}, 0}, {times{busy: 20, all: 105}, 100}} {
		if got := c.b.percentSince(a); got != c.want {
			t.Errorf("%v: %v %%, want %v", c.b, got, c.want)
		}
	}
}

func TestUseIsOfTheCoresThatThisProcessMayUse(t *testing.T) {
	t.Parallel()
	told := func(busy ...float64) []cpu.TimesStat { // of 10 s
		all := make([]cpu.TimesStat, len(busy))
		for i, b := range busy {
			all[i] = cpu.TimesStat{CPU: fmt.Sprintf("cpu%d", i), User: b / 2, Steal: b / 2, Idle: (10 - b) / 2, Iowait: (10 - b) / 2}
		}
		return all
	}
	each := told(0, 10, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for name, c := range map[string]struct {
		cores map[int]bool
		want  float64
		ok    bool
	}{
		"full":                       {map[int]bool{1: true}, 100, true},
		"full and half full":         {map[int]bool{1: true, 2: true}, 75, true},
		"ten is not one":             {map[int]bool{10: true}, 0, true},
		"nobody tells which":         {nil, 0, false},
		"one is told of, one is not": {map[int]bool{1: true, 40: true}, 100, false},
	} {
		got, ok := of(c.cores, each)
		if ok != c.ok || ok && (got.percentSince(times{}) != c.want || got.cores != len(c.cores)) {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
}

func TestThisProcessKnowsItsCores(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("no affinity here")
	}
	if len(mine) != runtime.NumCPU() {
		t.Errorf("cores %v of %d", mine, runtime.NumCPU())
	}
}
