//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// memoryGroup is a control group of version 1 or 2 whose memory is limited.
type memoryGroup struct {
	dir          string
	peak, killed string // files; killed has a line "oom_kill n"
	limitBytes   int64
}

// newMemoryGroup makes one, or skips the test where this machine does not let it.
func newMemoryGroup(t *testing.T, limit int64) *memoryGroup {
	t.Helper()
	name := fmt.Sprintf("bcc-e2e-%d-%s", os.Getpid(), t.Name())
	for _, v := range []struct{ root, limit, swap, peak, killed string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"},
		{"/sys/fs/cgroup", "memory.max", "memory.swap.max", "memory.peak", "memory.events"},
	} {
		g := &memoryGroup{dir: filepath.Join(v.root, name), peak: v.peak, killed: v.killed, limitBytes: limit}
		if os.Mkdir(g.dir, 0o755) != nil {
			continue
		}
		if os.WriteFile(filepath.Join(g.dir, v.limit), []byte(strconv.FormatInt(limit, 10)), 0o600) != nil {
			_ = os.Remove(g.dir)
			continue
		}
		swap := "0"
		if v.root != "/sys/fs/cgroup" {
			swap = strconv.FormatInt(limit, 10) // memory and swap together
		}
		_ = os.WriteFile(filepath.Join(g.dir, v.swap), []byte(swap), 0o600) // where there is swap at all
		t.Cleanup(func() {                                                  // when its last process is gone
			for end := time.Now().Add(10 * time.Second); os.Remove(g.dir) != nil && time.Now().Before(end); {
				time.Sleep(20 * time.Millisecond)
			}
		})
		return g
	}
	t.Skip("no control group with limited memory can be made here: it takes root, and the memory controller under /sys/fs/cgroup")
	return nil
}

