package cli_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bcc/telemetry/otlptest"
)

// observed is a bcc serve and a bcc worker, each a process of its own, that tell a
// collector of their traces and have slides walked.
type observed struct {
	dir       string
	traces    *otlptest.Collector
	api       string // http://host:port of the server
	metrics   string // http://host:port/metrics of the server, without a key
	worker    string // the same of the worker
	processes []*command
}

// command is a bcc that runs.
type command struct {
	*exec.Cmd
	mu    sync.Mutex
	said  bytes.Buffer
	ended chan struct{}
}

func (c *command) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.Write(b)
}

func (c *command) says() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.String()
}

// bcc starts the program, as testscript put it into PATH.
func (o *observed) bcc(t *testing.T, args ...string) *command {
	t.Helper()
	c := &command{Cmd: exec.Command("bcc", args...), ended: make(chan struct{})}
	c.Dir, c.Stdout, c.Stderr = o.dir, c, c
	c.Env = append(os.Environ(), "BCC_ENGINE_LIBRARY="+engineLibrary(), "BCC_DEVICE=cpu", "OTEL_EXPORTER_OTLP_ENDPOINT="+o.traces.URL)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(c.ended); _ = c.Wait() }()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-c.ended
		if t.Failed() {
			t.Logf("bcc %s said\n%s", args[0], c.says())
		}
	})
	return c
}

// once runs it to its end and returns what it printed.
func (o *observed) once(t *testing.T, args ...string) string {
	t.Helper()
	c := o.bcc(t, args...)
	<-c.ended
	if code := c.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("bcc %s: exit code %d: %s", args[0], code, c.says())
	}
	return c.says()
}

// id is the name of a cohort among what was printed.
var id = regexp.MustCompile(`(?m)^[a-z0-9]{26}$`)

// eventually waits until ok says so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("90 s later: %s", what)
		}
	}
}

// freePort is one that nobody listens on at the moment.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// observe starts both and draws two slides.
func observe(t *testing.T) *observed {
	t.Helper()
	if _, err := os.Stat(engineLibrary()); !cgo || err != nil {
		t.Skip("the engine library is not here")
	}
	o := &observed{dir: t.TempDir(), traces: otlptest.New(t)}
	server, worker := freePort(t), freePort(t)
	o.metrics, o.worker = "http://"+server+"/metrics", "http://"+worker+"/metrics"
	o.once(t, "synth", "--out", "slides", "--count", "2", "--seed", "7", "--size", "1200x1000")

	s := o.bcc(t, "serve", "--addr", "127.0.0.1:0", "--addr-file", "addr", "--data", "data", "--workers", "0", "--price-per-hour", "1",
		"--queue-listen", "127.0.0.1:-1", "--metrics-addr", server)
	joins := regexp.MustCompile(`nats://[0-9.:]+`)
	eventually(t, "the server says nothing", func() bool {
		addr, err := os.ReadFile(filepath.Join(o.dir, "addr"))
		o.api = "http://" + strings.TrimSpace(string(addr))
		return err == nil && joins.MatchString(s.says())
	})
	w := o.bcc(t, "worker", "--queue", joins.FindString(s.says()), "--store", "data/store", "--id", "w1", "--metrics-addr", worker)
	eventually(t, "the worker is not ready", func() bool { return strings.Contains(w.says(), "works with model") })
	o.processes = []*command{w, s}
	return o
}

// walk submits the slides and waits for their end.
func (o *observed) walk(t *testing.T) {
	t.Helper()
	o.once(t, "status", "--server", o.api, "--wait", id.FindString(o.once(t, "submit", "--server", o.api, "slides")))
}

// stop ends both as a person would; what they have to tell is told then.
func (o *observed) stop(t *testing.T) {
	t.Helper()
	for _, c := range o.processes {
		_ = c.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.ended:
		case <-time.After(time.Minute):
			t.Fatalf("%v does not end", c.Args[1])
		}
		if code := c.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%v ended with %d", c.Args[1], code)
		}
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", url, res.Status, err)
	}
	return string(text)
}

// fetchIf is fetch of what may not be there yet.
func fetchIf(url string) string {
	res, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return string(text)
}

func TestAFleetTellsOfItself(t *testing.T) {
	t.Parallel()
	o := observe(t)
	o.walk(t)
	o.everyMetricThatIsAskedForExists(t)
	o.stop(t)
	o.oneTraceSpansServerAndWorker(t)
}

func (o *observed) oneTraceSpansServerAndWorker(t *testing.T) {
	t.Helper()
	type where struct{ process, name string }
	traces := map[string]map[where][]otlptest.Span{}
	for _, s := range o.traces.Spans() {
		if traces[s.Trace] == nil {
			traces[s.Trace] = map[where][]otlptest.Span{}
		}
		process, _, _ := strings.Cut(s.Process, " ")
		at := where{process, s.Name}
		traces[s.Trace][at] = append(traces[s.Trace][at], s)
		if b, _ := json.Marshal(s.Attributes); bytes.Contains(b, []byte(".tif")) || bytes.Contains(b, []byte(o.dir)) {
			t.Errorf("%s holds the name of a file: %s", s.Name, b)
		}
	}
	for _, of := range traces {
		request := of[where{"serve", "POST /cohorts"}]
		if len(request) == 0 {
			continue
		}
		for at, least := range map[where]int{
			{"serve", "submit"}: 1, {"serve", "store create"}: 1, // its manifest
			{"worker", "queue wait"}: 2, {"worker", "slide"}: 2, {"worker", "open"}: 2, {"worker", "survey"}: 2,
			{"worker", "shard"}: 2, {"worker", "report"}: 2, {"worker", "store put set"}: 2, {"worker", "store create"}: 2,
		} {
			if got := len(of[at]); got < least {
				t.Errorf("%d spans of %v, want %d", got, at, least)
			}
		}
		slide, submit := of[where{"worker", "slide"}], of[where{"serve", "submit"}]
		if len(slide) > 0 && len(submit) > 0 && (slide[0].Parent != submit[0].ID || submit[0].Parent != request[0].ID || slide[0].Process != "worker w1") {
			t.Errorf("they do not stand in each other:\n%+v\n%+v\n%+v", request[0], submit[0], slide[0])
		}
		return
	}
	t.Errorf("no trace begins with the submission of a cohort: %+v", traces)
}
