//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/nats-io/nats-server/v2/server"
)

// part is a long-lived command of a fleet.
type part struct {
	cmd   *exec.Cmd
	said  *words
	ended chan struct{}
}

func begin(t *testing.T, args ...string) *part {
	t.Helper()
	p := &part{cmd: exec.Command(binary, args...), said: &words{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.Env = append(os.Environ(), "BCC_QUEUE_TOKEN=open-sesame", "BCC_DEVICE=cpu")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.ended); _ = p.cmd.Wait() }()
	t.Cleanup(func() {
		p.end(t, syscall.SIGTERM)
		if t.Failed() {
			t.Logf("bcc %s said:\n%.4000s", args[0], p.said)
		}
	})
	return p
}

// end sends a signal and returns the exit code.
func (p *part) end(t *testing.T, s syscall.Signal) int {
	t.Helper()
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.ended:
	case <-time.After(40 * time.Second):
		_ = p.cmd.Process.Kill()
		t.Errorf("%v does not end within 40 s of %v", p.cmd.Args[1], s)
		<-p.ended
	}
	return p.cmd.ProcessState.ExitCode()
}

// says waits until it has said so.
func (p *part) says(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(40 * time.Second); !strings.Contains(p.said.String(), text); time.Sleep(10 * time.Millisecond) {
		select {
		case <-p.ended:
			if !strings.Contains(p.said.String(), text) {
				t.Fatalf("it ended and did not say %q:\n%s", text, p.said)
			}
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("it does not say %q:\n%s", text, p.said)
		}
	}
}

// fleet is a server that others join.
type fleet struct {
	*part
	dir, store  string
	base, queue string // URLs
}

var joins = regexp.MustCompile(`joins it at nats://(\S+)`)

// newFleet starts a server without workers on dir, which may be of one before.
func newFleet(t *testing.T, dir string, more ...string) *fleet {
	t.Helper()
	f := &fleet{dir: filepath.Join(dir, "data"), store: filepath.Join(dir, "store")}
	at := filepath.Join(t.TempDir(), "at")
	f.part = begin(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--addr-file", at, "--data", f.dir, "--store", f.store,
		"--queue-listen", "127.0.0.1:-1", "--workers", "0", "--limit-minute", "0", "--limit-day", "0"}, more...)...)
	f.says(t, "Research use only")
	b, err := os.ReadFile(at)
	found := joins.FindStringSubmatch(f.said.String())
	if err != nil || found == nil {
		t.Fatalf("%v: %s", err, f.said)
	}
	f.base, f.queue = "http://"+strings.TrimSpace(string(b)), "nats://open-sesame@"+found[1]
	return f
}

func (f *fleet) worker(t *testing.T, more ...string) *part {
	t.Helper()
	return begin(t, append([]string{"worker", "--queue", f.queue, "--store", f.store, "--scratch", t.TempDir()}, more...)...)
}

// submit returns the id of a cohort.
func (f *fleet) submit(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(must(t, append([]string{"submit", "--server", f.base}, args...)...).out)
}

// counted is what bcc status --json says of a cohort.
type counted struct {
	State    string
	Counts   map[string]int
	Degraded []string
}

func (f *fleet) status(t *testing.T, id string) (c counted) {
	t.Helper()
	o := must(t, "status", "--json", "--server", f.base, id)
	if err := json.Unmarshal([]byte(o.out), &c); err != nil {
		t.Fatalf("%v: %s", err, o.out)
	}
	n := c.Counts
	if n["submitted"] != n["pending"]+n["running"]+n["done"]+n["failed"]+n["quarantined"]+n["cancelled"] {
		t.Fatalf("the account does not hold: %v", n)
	}
	return c
}

// slides makes so many small slides.
func smallSlides(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("s%05d.png", i)), picture(320), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// broker is a NATS server, with or without JetStream.
func broker(t *testing.T, o server.Options) string {
	t.Helper()
	o.Host, o.Port, o.NoLog, o.NoSigs, o.StoreDir = "127.0.0.1", -1, true, true, t.TempDir()
	s, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("no broker")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s.Addr().String()
}

