//go:build cgo

package nvml

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// built compiles a driver's library whose start answers init.
func built(t *testing.T, init string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libnvidia-ml.so.1")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-DBCC_FAKE_INIT="+init, "-o", path, "testdata/fake.c").CombinedOutput(); err != nil {
		t.Skipf("no C compiler: %v: %s", err, out)
	}
	return path
}

func TestItReadsGPUsOrSaysWhyThereAreNone(t *testing.T) {
	t.Parallel()
	none := New(filepath.Join(t.TempDir(), "nowhere.so"))
	if all, why := none.GPUs(); len(all) != 0 || !strings.Contains(why, "not installed") {
		t.Errorf("without the library: %v, %q", all, why)
	}
	none.Close()

	other := filepath.Join(t.TempDir(), "other.so")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-x", "c", "-o", other, "/dev/null").CombinedOutput(); err != nil {
		t.Skipf("no C compiler: %v: %s", err, out)
	}
	if all, why := New(other).GPUs(); len(all) != 0 || !strings.Contains(why, "it has no nvmlInit_v2") {
		t.Errorf("with a library of something else: %v, %q", all, why)
	}

	l := New(built(t, "0"))
	defer l.Close()
	want := []GPU{
		{Index: 0, Name: "Fake 1", UUID: "GPU-1", MemoryTotal: 16 << 30, MemoryUsed: 1 << 30, UsePercent: 37, TemperatureC: 54},
		{Index: 1, Name: "Fake 2", UUID: "GPU-2", MemoryTotal: 16 << 30, MemoryUsed: 1 << 30},
	}
	if all, why := New(built(t, "9")).GPUs(); len(all) != 0 || !strings.Contains(why, "no driver is loaded") {
		t.Errorf("without a driver: %v, %q", all, why)
	}
	if all, why := New(built(t, "999")).GPUs(); len(all) != 0 || !strings.Contains(why, "does not start: Unknown Error") {
		t.Errorf("with a driver that does not start: %v, %q", all, why)
	}
	for range 2 { // asked again and again
		if all, why := l.GPUs(); why != "" || !slices.Equal(all, want) {
			t.Errorf("%+v, %q: want %+v", all, why, want)
		}
	}
}