// limit sets another limit.
func (g *memoryGroup) limit(t *testing.T, bytes int64) {
	t.Helper()
	g.limitBytes = bytes
	for _, file := range []string{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max"} {
		if _, err := os.Stat(filepath.Join(g.dir, file)); err != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.FormatInt(bytes, 10)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// command is a command that runs in the group from its beginning.
func (g *memoryGroup) command(program string, args ...string) *exec.Cmd {
	into := []string{"-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, g.dir, program}
	cmd := exec.Command("sh", append(into, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// begin is begin in the group.
func (g *memoryGroup) begin(t *testing.T, program string, env []string, args ...string) *part {
	t.Helper()
	p := &part{cmd: g.command(program, args...), said: &words{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.Env = append(append(os.Environ(), "BCC_QUEUE_TOKEN=open-sesame", "BCC_DEVICE=cpu"), env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.ended); _ = p.cmd.Wait() }()
	t.Cleanup(func() {
		p.end(t, syscall.SIGTERM)
		if t.Failed() {
			t.Logf("bcc %s said:\n%.6000s", args[0], p.said)
		}
	})
	return p
}

// kills returns how many processes of the group the kernel killed for their memory.
func (g *memoryGroup) kills(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, g.killed))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "oom_kill ")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return n
}

func (g *memoryGroup) report(t *testing.T, what string) {
	t.Helper()
	peak, _ := os.ReadFile(filepath.Join(g.dir, g.peak))
	n, _ := strconv.ParseInt(strings.TrimSpace(string(peak)), 10, 64)
	t.Logf("%s: at most %d of %d MiB used, pages of files among them; %d processes killed by the kernel", what, n>>20, g.limitBytes>>20, g.kills(t))
	if g.kills(t) > 0 {
		t.Errorf("%s: the kernel killed", what)
	}
}

// largest makes the largest slides: a pyramid, one without tiles or levels of 0.9 GB, and
// a compressed one of strips.
func largest(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i, s := range []struct{ size, variant string }{{"40000x40000", "pyramid"}, {"20000x15000", "flat"}, {"16000x12500", "flat-lzw"}} {
		into := filepath.Join(dir, strconv.Itoa(i))
		must(t, "synth", "--out", into, "--count", "1", "--bcc", "1", "--seed", "40", "--size", s.size, "--variant", s.variant)
		if err := os.Rename(filepath.Join(into, "synth-00000.tif"), filepath.Join(dir, s.variant+".tif")); err != nil {
			t.Fatal(err)
		}
		_ = os.RemoveAll(into)
	}
	return dir
}

func TestMemoryOfAGigabyteIsEnoughForTheLargestSlides(t *testing.T) {
	slides := largest(t)
	out := t.TempDir()

	g := newMemoryGroup(t, 1<<30)
	detect := finish(t, g.command(binary, "detect", "--device", "cpu", "--out", out, slides))
	if detect.code != 0 || !strings.Contains(detect.out, "3 done") {
		t.Errorf("detect: exit %d\n%s%s", detect.code, detect.out, detect.err)
	}
	g.report(t, fmt.Sprintf("detect, %.0f s", detect.took.Seconds()))

	f := newFleet(t, t.TempDir())
	w := g.begin(t, binary, nil, "worker", "--queue", f.queue, "--store", f.store, "--scratch", t.TempDir())
	w.says(t, "Research use only")
	id := f.submit(t, slides)
	if end := f.waitFor(t, id, 100*time.Second, func(c counted) bool { return c.Counts["done"]+c.Counts["failed"] == 3 }); end.Counts["done"] != 3 {
		t.Errorf("worker: %+v", end)
	}
	if code := w.end(t, syscall.SIGTERM); code != 0 && code != 130 {
		t.Errorf("worker: exit %d", code)
	}
	g.report(t, "detect and worker")
}

func TestMemoryThatLeaksShedsLoadUntilItIsBack(t *testing.T) {
	leaky := filepath.Join(t.TempDir(), "bcc")
	if out, err := exec.Command("go", "build", "-tags", "leak", "-o", leaky, "..").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	slides := t.TempDir()
	must(t, "synth", "--out", slides, "--count", "6", "--seed", "300", "--size", "6000x5000")
	const leak = 300 << 20
	g := newMemoryGroup(t, 1<<30)
	f := newFleet(t, t.TempDir())
	addr := freePort(t)
	work := func(env ...string) *part {
		return g.begin(t, leaky, append(env, "BCC_ENGINE_LIBRARY="+engineHere(t)), "worker", "--queue", f.queue, "--store", f.store,
			"--scratch", t.TempDir(), "--metrics-addr", addr)
	}
	healthy := work()
	healthy.says(t, "Research use only")
	rest := int64(metric(t, "http://"+addr+"/metrics", "bcc_memory_used_bytes"))
	healthy.end(t, syscall.SIGTERM)
	g.limit(t, rest+leak+24<<20) // it takes nearly all that there is
	w := work("BCC_LEAK=300 8s")
	w.says(t, "Research use only")
	w.says(t, "memory is nearly full: nothing new is taken")
	id := f.submit(t, slides)
	f.waitFor(t, id, 30*time.Second, func(c counted) bool { // the fleet hears of it
		return strings.Contains(strings.Join(c.Degraded, "\n"), "memory is nearly full") || c.Counts["done"] > 0
	})
	if level, c := metric(t, "http://"+addr+"/metrics", "bcc_memory_level"), f.status(t, id); c.Counts["pending"] != 6 && level == 2 {
		t.Errorf("%v at level 2: work was taken though memory is nearly full", c.Counts)
	}
	w.says(t, "memory is calm again")
	if end := f.waitFor(t, id, 60*time.Second, func(c counted) bool { return c.Counts["done"]+c.Counts["failed"] == 6 }); end.Counts["done"] != 6 {
		t.Errorf("%+v: want all done once the memory is back", end)
	}
	g.report(t, "a leak of 300 MB")
}

// waitFor follows a cohort until it is as wanted.
func (f *fleet) waitFor(t *testing.T, id string, limit time.Duration, is func(counted) bool) (c counted) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), limit)
	defer stop()
	for ctx.Err() == nil {
		if c = f.status(t, id); is(c) {
			return c
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Errorf("not within %v: %+v", limit, c)
	return c
}

// metric scrapes a value; -1 where it is not told.
func metric(t *testing.T, url, name string) float64 {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	return -1
}

// engineHere is the engine's library of the set-up.
func engineHere(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../.deps/onnxruntime/libonnxruntime.so.1")
	if err != nil {
		t.Fatal(err)
	}
	return path
}
