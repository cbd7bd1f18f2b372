package resources

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	}{{times{12, 108}, 25}, {a, 0}, {times{9, 101}, 0}, {times{20, 105}, 100}} {
		if got := c.b.percentSince(a); got != c.want {
			t.Errorf("%v: %v %%, want %v", c.b, got, c.want)
		}
	}
}
