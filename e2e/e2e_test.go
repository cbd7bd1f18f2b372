//go:build e2e

// Package e2e drives the built program as a user does, on large and on broken
// slides, and looks at its memory, its time and its files. It takes minutes:
// make e2e.
package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const binary = "../bin/bcc"

// outcome is how a run of the program ended.
type outcome struct {
	code    int
	took    time.Duration
	peakRSS int64 // bytes
	out     string
	err     string
}

// run runs bcc and waits for it.
func run(t *testing.T, args ...string) outcome {
	t.Helper()
	return finish(t, exec.CommandContext(t.Context(), binary, args...))
}

func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begun := time.Now()
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return outcome{cmd.ProcessState.ExitCode(), time.Since(begun), usage.Maxrss << 10, out.String(), errs.String()}
}

func must(t *testing.T, args ...string) outcome {
	t.Helper()
	o := run(t, args...)
	if o.code != 0 {
		t.Fatalf("bcc %s: exit %d\n%s%s", strings.Join(args, " "), o.code, o.out, o.err)
	}
	return o
}

// freePort returns an address of this machine on which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// shared returns a path beside the checkout or where BCC_SHARED says.
func shared(t *testing.T, path string) string {
	t.Helper()
	dir := os.Getenv("BCC_SHARED")
	if dir == "" {
		dir = "../../shared"
	}
	full := filepath.Join(dir, path)
	if _, err := os.Stat(full); err != nil {
		t.Skipf("%s is not here: set BCC_SHARED", path)
	}
	return full
}

// resnet18 writes a bundle of that size with random weights.
func resnet18(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "resnet18")
	must(t, "bench", "bundle", "resnet18", "--out", dir)
	return dir
}

const mb = 1 << 20

func TestMemoryStaysFlatOnTheLargestSlides(t *testing.T) {
	const limit = 600 * mb
	model := resnet18(t)
	for _, c := range []struct{ name, size, variant string }{
		{"a pyramid of 40,000²", "40000x40000", "pyramid"},
		{"a flat TIFF of 600 MB", "16000x12500", "flat"},
		{"a flat TIFF of 600 MB in LZW", "16000x12500", "flat-lzw"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			made := must(t, "synth", "--out", dir, "--count", "1", "--bcc", "1", "--seed", "40", "--size", c.size, "--variant", c.variant)
			o := must(t, "detect", "--device", "cpu", "--model", model, "--out", filepath.Join(dir, "r"), filepath.Join(dir, "synth-00000.tif"))
			t.Logf("synth %.0f s, %d MB; detect %.0f s, peak %d MB\n%s", made.took.Seconds(), made.peakRSS/mb, o.took.Seconds(), o.peakRSS/mb, o.out)
			if o.peakRSS > limit {
				t.Errorf("peak RSS %d MB, limit %d", o.peakRSS/mb, limit/mb)
			}
		})
	}
}

func TestMemoryDoesNotGrowOver200Slides(t *testing.T) {
	dir := t.TempDir()
	must(t, "synth", "--out", dir, "--count", "200", "--seed", "200", "--size", "2000x1500")
	cmd := exec.CommandContext(t.Context(), binary, "detect", "--device", "cpu", "--out", filepath.Join(dir, "r"), dir)
	var rss []int64 // every 100 ms
	watched, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for watched.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			if cmd.Process != nil {
				if v := residentBytes(cmd.Process.Pid); v > 0 {
					rss = append(rss, v)
				}
			}
		}
	}()
	o := finish(t, cmd)
	stop()
	<-done
	if o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.err)
	}
	n := len(rss)
	if n < 8 {
		t.Fatalf("only %d readings", n)
	}
	early, late := mean(rss[n/4:n/2]), mean(rss[3*n/4:])
	t.Logf("%.0f s; mean RSS %d MB in the second quarter, %d MB in the last; peak %d MB", o.took.Seconds(), early/mb, late/mb, o.peakRSS/mb)
	if late > early+early/10 {
		t.Errorf("memory grows: %d MB, then %d MB", early/mb, late/mb)
	}
}

func residentBytes(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, resident int64
	fmt.Sscan(string(b), &size, &resident)
	return resident * int64(os.Getpagesize())
}

func mean(v []int64) int64 {
	var sum int64
	for _, x := range v {
		sum += x
	}
	return sum / int64(len(v))
}

