//go:build linux

package isolate_test

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/patch"
	"bcc/slide"
	"bcc/wsi"
)

// Not parallel: it counts what this process has.
func TestAThousandSlidesLeaveNothing(t *testing.T) {
	begun := have(t)
	reg := prometheus.NewRegistry()
	cfg := config()
	cfg.Slides, cfg.Registerer = 100, reg
	p := newPool(t, cfg)
	b := picture(200, 100)
	f := asFile(t, b)
	mpp := wsi.MPP{X: 1, Y: 1}
	g := everywhere(wsi.Size{W: 200, H: 100}, mpp, 25)
	slides := 1000
	if testing.Short() {
		slides = 200
	}
	var after counted
	for i := range slides {
		s, err := p.Open(t.Context(), f, int64(len(b)), slide.Config{MPP: mpp})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Overview(t.Context(), 4); err != nil {
			t.Fatal(err)
		}
		if _, err := patches(t.Context(), s, g, patch.DefaultConfig(8, 3.125)); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if i == 9 {
			eventually(t, "a spare child", func() bool { return have(t).children == begun.children+2 })
			after = have(t)
		}
	}
	// Children come and go beside: one is in use, one waits, one may be on its way.
	eventually(t, "as little as after ten slides", func() bool {
		now := have(t)
		return now.files <= after.files && now.windows <= after.windows && now.children <= after.children
	})
	if got := have(t); got.windows > begun.windows {
		t.Errorf("%d windows are mapped, %d before", got.windows, begun.windows)
	}
	if got, want := value(t, reg, "bcc_isolate_children_started_total"), float64(slides/cfg.Slides+1); got != want { // and a spare
		t.Errorf("%v children were started, want %v", got, want)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	f.Close()
	eventually(t, "nothing", func() bool {
		runtime.GC()
		now := have(t)
		return now.files <= begun.files && now.windows <= begun.windows && now.children <= begun.children && now.goroutines <= begun.goroutines
	})
}

// value is a counter's.
func value(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		if family.GetName() == name {
			return family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// counted is what a process has.
type counted struct{ files, windows, children, goroutines int }

func have(t *testing.T) counted {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	c := counted{files: len(fds), windows: strings.Count(string(maps), "memfd:pixels"), goroutines: runtime.NumGoroutine()}
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, path := range lists {
		b, err := os.ReadFile(path)
		if err == nil { // else the thread is gone
			c.children += len(bytes.Fields(b))
		}
	}
	return c
}

// Pull the plug of the process that decodes for others: its children end with it.
func TestChildrenDieWithTheirParent(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, asParent)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		t.Fatal(line, err)
	}
	pids := childrenOf(t, cmd.Process.Pid)
	if len(pids) == 0 {
		t.Fatal("it has no children")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for _, pid := range pids {
		eventually(t, "the end of child "+pid, func() bool {
			stat, err := os.ReadFile("/proc/" + pid + "/stat")
			return errors.Is(err, os.ErrNotExist) || err == nil && strings.Contains(string(stat), ") Z ")
		})
	}
}

// childrenOf returns the numbers of a process's children.
func childrenOf(t *testing.T, pid int) []string {
	t.Helper()
	lists, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task/*/children"))
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, path := range lists {
		if b, err := os.ReadFile(path); err == nil {
			pids = append(pids, strings.Fields(string(b))...)
		}
	}
	return pids
}