// TestFleetBadParts names queues, stores and servers that are not there, or not what
// they should be.
func TestFleetBadParts(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "store")
	bare, locked := broker(t, server.Options{}), broker(t, server.Options{JetStream: true, Authorization: "right"})
	text := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(text.Close) // after the parallel ones
	bucket := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(bucket.Close)
	const nobody = "nats://127.0.0.1:1"
	worker := func(queue, store string) []string {
		return []string{"worker", "--device", "cpu", "--queue-patience", "1500ms", "--queue", queue, "--store", store, "--s3-path-style", "--s3-endpoint", bucket.URL}
	}
	s3 := []string{"AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s"}
	for name, c := range map[string]struct {
		args []string
		env  []string
		code int
		says []string
		most time.Duration // 0: at once
	}{
		"no queue":                    {worker(nobody, store), nil, 7, []string{"trying again", "127.0.0.1:1", "hint: is a NATS server"}, 3 * time.Second},
		"no JetStream":                {worker("nats://"+bare, store), nil, 7, []string{"trying again", "JetStream has to be on"}, 3 * time.Second},
		"no token":                    {worker("nats://"+locked, store), nil, 7, []string{"Authorization Violation", "BCC_QUEUE_TOKEN"}, 0},
		"another token":               {worker("nats://wrong@"+locked, store), nil, 7, []string{"Authorization Violation", "BCC_QUEUE_TOKEN"}, 0},
		"no queue but a page":         {worker("nats://"+strings.TrimPrefix(text.URL, "http://"), store), nil, 7, []string{"hint:"}, 8 * time.Second},
		"no address":                  {worker("localhost", store), nil, 2, []string{"nats://host:port"}, 0},
		"a store that is a file":      {worker(nobody, file), nil, 2, []string{"it is a file"}, 0},
		"no bucket":                   {worker(nobody, "s3://nobody/x"), s3, 7, []string{"NoSuchBucket", "create the bucket"}, 0},
		"no keys":                     {worker(nobody, "s3://nobody/x"), []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}, 2, []string{"AWS_ACCESS_KEY_ID"}, 0},
		"a server without a queue":    {[]string{"serve", "--addr", "127.0.0.1:0", "--data", filepath.Join(dir, "d"), "--store", store, "--workers", "0", "--queue", nobody, "--queue-patience", "1500ms"}, nil, 7, []string{"trying again", "hint:"}, 3 * time.Second},
		"repair without a queue":      {[]string{"repair", "--store", store, "--queue", nobody, "--queue-patience", "1500ms"}, nil, 7, []string{"trying again", "hint:"}, 3 * time.Second},
		"repair of nothing":           {[]string{"repair", "--data", filepath.Join(dir, "nowhere")}, nil, 3, []string{"no such folder"}, 0},
		"status without a server":     {[]string{"status", "--server", "http://127.0.0.1:1", "--patience", "1500ms"}, nil, 7, []string{"trying again", "hint: check that bcc serve runs"}, 3 * time.Second},
		"submission without a server": {[]string{"submit", "--server", "http://127.0.0.1:1", "--patience", "1500ms", smallSlides(t, 1)}, nil, 7, []string{"trying again", "hint: check that bcc serve runs"}, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), binary, c.args...)
			cmd.Env = append(os.Environ(), c.env...)
			o := finish(t, cmd)
			for _, s := range c.says {
				if !strings.Contains(o.err, s) {
					t.Errorf("it does not say %q:\n%s", s, o.err)
				}
			}
			if o.code != c.code || o.took > c.most+3*time.Second || o.peakRSS > 200*mb {
				t.Errorf("code %d after %v with %d MB, want %d:\n%s", o.code, o.took, o.peakRSS/mb, c.code, o.err)
			}
			for _, secret := range []string{"wrong@", "open-sesame", "goroutine "} {
				if strings.Contains(o.err, secret) {
					t.Errorf("it says %q", secret)
				}
			}
		})
	}
}

