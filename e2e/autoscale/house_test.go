//go:build e2e

package autoscale

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// part is a command that runs on.
type part struct {
	name  string
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

// begin starts bcc with a log of its own.
func begin(t *testing.T, dir, name string, args ...string) *part {
	t.Helper()
	p := &part{name: name, log: filepath.Join(dir, name+".log"), ended: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(binary(t), args...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = out, out, dir
	p.cmd.Env = append(os.Environ(), "BCC_QUEUE_TOKEN=open-sesame", "BCC_DEVICE=cpu", "BCC_CALIBRATE=off")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed takes it along
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.ended); _ = p.cmd.Wait() }()
	t.Cleanup(func() {
		p.end(t, syscall.SIGTERM)
		if t.Failed() {
			text, _ := os.ReadFile(p.log)
			t.Logf("%s said:\n%s", name, tail(text, 6000))
		}
	})
	return p
}

func tail(text []byte, n int) []byte { return text[max(len(text)-n, 0):] }

// end sends a signal and returns the exit code.
func (p *part) end(t *testing.T, s syscall.Signal) int {
	t.Helper()
	_ = p.cmd.Process.Signal(s) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		t.Errorf("%s does not end within a minute of %v", p.name, s)
		<-p.ended
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *part) kill(t *testing.T) { p.end(t, syscall.SIGKILL) }

func (p *part) said(text string) bool {
	all, _ := os.ReadFile(p.log)
	return bytes.Contains(all, []byte(text))
}

// says waits until it has said so.
func (p *part) says(t *testing.T, text string) {
	t.Helper()
	until(t, fmt.Sprintf("%s says %q", p.name, text), func() bool {
		select {
		case <-p.ended:
			if !p.said(text) {
				t.Fatalf("%s ended and did not say %q", p.name, text)
			}
		default:
		}
		return p.said(text)
	})
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", long, what)
		}
	}
}

func binary(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../bin/bcc")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: make e2e-autoscale builds it", err)
	}
	return path
}

func run(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	cmd.Env = append(os.Environ(), "BCC_DEVICE=cpu", "BCC_CALIBRATE=off")
	out, err := cmd.Output()
	if err != nil {
		text := []byte{}
		if e, ok := err.(*exec.ExitError); ok {
			text = e.Stderr
		}
		t.Fatalf("bcc %s: %v\n%s", args[0], err, text)
	}
	return out
}

// house is a server without workers, and what a laboratory gives it.
type house struct {
	dir, net, store, kept string // kept: what is known of the workers
	base, queue           string // URLs
	pictures              []picture
	wave                  int // slides
	server                *part
	conn                  *nats.Conn // to the queue

	begun, back atomic.Int64 // slides that workers began, and handed back after that

	mu      sync.Mutex
	slides  int
	cohorts []string
}

var joins = regexp.MustCompile(`joins it at (nats://\S+)`)

func newHouse(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{dir: dir, net: filepath.Join(dir, "net"), store: filepath.Join(dir, "store"), kept: filepath.Join(dir, "workers")}
	run(t, "bench", "bundle", "resnet18", "--out", h.net) // slow enough that a wave takes a while
	h.draw(t)
	at := filepath.Join(dir, "at")
	h.server = begin(t, dir, "server", "serve", "--addr", "127.0.0.1:0", "--addr-file", at, "--data", filepath.Join(dir, "data"), "--store", h.store,
		"--queue-listen", "127.0.0.1:-1", "--workers", "0", "--limit-minute", "0", "--limit-day", "0", "--limit-patches-day", "0", "--model", h.net)
	h.server.says(t, "Research use only")
	address, err := os.ReadFile(at)
	text, _ := os.ReadFile(h.server.log)
	found := joins.FindSubmatch(text)
	if err != nil || found == nil {
		t.Fatalf("%v; the server says %s", err, text)
	}
	h.base, h.queue = "http://"+strings.TrimSpace(string(address)), string(found[1])
	h.join(t)
	t.Cleanup(func() { // they outlive autoscalers, and should not outlive a test that failed
		for _, pid := range h.workers(t) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(h.kept, "*.log"))
			for _, l := range logs {
				text, _ := os.ReadFile(l)
				t.Logf("%s:\n%s", filepath.Base(l), tail(text, 2000))
			}
		}
	})
	return h
}

// autoscaler starts one; all look after the same workers. The worker's start-up is said
// to be short and work is wanted soon, so that a minute holds a day.
func (h *house) autoscaler(t *testing.T, name string, least int, more ...string) *part {
	t.Helper()
	args := []string{
		"autoscale", "--server", h.base, "--target", "local", "--dir", h.kept, "--kind", fmt.Sprintf("name=here,start=3s,min=%d,max=%d", least, most),
		"--drain", "12s", "--urgent-drain", "10s", "--keep", "3s", "--gather", "0", "--interval", "1s", "--finish", "2m", "--queue", h.queue, "--lease", "3s",
	}
	args = append(append(args, more...), "--", "--queue", h.queue, "--store", h.store, "--model", h.net, "--jobs", "1")
	return begin(t, h.dir, name, args...)
}

// workers are the processes that were started and not asked to end, by their IDs.
func (h *house) workers(t *testing.T) map[string]int {
	t.Helper()
	records, err := filepath.Glob(filepath.Join(h.kept, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for _, path := range records {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it ended just now
		}
		var r struct {
			ID    string
			PID   int
			Asked time.Time
		}
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if r.PID > 0 && r.Asked.IsZero() && syscall.Kill(r.PID, 0) == nil {
			all[r.ID] = r.PID
		}
	}
	return all
}

// get reads what the server answers.
func (h *house) get(path string, v any) error {
	res, err := http.Get(h.base + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(v)
}
