//go:build e2e

package chaos

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tools are the programs of a run.
type tools struct{ bcc, nats, gateway string }

// findTools looks where scripts/chaos.sh puts them. A missing one is a failure: a run
// that tested nothing must not look like one that went well.
func findTools(t *testing.T) tools {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(root, ".deps", "bin")
	found := tools{filepath.Join(root, "bin", "bcc-chaos"), filepath.Join(bin, "nats-server"), filepath.Join(bin, "versitygw")}
	for _, path := range []string{found.bcc, found.nats, found.gateway} {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v: make e2e-chaos builds it", err)
		}
	}
	return found
}

// process is a program that may be killed and started again. Its log goes on in one
// file.
type process struct {
	name string
	line []string
	env  []string
	d    *diary
	log  string

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // of cmd
	told  bool          // that it is to end
	begun int64         // where the log of this start begins
	ready string        // what it says in its log when it is; empty: nothing
	early []string      // ends that nobody asked for
}

func newProcess(d *diary, name string, env []string, line ...string) *process {
	return &process{name: name, line: line, env: env, d: d, log: d.path("logs", name+".log")}
}

// start starts it anew.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	fmt.Fprintf(out, "\n---- %s started %s\n", p.name, time.Now().UTC().Format("15:04:05.000"))
	if p.begun, err = out.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	cmd := exec.Command(p.line[0], p.line[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Env = out, out, append(os.Environ(), p.env...)
	// A test that is killed takes its processes along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.told = cmd, ended, false
	go func() {
		defer close(ended)
		err := cmd.Wait()
		p.mu.Lock()
		told, gaveUp := p.told, cmd.ProcessState.ExitCode() == unavailable && !p.isReady()
		if !told && !gaveUp {
			p.early = append(p.early, fmt.Sprintf("%s ended by itself: %v", p.name, err))
		}
		p.mu.Unlock()
		if told {
			return
		}
		p.d.note("%s ended by itself: %v", p.name, err)
		if gaveUp { // as what it needs is away for long: whoever supervises it starts it again
			time.Sleep(time.Second)
			p.revive(cmd)
		}
	}()
	return nil
}

// signal sends a signal; ends says that it is to end from it.
func (p *process) signal(s syscall.Signal, ends bool) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		done := make(chan struct{})
		close(done)
		return done
	}
	p.told = p.told || ends
	_ = p.cmd.Process.Signal(s) // it may have ended
	return p.ended
}

func (p *process) kill() { <-p.signal(syscall.SIGKILL, true) }

// unavailable is the exit code of a program that did not reach what it needs.
const unavailable = 7

// revive starts the program again, unless somebody else has.
func (p *process) revive(dead *exec.Cmd) {
	p.mu.Lock()
	again := p.cmd == dead && !p.told
	p.mu.Unlock()
	if !again {
		return
	}
	if err := p.start(); err != nil {
		p.d.note("%v", err)
	}
}

// stop asks it to end and reports whether it did so in time, with exit code 0.
func (p *process) stop(within time.Duration) error {
	select {
	case <-p.signal(syscall.SIGTERM, true):
	case <-time.After(within):
		p.kill()
		return fmt.Errorf("%s did not stop within %v of SIGTERM", p.name, within)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil && p.cmd.ProcessState.ExitCode() != 0 && p.isReady() { // before that it may end in any way
		return fmt.Errorf("%s, stopped: %v", p.name, p.cmd.ProcessState)
	}
	return nil
}

// works reports, as nil, that it has said since it was started that it is ready.
func (p *process) works() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isReady() {
		return fmt.Errorf("%s is not ready yet: %s", p.name, p.log)
	}
	return nil
}

func (p *process) isReady() bool {
	f, err := os.Open(p.log)
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, p.begun, 1<<30))
	return err == nil && bytes.Contains(b, []byte(p.ready))
}