// TestFleetBadWorkers joins workers that see another store, and two of one name: no
// slide may come to grief.
func TestFleetBadWorkers(t *testing.T) {
	f := newFleet(t, t.TempDir())
	if o := run(t, "serve", "--addr", "127.0.0.1:0", "--data", f.dir); o.code != 6 || !strings.Contains(o.err, "another server runs on this folder") {
		t.Errorf("a second server on one folder: %d %s", o.code, o.err)
	}
	if o := run(t, "repair", "--data", f.dir, "--store", f.store); o.code != 6 {
		t.Errorf("repair beside the server of the folder: %d %s", o.code, o.err)
	}
	id := f.submit(t, "--mpp", "4", smallSlides(t, 20))
	stray := begin(t, "worker", "--queue", f.queue, "--store", t.TempDir())
	stray.says(t, "this worker has another store than the server")
	if n := f.status(t, id).Counts; n["pending"]+n["running"] != 20 {
		t.Errorf("%v: want that all wait", n)
	}
	f.worker(t, "--id", "twin")
	f.worker(t, "--id", "twin")
	must(t, "status", "--wait", "--server", f.base, id)
	if n := f.status(t, id).Counts; n["done"] != 20 {
		t.Errorf("%v: want all done", n)
	}
	if code := stray.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("a worker that is told to stop: %d", code)
	}
}

