//go:build e2e

package balance

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const binary = "../../bin/bcc"

// long is more than anything takes on a busy machine.
const long = 90 * time.Second

// fleet is a queue, a store, and three servers on them.
type fleet struct {
	dir, queue string
	servers    []*server
	slide      string // SHA-256 of one that lies in the store
	ordered    int    // cohorts
}

// server is a bcc serve that comes back where it was.
type server struct {
	*process
	address string
}

// process is the program, and its log.
type process struct {
	log   string
	args  []string
	cmd   *exec.Cmd
	ended chan struct{}
}

var joins = regexp.MustCompile(`joins it at (nats://\S+)`)

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{dir: t.TempDir()}
	serve := func(name string, more ...string) *server {
		s := &server{address: freeAddress(t)}
		s.process = f.process(t, name, append([]string{"serve", "--addr", s.address, "--data", filepath.Join(f.dir, name), "--store", filepath.Join(f.dir, "store"),
			"--limit-minute", "0", "--limit-day", "0", "--limit-patches-day", "0"}, more...)...)
		return s
	}
	q := serve("queue", "--queue-listen", "127.0.0.1:-1", "--workers", "0")
	q.start(t)
	f.queue = joins.FindStringSubmatch(read(t, q.log))[1]
	for i := range 3 {
		s := serve(fmt.Sprint("server", i+1), "--queue", f.queue, "--linger", "3s")
		s.args = append(s.args, "--announce", s.url())
		f.servers = append(f.servers, s)
		s.start(t)
	}
	f.upload(t)
	return f
}

func (s *server) url() string { return "http://" + s.address }

// start starts it and waits until it is ready.
func (s *server) start(t *testing.T) {
	t.Helper()
	s.begin(t)
	until(t, "a server is ready", func() bool {
		s.alive(t)
		res, err := http.Get(s.url() + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// slow stops it again and again, each time for the pause, with a millisecond between,
// until the returned function is called.
func (s *server) slow(pause *atomic.Int64) (stop func()) {
	end, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for {
			_ = s.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(time.Duration(pause.Load()))
			_ = s.cmd.Process.Signal(syscall.SIGCONT)
			select {
			case <-end:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() { close(end); <-over }
}

// balancer is a bcc balance.
type balancer struct {
	*process
	url, admin string
}

func (f *fleet) balance(t *testing.T, name string, servers ...*server) *balancer {
	t.Helper()
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.url())
	}
	b := f.balanceBy(t, name, "--to", strings.Join(urls, ","))
	for _, s := range servers {
		b.awaits(t, s, "ready", 0)
	}
	return b
}

func (f *fleet) balanceBy(t *testing.T, name string, from ...string) *balancer {
	t.Helper()
	address, admin := freeAddress(t), freeAddress(t)
	b := &balancer{url: "http://" + address, admin: "http://" + admin}
	b.process = f.process(t, "balance-"+name, append([]string{"balance", "--addr", address, "--admin-addr", admin, "--data", filepath.Join(f.dir, "balance-"+name)}, from...)...)
	b.begin(t)
	until(t, "the balancer answers", func() bool {
		b.alive(t)
		res, err := http.Get(b.url + "/livez")
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	})
	return b
}

// member is what the balancer says of a server.
type member struct {
	Server, State string
	Requests      int
}

func (b *balancer) members(t *testing.T) (all []member) {
	t.Helper()
	if err := json.Unmarshal([]byte(get(t, b.admin+"/servers")), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// awaits waits until a server is in a state, and was asked so many more times.
func (b *balancer) awaits(t *testing.T, s *server, state string, more int) {
	t.Helper()
	first := -1
	until(t, fmt.Sprintf("%s is %s and was asked %d times", s.address, state, more), func() bool {
		for _, m := range b.members(t) {
			if m.Server != s.address {
				continue
			}
			if first < 0 {
				first = m.Requests
			}
			return m.State == state && m.Requests >= first+more
		}
		return false
	})
}

// retries returns what the balancer counts of requests sent again.
func (b *balancer) retries(t *testing.T) string {
	t.Helper()
	var all []string
	for line := range strings.Lines(get(t, b.admin+"/metrics")) {
		if strings.HasPrefix(line, "bcc_balance_retries_total") || strings.HasPrefix(line, "bcc_balance_requests_total") {
			all = append(all, strings.TrimPrefix(strings.TrimSpace(line), "bcc_balance_"))
		}
	}
	return strings.Join(all, ", ")
}

func (f *fleet) process(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{log: filepath.Join(f.dir, name+".log"), args: args}
	t.Cleanup(func() {
		if p.cmd != nil {
			p.kill(t)
		}
		if t.Failed() {
			lines := strings.Split(read(t, p.log), "\n")
			t.Logf("%s said at last:\n%s", name, strings.Join(lines[max(len(lines)-12, 0):], "\n"))
		}
	})
	return p
}

func (p *process) begin(t *testing.T) {
	t.Helper()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd, p.ended = exec.Command(binary, p.args...), make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed takes it along
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func(cmd *exec.Cmd, ended chan struct{}) { _ = cmd.Wait(); close(ended) }(p.cmd, p.ended)
}

func (p *process) alive(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
		t.Fatalf("bcc %s ended: %s", p.args[0], read(t, p.log))
	default:
	}
}

func (p *process) kill(t *testing.T) { t.Helper(); p.signal(t, syscall.SIGKILL); p.wait(t) }
func (p *process) term(t *testing.T) { t.Helper(); p.signal(t, syscall.SIGTERM) }

// end ends it in peace.
func (p *process) end(t *testing.T) {
	t.Helper()
	p.term(t)
	p.wait(t)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("bcc %s: exit code %d", p.args[0], code)
	}
}

func (p *process) stop(t *testing.T) { t.Helper(); p.end(t) }

func (p *process) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	_ = p.cmd.Process.Signal(sig) // it may have ended
}

func (p *process) wait(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(long):
		_ = p.cmd.Process.Kill()
		t.Fatalf("bcc %s does not end", p.args[0])
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, res.Status, err)
	}
	return string(body)
}

func status(t *testing.T, url string) int {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", long, what)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
