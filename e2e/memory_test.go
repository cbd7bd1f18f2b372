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
	name := fmt.Sprintf("bcc-e2e-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"))
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
	all := func(t *testing.T, f *fleet) {
		id := f.submit(t, slides)
		if end := f.waitFor(t, id, 100*time.Second, func(c counted) bool { return c.Counts["done"]+c.Counts["failed"] == 3 }); end.Counts["done"] != 3 {
			t.Errorf("%+v", end)
		}
	}
	t.Run("detect", func(t *testing.T) {
		g := newMemoryGroup(t, 1<<30)
		o := finish(t, g.command(binary, "detect", "--device", "cpu", "--out", t.TempDir(), slides))
		if o.code != 0 || !strings.Contains(o.out, "3 done") {
			t.Errorf("exit %d\n%s%s", o.code, o.out, o.err)
		}
		g.report(t, fmt.Sprintf("detect, %.0f s", o.took.Seconds()))
	})
	t.Run("worker", func(t *testing.T) {
		g := newMemoryGroup(t, 1<<30)
		f := newFleet(t, t.TempDir())
		w := g.begin(t, binary, nil, "worker", "--queue", f.queue, "--store", f.store, "--scratch", t.TempDir())
		w.says(t, "Research use only")
		all(t, f)
		if code := w.end(t, syscall.SIGTERM); code != 0 && code != 130 {
			t.Errorf("exit %d", code)
		}
		g.report(t, "worker")
	})
	t.Run("serve", func(t *testing.T) { // with a worker inside
		g := newMemoryGroup(t, 1<<30)
		at := filepath.Join(t.TempDir(), "at")
		f := &fleet{part: g.begin(t, binary, nil, "serve", "--addr", "127.0.0.1:0", "--addr-file", at, "--data", t.TempDir(), "--workers", "1")}
		f.says(t, "Research use only")
		b, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		f.base = "http://" + strings.TrimSpace(string(b))
		all(t, f)
		g.goKnows(t, f.base+"/metrics")
		if code := f.end(t, syscall.SIGTERM); code != 0 && code != 130 {
			t.Errorf("exit %d", code)
		}
		g.report(t, "serve with a worker inside")
	})
}

// goKnows looks whether Go was told how much of the group's memory is its own.
func (g *memoryGroup) goKnows(t *testing.T, metrics string) {
	t.Helper()
	if limit := metric(t, metrics, "go_gc_gomemlimit_bytes"); limit <= 0 || limit >= float64(g.limitBytes) {
		t.Errorf("Go's limit is %v bytes, that of the group %d", limit, g.limitBytes)
	}
}

func TestMemoryThatLeaksShedsLoad(t *testing.T) {
	leaky := filepath.Join(t.TempDir(), "bcc")
	if out, err := exec.Command("go", "build", "-tags", "leak", "-o", leaky, "..").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	slides, count := t.TempDir(), 24 // more than are through before the leak is there
	must(t, "synth", "--out", slides, "--count", strconv.Itoa(count), "--seed", "300", "--size", "6000x5000")
	engine := "BCC_ENGINE_LIBRARY=" + engineHere(t)
	// It takes nearly all that there is: of what a worker holds at its start some 15 MiB
	// are given back, which leaves 24.
	const leak, spare, walk = 300 << 20, 8 << 20, 20 << 20 // walk: for a slide; without it one run of detect was killed, at 353 MiB
	var rest int64                                         // what a worker holds at its start

	t.Run("worker until it is back", func(t *testing.T) {
		g := newMemoryGroup(t, 1<<30)
		f := newFleet(t, t.TempDir())
		addr := freePort(t)
		work := func(env ...string) *part {
			return g.begin(t, leaky, append(env, engine), "worker", "--queue", f.queue, "--store", f.store,
				"--scratch", t.TempDir(), "--metrics-addr", addr, "--calibrate", "off")
		}
		metrics := "http://" + addr + "/metrics"
		healthy := work()
		healthy.says(t, "Research use only")
		for range 40 { // the first reading is older than the engine, the next one comes after 2 s
			rest = max(rest, int64(metric(t, metrics, "bcc_memory_used_bytes")))
			time.Sleep(100 * time.Millisecond)
		}
		g.goKnows(t, metrics)
		healthy.end(t, syscall.SIGTERM)
		g.limit(t, rest+leak+spare)
		w := work("BCC_LEAK=300 10s")
		w.says(t, "Research use only")
		w.says(t, "memory is nearly full: nothing new is taken")
		id := f.submit(t, slides)
		f.hears(t, "memory is nearly full")
		if level, c := metric(t, metrics, "bcc_memory_level"), f.status(t, id); c.Counts["pending"] != count && level == 2 {
			t.Errorf("%v at level 2: work was taken though memory is nearly full", c.Counts)
		}
		w.says(t, "memory is calm again")
		if end := f.waitFor(t, id, 60*time.Second, func(c counted) bool { return c.Counts["done"]+c.Counts["failed"] == count }); end.Counts["done"] != count {
			t.Errorf("%+v: want all done once the memory is back", end)
		}
		g.report(t, fmt.Sprintf("a worker that holds %d MiB at its start, with a leak of 300 MB", rest>>20))
	})
	t.Run("detect to the end", func(t *testing.T) { // it stays: nobody else would take the slides
		if rest == 0 {
			t.Skip("it is not known what a worker takes")
		}
		g := newMemoryGroup(t, rest+leak+spare+walk)
		cmd := g.command(leaky, "detect", "--device", "cpu", "--out", t.TempDir(), slides)
		cmd.Env = append(os.Environ(), engine, "BCC_LEAK=300 1h")
		o := finish(t, cmd)
		if o.code != 0 || !strings.Contains(o.out, fmt.Sprintf("%d done", count)) {
			t.Errorf("exit %d\n%s%s", o.code, o.out, o.err)
		}
		for _, want := range []string{"memory is nearly full: nothing new is taken", "going on, one slide at a time"} {
			if !strings.Contains(o.err, want) {
				t.Errorf("it does not say %q:\n%s", want, o.err)
			}
		}
		g.report(t, fmt.Sprintf("detect with a leak of 300 MB that stays, %.0f s", o.took.Seconds()))
	})
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

// hears waits until what the server says of its machines has the words.
func (f *fleet) hears(t *testing.T, words string) {
	t.Helper()
	var last string
	for end := time.Now().Add(12 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if last = fetched(t, f.base+"/machine"); strings.Contains(last, words) {
			return
		}
	}
	t.Errorf("the fleet does not hear that %s: %s", words, last)
}

// metric scrapes a value; -1 where it is not told.
func metric(t *testing.T, url, name string) float64 {
	t.Helper()
	for line := range strings.Lines(fetched(t, url)) {
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

// fetched returns what lies at the address.
func fetched(t *testing.T, url string) string {
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
	return string(text)
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