// TestFleetBadStore damages what is kept, or has a later version write it.
func TestFleetBadStore(t *testing.T) {
	dir := t.TempDir()
	f := newFleet(t, dir)
	w := f.worker(t)
	id := f.submit(t, "--mpp", "4", smallSlides(t, 6))
	must(t, "status", "--wait", "--server", f.base, id)
	w.end(t, syscall.SIGTERM)
	f.end(t, syscall.SIGTERM)
	whole := t.TempDir()
	copyTo := func(from, to string) {
		t.Helper()
		if out, err := exec.Command("cp", "-a", from+"/.", to).CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
	}
	copyTo(dir, whole)
	want := digests(t, filepath.Join(whole, "store", "results"))
	for name, c := range map[string]struct {
		file       string // a pattern below the store
		lose       bool   // the queue too
		first, all int    // exit codes of repair --check, then of repair
	}{
		"an end":                   {"cohorts/*/ends/3.json", false, 5, 0},
		"the copy of all ends":     {"cohorts/*/ends.json", false, 5, 0},
		"a manifest":               {"cohorts/*/manifest.json", false, 5, 5},
		"a summary, and the queue": {"ledger/closed/*.json", true, 0, 0},
		"a result":                 {"results/*/result.json", true, 5, 0},
		"sums":                     {"results/*/sums.json", false, 5, 0},
		"outputs of patches":       {"patches/*", false, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copyTo(whole, dir)
			found, err := filepath.Glob(filepath.Join(dir, "store", c.file))
			if err != nil || len(found) == 0 {
				t.Fatalf("%s: %v", c.file, err)
			}
			b, err := os.ReadFile(found[0])
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 0x10
			if err := os.WriteFile(found[0], b, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.lose {
				if err := os.RemoveAll(filepath.Join(dir, "data", "queue")); err != nil {
					t.Fatal(err)
				}
			}
			repair := []string{"repair", "--data", filepath.Join(dir, "data"), "--store", filepath.Join(dir, "store")}
			if o := run(t, append(repair, "--check")...); o.code != c.first {
				t.Errorf("repair --check: %d, want %d\n%s%s", o.code, c.first, o.out, o.err)
			}
			for range 2 {
				if o := run(t, repair...); o.code != c.all {
					t.Errorf("repair: %d, want %d\n%s%s", o.code, c.all, o.out, o.err)
				}
			}
			if c.all != 0 {
				return // the cohort is lost, and named
			}
			f := newFleet(t, dir)
			f.worker(t)
			must(t, "status", "--wait", "--server", f.base, id)
			for name, sum := range digests(t, filepath.Join(dir, "store", "results")) {
				if want[name] != sum && filepath.Base(name) != "sums.json" { // it has the sum of timing.json
					t.Errorf("%s differs", name)
				}
			}
		})
	}
	t.Run("a later version", func(t *testing.T) {
		for _, file := range []string{"cohorts/*/manifest.json", "results/*/sums.json"} {
			found, err := filepath.Glob(filepath.Join(dir, "store", file))
			if err != nil || len(found) == 0 {
				t.Fatalf("%s: %v", file, err)
			}
			b, err := os.ReadFile(found[0])
			if err != nil {
				t.Fatal(err)
			}
			line, _, _ := bytes.Cut(b, []byte("\nsha256:")) // without its checksum it is of before there was one
			later := regexp.MustCompile(`"format_version": ?1`).ReplaceAll(line, []byte(`"format_version":2`))
			if err := os.WriteFile(found[0], append(later, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				o := run(t, "repair", "--data", f.dir, "--store", f.store)
				if o.code != 0 || !strings.Contains(o.out, "of another version") {
					t.Errorf("%s: repair: %d %s%s", file, o.code, o.out, o.err)
				}
			}
			if after, err := os.ReadFile(found[0]); err != nil || !bytes.Contains(after, later) {
				t.Errorf("%s: a record of a later version was touched: %v", file, err)
			}
		}
	})
}

// TestFleetBadSignals ends commands at many moments.
func TestFleetBadSignals(t *testing.T) {
	dir := t.TempDir()
	f := newFleet(t, dir)
	slides := smallSlides(t, 60)
	server := []string{"--server", f.base}
	for i, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		for _, after := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
			for _, args := range [][]string{
				append([]string{"submit", "--mpp", "4", "--wait", "--name", fmt.Sprint(i)}, append(server, slides)...),
				append([]string{"status", "--wait"}, server...),
				{"worker", "--queue", f.queue, "--store", f.store, "--scratch", dir},
			} {
				p := begin(t, args...)
				time.Sleep(after)
				// -1: in its first moments the signal itself ends it.
				if code := p.end(t, s); s != syscall.SIGKILL && code != 0 && code != 130 && code != -1 && code != 2 {
					t.Errorf("bcc %s, %v after %v: %d\n%s", args[0], s, after, code, p.said)
				}
			}
		}
	}
	w := f.worker(t, "--scratch", dir)
	last := f.submit(t, "--mpp", "4", slides)
	f.end(t, syscall.SIGKILL)
	w.end(t, syscall.SIGKILL)
	again := newFleet(t, dir)
	again.worker(t, "--scratch", dir)
	must(t, "status", "--wait", "--server", again.base, last)
	if n := again.status(t, last).Counts; n["done"] != 60 {
		t.Errorf("%v", n)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		o := must(t, "status", "--server", again.base)
		if !strings.Contains(o.out, "running") && !strings.Contains(o.out, "waiting") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("what was submitted before does not end:\n%s", o.out)
		}
	}
	if left := leftovers(filepath.Join(again.dir, "incoming")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestFleetBadCrowds submits small cohorts behind a large one.
func TestFleetBadCrowds(t *testing.T) {
	f := newFleet(t, t.TempDir())
	slides := smallSlides(t, 200)
	large := f.submit(t, "--mpp", "4", slides)
	var small []string
	for i := range 20 {
		small = append(small, f.submit(t, "--mpp", "4", filepath.Join(slides, fmt.Sprintf("s%05d.png", 199-i))))
	}
	f.worker(t)
	for _, id := range small {
		must(t, "status", "--wait", "--server", f.base, id)
	}
	n := f.status(t, large).Counts
	t.Logf("when 20 cohorts of one slide had ended, %d of 200 of the one before them had", n["done"])
	if n["done"] > 120 {
		t.Errorf("small cohorts waited for the large one: %v", n)
	}
	must(t, "status", "--wait", "--server", f.base, large)
}
