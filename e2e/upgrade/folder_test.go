//go:build e2e

package upgrade

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// long is more than anything takes on a busy machine.
const long = 2 * time.Minute

// build is a program.
type build struct{ name, file string }

func (b build) path(t *testing.T) string {
	t.Helper()
	path := b.file
	if !strings.Contains(path, "/") {
		path = filepath.Join(os.Getenv("BCC_PREVIOUS_BUILD"), path)
	}
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: make e2e-upgrade builds it", err)
	}
	return path
}

// folder holds what servers keep, one after the other, and slides to submit.
type folder struct {
	dir     string
	servers int
}

func newFolder(t *testing.T) *folder { return &folder{dir: t.TempDir()} }

func (f *folder) store() string { return filepath.Join(f.dir, "data", "store") }

// results returns the SHA-256 of each file of results, by set and name.
func (f *folder) results(t *testing.T) map[string]string {
	t.Helper()
	sums := map[string]string{}
	root := filepath.Join(f.store(), "results")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		sum := sha256.Sum256(data)
		sums[name] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// submit sends so many slides, after the first skip of them, and returns their cohort.
func (f *folder) submit(t *testing.T, by build, to *server, n, skip int) string {
	t.Helper()
	dir := filepath.Join(f.dir, "slides")
	if _, err := os.Stat(dir); err != nil {
		bcc(t, thisBuild, "synth", "--out", dir, "--count", fmt.Sprint(slides+2), "--seed", "610001", "--size", "3072x2048")
	}
	list := make([]string, n)
	for i := range list {
		list[i] = filepath.Join(dir, fmt.Sprintf("synth-%05d.tif", skip+i))
	}
	return strings.TrimSpace(bcc(t, by, append([]string{"submit", "--server", to.url}, list...)...))
}

// bcc runs a build to its end and returns what it printed.
func bcc(t *testing.T, b build, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), b.path(t), args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s bcc %s: %v\n%s", b.name, strings.Join(args, " "), err, &errs)
	}
	return string(out)
}

// process is a build at work.
type process struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

func (f *folder) start(t *testing.T, b build, name string, args ...string) *process {
	t.Helper()
	p := &process{log: filepath.Join(f.dir, name+".log"), ended: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(b.path(t), args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed takes it along
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() {
		p.kill(t)
		if t.Failed() {
			t.Logf("%s, %s, said:\n%s", name, b.name, p.said(t))
		}
	})
	return p
}

func (p *process) said(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// server is a bcc serve.
type server struct {
	*process
	url string
}

// serve starts a build on the folder and waits until it is ready.
func (f *folder) serve(t *testing.T, b build, more ...string) *server {
	t.Helper()
	f.servers++
	addr := freeAddress(t)
	s := &server{url: "http://" + addr}
	s.process = f.start(t, b, fmt.Sprint("server", f.servers), append([]string{"serve", "--addr", addr, "--data", filepath.Join(f.dir, "data"), "--calibrate", "off",
		"--limit-minute", "0", "--limit-day", "0", "--limit-patches-day", "0"}, more...)...)
	until(t, "the server is ready", func() bool {
		select {
		case <-s.ended:
			t.Fatalf("the server of %s ended: %s", b.name, s.said(t))
		default:
		}
		res, err := http.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return s
}

var joins = regexp.MustCompile(`joins it at (nats://\S+)`)

// work starts a worker of a build beside a server.
func (f *folder) work(t *testing.T, b build, s *server) *process {
	t.Helper()
	queue := joins.FindStringSubmatch(s.said(t))
	if queue == nil {
		t.Fatalf("the server does not say where its queue is:\n%s", s.said(t))
	}
	return f.start(t, b, "worker "+b.name, "worker", "--queue", queue[1], "--store", f.store(), "--jobs", "1", "--calibrate", "off")
}

type counts struct{ Submitted, Pending, Running, Done, Failed, Quarantined, Cancelled int }

type slide struct{ ID, SHA256, State string }

type cohort struct {
	Counts counts
	Slides []slide
}

func (s *server) cohort(t *testing.T, id string) (c cohort) {
	t.Helper()
	s.read(t, "/cohorts/"+id, &c)
	return c
}

// awaits waits until the counts of a cohort are so.
func (s *server) awaits(t *testing.T, id string, so func(counts) bool) {
	t.Helper()
	var last counts
	defer func() {
		if t.Failed() {
			t.Logf("the cohort had %+v at last", last)
		}
	}()
	until(t, "the cohort is as awaited", func() bool {
		last = s.cohort(t, id).Counts
		return so(last)
	})
}

func (s *server) awaitsWorkers(t *testing.T, n int) {
	t.Helper()
	until(t, fmt.Sprintf("%d workers are there", n), func() bool {
		var m struct {
			Workers struct{ List []json.RawMessage }
		}
		s.read(t, "/machine", &m)
		return len(m.Workers.List) == n
	})
}

// answer is what a slide's result.json says, apart from who made it.
type answer struct{ version, rest string }

// answers returns the answer to each slide of a cohort, by its SHA-256.
func (s *server) answers(t *testing.T, c cohort) map[string]answer {
	t.Helper()
	all := map[string]answer{}
	for _, one := range c.Slides {
		var said map[string]any
		s.read(t, "/slides/"+one.ID+"/result", &said)
		program, _ := said["program"].(map[string]any)
		delete(said, "program")
		rest, err := json.Marshal(said)
		if err != nil || said["prediction"] == nil {
			t.Fatalf("slide %s: %v, %v", one.ID, said, err)
		}
		all[one.SHA256] = answer{fmt.Sprint(program["version"]), string(rest)}
	}
	return all
}

func (s *server) read(t *testing.T, path string, into any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, into)
	}
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v %s", path, res.Status, err, body)
	}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", long, what)
		}
	}
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
