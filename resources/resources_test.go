package resources

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"bcc/fault"
)

func TestASnapshotIsPlausible(t *testing.T) {
	t.Parallel()
	s, err := Read(t.Context(), t.TempDir(), 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if s.Cores < 1 || s.CPUPercent < 0 || s.CPUPercent > 100 ||
		s.RSSBytes < 1<<20 || s.RSSBytes > s.MemoryTotal || s.MemoryUsed > s.MemoryTotal ||
		s.DiskFree > s.DiskTotal || s.DiskTotal == 0 || time.Since(s.Time) > time.Minute {
		t.Errorf("%+v", s)
	}
	if _, err := Read(t.Context(), filepath.Join(t.TempDir(), "nowhere"), 0); fault.Of(err) != fault.Unavailable {
		t.Errorf("%v: want unavailable", err)
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
	s, err := NewSampler(t.Context(), t.TempDir())
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

func TestTheTightestLimitCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		membership string
		files      map[string]string
		want       group
		found      bool
	}{
		"version 2": {"0::/a/b\n", map[string]string{
			"a/memory.max": "1000\n", "a/memory.current": "600\n", "a/memory.stat": "anon 300\ninactive_file 100\n",
			"a/b/memory.max": "max\n", "a/b/memory.current": "500\n",
		}, group{500, 1000}, true},
		"version 1": {"3:cpu:/x\n2:memory:/x\n", map[string]string{
			"memory/x/memory.limit_in_bytes": "800\n", "memory/x/memory.usage_in_bytes": "200\n",
		}, group{200, 800}, true},
		"a container whose path is the host's": {"0::/kubepods/pod7\n", map[string]string{
			"memory.max": "900\n", "memory.current": "100\n",
		}, group{100, 900}, true},
		"no limit": {"0::/\n", nil, group{}, false},
	} {
		root := t.TempDir()
		for path, text := range c.files {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		membership := filepath.Join(root, "membership")
		if err := os.WriteFile(membership, []byte(c.membership), 0o666); err != nil {
			t.Fatal(err)
		}
		if got, found := groupMemory(membership, root); got != c.want || found != c.found {
			t.Errorf("%s: %+v, %v: want %+v, %v", name, got, found, c.want, c.found)
		}
	}
}
