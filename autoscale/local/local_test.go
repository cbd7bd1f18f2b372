//go:build unix

package local_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bcc/autoscale"
	"bcc/autoscale/local"
	"bcc/fault"
)

// TestMain is the worker, too: what it does stands in its arguments.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "worker" {
		os.Exit(work(os.Args[2], os.Args[len(os.Args)-1]))
	}
	os.Exit(m.Run())
}

// work runs until it is asked to end, and then until what it has begun, the file
// ID.busy beside it, is done. Where there is a file named broken it ends at once.
func work(dir, id string) int {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	exists := func(name string) bool { _, err := os.Stat(filepath.Join(dir, name)); return err == nil }
	if exists("broken") {
		os.Stderr.WriteString("bcc: error: the queue is away\nbcc: hint: start it\n")
		return 7
	}
	_ = os.WriteFile(filepath.Join(dir, id+".up"), []byte(os.Getenv("GOMAXPROCS")), 0o600)
	select {
	case <-asked:
	case <-time.After(time.Minute): // the test was killed
		return 1
	}
	signal.Stop(asked) // whoever asks again ends it at once, as with bcc
	_ = os.WriteFile(filepath.Join(dir, id+".asked"), nil, 0o600)
	for exists(id + ".busy") {
		time.Sleep(5 * time.Millisecond)
	}
	_ = os.WriteFile(filepath.Join(dir, id+".done"), nil, 0o600)
	return 0
}

// place is a folder of records and one in which the workers of a test meet.
type place struct {
	t         *testing.T
	dir, work string
}

func newPlace(t *testing.T) place {
	t.Helper()
	p := place{t, filepath.Join(t.TempDir(), "local"), t.TempDir()}
	t.Cleanup(func() {
		for _, busy := range p.files("*.busy") {
			os.Remove(busy)
		}
		os.Remove(filepath.Join(p.work, "broken"))
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := p.open(nil).Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p place) open(change func(*local.Config)) *local.Target {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	cfg := local.DefaultConfig()
	cfg.Kind = autoscale.Kind{Name: "here", Max: 4, StartUp: time.Hour}
	cfg.Dir, cfg.Command, cfg.Env = p.dir, []string{self, "worker", p.work}, []string{"GOMAXPROCS=3"}
	if change != nil {
		change(&cfg)
	}
	target, err := local.New(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	return target
}

func (p place) files(glob string) []string {
	found, _ := filepath.Glob(filepath.Join(p.work, glob))
	return found
}

// up waits until so many workers run, and returns their IDs.
func (p place) up(n int) []string {
	p.t.Helper()
	until(p.t, func() bool { return len(p.files("*.up")) >= n })
	var ids []string
	for _, f := range p.files("*.up") {
		ids = append(ids, strings.TrimSuffix(filepath.Base(f), ".up"))
	}
	return ids
}

func (p place) put(name string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.work, name), nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func until(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 30 s")
		}
	}
}

func present(t *testing.T, target *local.Target) int {
	t.Helper()
	groups, err := target.Groups(t.Context())
	if err != nil || len(groups) != 1 {
		t.Fatal(groups, err)
	}
	return groups[0].Present()
}

func scale(t *testing.T, target *local.Target, n int, idle ...string) int {
	t.Helper()
	left, err := target.Scale(t.Context(), "here", n, idle)
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func TestItStartsAndEndsWorkers(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	target := p.open(nil)
	if left := scale(t, target, 3); left != 3 {
		t.Errorf("%d workers, want 3", left)
	}
	ids := p.up(3)
	until(t, func() bool { cores, _ := os.ReadFile(p.files("*.up")[0]); return string(cores) == "3" }) // its share
	if left := scale(t, target, 3); left != 3 || present(t, target) != 3 {
		t.Error("asked for what there is, it changed it")
	}
	if left := scale(t, target, 0); left != 3 {
		t.Errorf("%d are left though none was idle", left)
	}
	if left := scale(t, target, 0, ids[1], "somebody else's", ids[0]); left != 1 {
		t.Errorf("%d are left, want the one that was not idle", left)
	}
	until(t, func() bool { return len(p.files("*.done")) == 2 })
	if slices.Contains(p.files("*.done"), filepath.Join(p.work, ids[2]+".done")) {
		t.Error("the one that was not idle was ended")
	}
	if left := scale(t, target, 1, ids[2]); left != 1 {
		t.Error("an idle one that is wanted was ended")
	}
}

func TestOneThatWasAskedToEndIsNotCountedAndGoesOn(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	target := p.open(nil)
	scale(t, target, 1)
	id := p.up(1)[0]
	p.put(id + ".busy") // in the moment in which it is ended
	if left := scale(t, target, 0, id); left != 0 || present(t, target) != 0 {
		t.Error("it is counted")
	}
	if left := scale(t, target, 1); left != 1 {
		t.Error("no other one was started")
	}
	p.up(2)
	if len(p.files("*.done")) != 0 {
		t.Error("it was ended by force")
	}
	os.Remove(filepath.Join(p.work, id+".busy"))
	until(t, func() bool { return len(p.files("*.done")) == 1 })
}

func TestTheNextAutoscalerFindsThem(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	scale(t, p.open(nil), 2)
	ids := p.up(2)
	next := p.open(nil)
	if n := present(t, next); n != 2 {
		t.Fatalf("it finds %d, want 2", n)
	}
	if scale(t, next, 2); len(p.files("*.up")) != 2 {
		t.Error("it started them again")
	}
	scale(t, next, 1, ids[0])
	until(t, func() bool { return len(p.files("*.done")) == 1 })
}

// An autoscaler that is killed between starting a worker and noting it leaves a record
// without a number, or a number that is somebody else's by now.
func TestItFindsWhatWasNotNotedAndIsNotFooledByOthers(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	scale(t, p.open(nil), 1)
	id := p.up(1)[0]
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(p.dir, name+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(id, `{"format_version":1,"id":"`+id+`","kind":"here","pid":0,"begun":"2026-01-01T00:00:00Z"}`)
	write("never", `{"format_version":1,"id":"never","kind":"here","pid":0,"begun":"2026-01-01T00:00:00Z"}`)
	write("init", `{"format_version":1,"id":"init","kind":"here","pid":1,"birth":"long ago","begun":"2026-01-01T00:00:00Z"}`)
	write("broken", `{`)
	next := p.open(nil)
	if n := present(t, next); n != 1 {
		t.Fatalf("it finds %d, want the 1 that runs", n)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "init.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a record of a process that is another's now is kept")
	}
	scale(t, next, 0, id)
	until(t, func() bool { return len(p.files("*.done")) == 1 })
}

func TestAWorkerThatDiesAtOnceIsStartedLaterAndLaterAndNamed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.put("broken")
	now := time.Now()
	target := p.open(func(c *local.Config) { c.Now = func() time.Time { return now } })
	starts := func() int { logs, _ := filepath.Glob(filepath.Join(p.dir, "*.log")); return len(logs) }
	for want, rest := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if left := scale(t, target, 1); left != 1 || starts() != want+1 {
			t.Fatalf("%d left after %d starts", left, starts())
		}
		until(t, func() bool { return present(t, target) == 0 })
		_, err := target.Scale(t.Context(), "here", 1, nil)
		if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "exit code 7") || !strings.Contains(err.Error(), "the queue is away") ||
			!strings.Contains(err.Error(), rest.String()) || fault.HintOf(err) == "" {
			t.Errorf("%v (hint %q), want what it said and %v", err, fault.HintOf(err), rest)
		}
		now = now.Add(rest)
	}
	os.Remove(filepath.Join(p.work, "broken"))
	if left := scale(t, target, 3); left != 1 {
		t.Errorf("%d were started, want one that tries for all", left)
	}
	p.up(1)
	now = now.Add(time.Minute)
	present(t, target) // it has lived long enough
	if left := scale(t, target, 3); left != 3 {
		t.Errorf("%d workers, want 3 again", left)
	}
	p.up(3)
}