// TestTheAnswerIsTheSame on one and two cores, with other batches and jobs, and
// after an interruption.
func TestTheAnswerIsTheSame(t *testing.T) {
	slides := []string{shared(t, "slides/skin-morphea.tif"), shared(t, "slides/cmu-1-small-region.svs")}
	for _, model := range []string{"bcc-baseline", resnet18(t)} {
		dir := t.TempDir()
		args := func(out string, more ...string) []string {
			return append(append([]string{"detect", "--device", "cpu", "--model", model, "--out", filepath.Join(dir, out)}, more...), slides...)
		}
		must(t, args("want")...)
		want := digests(t, filepath.Join(dir, "want"))
		same := func(what, out string) {
			t.Helper()
			got := digests(t, filepath.Join(dir, out))
			for name, d := range want {
				if got[name] != d {
					t.Errorf("%s, %s: %s differs", model, what, name)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s, %s: %d files, want %d", model, what, len(got), len(want))
			}
		}

		one := exec.CommandContext(t.Context(), "taskset", append([]string{"-c", "0", binary}, args("one", "--jobs", "1")...)...)
		if o := finish(t, one); o.code != 0 {
			t.Fatal(o.err)
		}
		same("one core", "one")
		must(t, args("batch", "--batch", "7", "--jobs", "3")...)
		same("batches of 7, three jobs", "batch")

		for i := 0; ; i++ { // interrupted again and again, a little later each time
			cmd := exec.CommandContext(t.Context(), binary, args("cut", "--jobs", "1")...)
			o, ended := interrupt(t, cmd, time.Duration(1+i)*400*time.Millisecond)
			if ended {
				if o.code != 0 {
					t.Fatalf("exit %d: %s", o.code, o.err)
				}
				break
			}
			if o.code != 130 {
				t.Errorf("interrupted: exit %d, want 130: %s", o.code, o.err)
			}
			noHalfFiles(t, filepath.Join(dir, "cut"))
			if i > 2 { // then let it finish
				must(t, args("cut", "--jobs", "1")...)
				break
			}
		}
		same("interrupted and resumed", "cut")
	}
}

// interrupt sends SIGINT after a while and reports how the run ended, which must
// be within a second; ended says that it was through before.
func interrupt(t *testing.T, cmd *exec.Cmd, after time.Duration) (o outcome, ended bool) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = cmd.Wait() }()
	select {
	case <-done:
		return outcome{code: cmd.ProcessState.ExitCode(), err: errs.String()}, true
	case <-time.After(after):
	}
	begun := time.Now()
	_ = cmd.Process.Signal(os.Interrupt)
	<-done
	if took := time.Since(begun); took > time.Second {
		t.Errorf("it took %v to stop, at most a second", took)
	} else {
		t.Logf("interrupted after %v: stopped within %v", after, took.Round(time.Millisecond))
	}
	code := cmd.ProcessState.ExitCode()
	return outcome{code: code, out: out.String(), err: errs.String()}, code == 0
}

// digests returns the SHA-256 of every file below dir but timing.json.
func digests(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	sums := map[string][32]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "timing.json" {
			return err
		}
		b, err := os.ReadFile(path)
		sums[strings.TrimPrefix(path, dir)] = sha256.Sum256(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// noHalfFiles fails where a folder of results is neither empty of results nor whole.
func noHalfFiles(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	for _, e := range entries {
		files, err := os.ReadDir(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != 6 {
			t.Errorf("%s holds %d files, want all 6 or no folder", e.Name(), len(files))
		}
	}
}

// TestBrokenSlidesFailFastAndSmall runs every hostile file by itself.
func TestBrokenSlidesFailFastAndSmall(t *testing.T) {
	dir := shared(t, "hostile")
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var slowest time.Duration
	var largest int64
	codes := map[int]int{}
	for _, f := range files {
		out := t.TempDir()
		o := run(t, "detect", "--device", "cpu", "--mpp", "0.5", "--out", filepath.Join(out, "r"), filepath.Join(dir, f.Name()))
		codes[o.code]++
		slowest, largest = max(slowest, o.took), max(largest, o.peakRSS)
		switch o.code {
		case 0: // some are sound small pictures
			continue
		case 2, 4, 5:
		default:
			t.Errorf("%s: exit %d: %s", f.Name(), o.code, o.err)
		}
		if o.took > 2*time.Second || o.peakRSS > 512*mb {
			t.Errorf("%s: %v, %d MB", f.Name(), o.took, o.peakRSS/mb)
		}
		if !strings.Contains(o.err, f.Name()+": ") || strings.Contains(o.err, "goroutine ") {
			t.Errorf("%s: %s", f.Name(), o.err)
		}
		if left := leftovers(out); len(left) > 0 {
			t.Errorf("%s left behind %v", f.Name(), left)
		}
	}
	t.Logf("%d files: exits %v, slowest %v, largest %d MB", len(files), codes, slowest.Round(time.Millisecond), largest/mb)
}

func leftovers(dir string) (left []string) {
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			left = append(left, path)
		}
		return nil
	})
	return left
}
