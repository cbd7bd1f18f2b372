package ort_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"bcc/native/ort"
)

func TestShrinkingChangesNoAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]testModel{"open batch": {side: 16, slow: 3}, "fixed batch": {side: 16, batch: 2}} {
		m := open(t, c, ort.Config{Device: "cpu", Batch: 2})
		patches := [][]byte{slices.Repeat([]byte{40}, 3*16*16), slices.Repeat([]byte{200}, 3*16*16)}
		want := make([]float32, 4)
		if err := runner(t, m).Run(t.Context(), patches, want); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 2 { // beside it
			r := runner(t, m)
			wg.Go(func() {
				got := make([]float32, 4)
				for range 200 {
					if err := r.Run(t.Context(), patches, got); err != nil || !slices.Equal(got, want) {
						t.Errorf("%s: %v, %v: want %v", name, got, err, want)
						return
					}
				}
			})
		}
		for range 20 {
			if err := m.Shrink(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		wg.Wait()
	}
}

func TestShrinkingEndsWithItsContextAndItsModel(t *testing.T) {
	t.Parallel()
	m := open(t, testModel{side: 16}, ort.Config{Device: "cpu"})
	ended, end := context.WithCancel(t.Context())
	end()
	if err := m.Shrink(ended); err == nil {
		t.Error("it went on without a context")
	}
	m.Close()
	if err := m.Shrink(t.Context()); err == nil {
		t.Error("it shrank a closed model")
	}
}

// Memory is a process's, so this test has one of its own.
func TestShrinkingGivesMemoryBack(t *testing.T) {
	if os.Getenv("BCC_SHRINK") != "" {
		shrinkAlone(t)
		return
	}
	t.Parallel()
	load(t)
	cmd := exec.Command(os.Args[0], "-test.run", "^TestShrinkingGivesMemoryBack$", "-test.v")
	cmd.Env = append(os.Environ(), "BCC_SHRINK=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func shrinkAlone(t *testing.T) {
	m := open(t, testModel{side: 224, slow: 3}, ort.Config{Device: "cpu", Batch: 32})
	r := runner(t, m)
	if err := r.Again(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := residentMiB(t)
	if err := m.Shrink(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := residentMiB(t)
	t.Logf("%d MiB before, %d after", before, after)
	if after > before*3/4 {
		t.Errorf("%d MiB were held, %d after it", before, after)
	}
}

func residentMiB(t *testing.T) (kib int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not say how much a process holds")
	}
	_, line, _ := strings.Cut(string(status), "VmRSS:")
	if _, err := fmt.Sscan(line, &kib); err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}
