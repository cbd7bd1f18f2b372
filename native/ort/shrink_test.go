package ort_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"bcc/grad/net"
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

// Memory is a process's, so these tests have one of their own each.
func TestShrinkingGivesMemoryBack(t *testing.T) {
	if os.Getenv("BCC_ALONE") == "" {
		t.Parallel()
		load(t)
		inProcess(t, "^TestShrinkingGivesMemoryBack$")
		return
	}
	m := open(t, testModel{side: 224, slow: 3}, ort.Config{Device: "cpu", Batch: 32})
	if err := runner(t, m).Again(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, after := shrunk(t, m)
	if after > before*3/4 {
		t.Errorf("%d MiB were held, %d after it", before, after)
	}
}

// A lone patch takes the memory of one, where the model's batch is open: that is what
// the guard of the memory presses batches for. And it is given back after a full batch
// that came after the last time.
func TestALonePatchTakesTheMemoryOfOne(t *testing.T) {
	if os.Getenv("BCC_ALONE") == "" {
		t.Parallel()
		load(t)
		inProcess(t, "^TestALonePatchTakesTheMemoryOfOne$")
		return
	}
	m := open(t, testModel{side: 224, slow: 3}, ort.Config{Device: "cpu", Batch: 32})
	r := runner(t, m)
	if r.Least() != 1 {
		t.Errorf("at least %d patches a run, want 1", r.Least())
	}
	took := func(patches int) int {
		if err := m.Shrink(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := residentMiB(t)
		if err := r.Run(t.Context(), slices.Repeat([][]byte{make([]byte, 3*224*224)}, patches), make([]float32, 2*patches)); err != nil {
			t.Fatal(err)
		}
		return residentMiB(t) - before
	}
	full, again, one := took(32), took(32), took(1)
	t.Logf("32 patches take %d MiB, %d once that was given back, one takes %d", full, again, one)
	if full < 40 || again < full/2 || one > full/4 {
		t.Errorf("32 patches take %d MiB, %d once that was given back, one takes %d", full, again, one)
	}
}

func TestAFixedBatchIsNotMadeSmaller(t *testing.T) {
	t.Parallel()
	if n := runner(t, open(t, testModel{side: 16, batch: 4}, ort.Config{Device: "cpu"})).Least(); n != 4 {
		t.Errorf("at least %d patches a run, want the model's 4", n)
	}
}

// BenchmarkShrink says how much a process with a network holds after batches on two
// runners, and after Shrink.
func BenchmarkShrink(b *testing.B) {
	for _, c := range []string{"resnet18/2", "resnet50/2", "resnet50/32"} {
		name, batch, _ := strings.Cut(c, "/")
		b.Run("network="+name+"/batch="+batch, func(b *testing.B) {
			load(b)
			var before, after float64
			for b.Loop() {
				out := inProcess(b, "^TestANetworkGivesMemoryBack$", "BCC_NETWORK="+name, "BCC_BATCH="+batch)
				_, held, _ := strings.Cut(out, "held: ")
				if _, err := fmt.Sscanf(held, "%f MiB, then %f", &before, &after); err != nil {
					b.Fatalf("%v in %s", err, out)
				}
			}
			b.ReportMetric(before, "MiB-before")
			b.ReportMetric(after, "MiB-after")
			b.ReportMetric(0, "ns/op") // of a process that starts and ends
		})
	}
}

// It is BenchmarkShrink's process: the large networks take seconds.
func TestANetworkGivesMemoryBack(t *testing.T) {
	name := os.Getenv("BCC_NETWORK")
	if name == "" {
		t.Skip("go test -run '^$' -bench Shrink -benchtime 1x ./native/ort runs it")
	}
	n, err := net.Build(name, net.Config{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	model, err := n.Model()
	if err != nil {
		t.Fatal(err)
	}
	load(t)
	batch, _ := strconv.Atoi(os.Getenv("BCC_BATCH"))
	m, err := ort.Open(model.Marshal(), ort.Config{Device: "cpu", Batch: batch})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	n, model = nil, nil
	var runs sync.WaitGroup
	for range 2 {
		r := runner(t, m)
		runs.Go(func() {
			for range 3 {
				if err := r.Again(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	runs.Wait()
	debug.FreeOSMemory() // what Go held is none of the engine's
	before, after := shrunk(t, m)
	t.Logf("held: %d MiB, then %d", before, after)
}

// shrunk returns what the process holds before and after Shrink, MiB.
func shrunk(t *testing.T, m *ort.Model) (before, after int) {
	t.Helper()
	before = residentMiB(t)
	if err := m.Shrink(t.Context()); err != nil {
		t.Fatal(err)
	}
	after = residentMiB(t)
	t.Logf("%d MiB before, %d after", before, after)
	return before, after
}

// inProcess runs a test of this package in a process of its own and returns what it said.
func inProcess(t testing.TB, test string, env ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", test, "-test.v")
	cmd.Env = append(append(os.Environ(), "BCC_ALONE=1"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
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