func TestAWorkerThatIsKilledIsGone(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	now := time.Now()
	target := p.open(func(c *local.Config) { c.Now = func() time.Time { return now } })
	scale(t, target, 1)
	p.up(1)
	begun, err := target.Begun()
	if err != nil || len(begun) != 1 {
		t.Fatal(begun, err)
	}
	now = now.Add(2 * time.Minute)
	pids, _ := filepath.Glob(filepath.Join(p.dir, "*.json"))
	data, _ := os.ReadFile(pids[0])
	syscall.Kill(number(t, string(data)), syscall.SIGKILL)
	until(t, func() bool { return present(t, target) == 0 })
	if left := scale(t, target, 1); left != 1 {
		t.Error("none was started in its place")
	}
	p.up(2)
}

func number(t *testing.T, record string) (pid int) {
	t.Helper()
	_, rest, _ := strings.Cut(record, `"pid":`)
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		pid = 10*pid + int(c-'0')
	}
	if pid < 2 {
		t.Fatal(record)
	}
	return pid
}

func TestItSaysWhoIsStarting(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	now := time.Now()
	target := p.open(func(c *local.Config) { c.Now = func() time.Time { return now } })
	scale(t, target, 2)
	groups, _ := target.Groups(t.Context())
	if g := groups[0]; g.Ready != 0 || len(g.Starting) != 2 || !g.Starting[0].Equal(now.Add(time.Hour)) {
		t.Errorf("%+v", g)
	}
	now = now.Add(2 * time.Hour)
	groups, _ = target.Groups(t.Context())
	if g := groups[0]; g.Ready != 2 || len(g.Starting) != 0 {
		t.Errorf("%+v", g)
	}
	p.up(2)
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if _, err := p.open(nil).Scale(t.Context(), "there", 1, nil); fault.Of(err) != fault.NotFound {
		t.Error(err)
	}
	if _, err := p.open(func(c *local.Config) {
		c.Lock = func() (func(), error) { return nil, fault.New(fault.Busy, "another has it") }
	}).Scale(t.Context(), "here", 1, nil); fault.Of(err) != fault.Busy {
		t.Error(err)
	}
	if _, err := p.open(func(c *local.Config) { c.Command = []string{"/nowhere"} }).Scale(t.Context(), "here", 1, nil); fault.Of(err) != fault.Unavailable {
		t.Error(err)
	}
	if err := (local.Config{}).Validate(); fault.Of(err) != fault.Invalid || len(strings.Split(err.Error(), "\n")) != 5 {
		t.Error(err)
	}
}
