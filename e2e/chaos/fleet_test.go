//go:build e2e

package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Whom the faults on a place of its own hit.
const (
	faraway = 0 // the worker in a network of its own
	cramped = 1 // the worker with a small disk
	disk    = 48 << 20
)

// web is bcc serve.
type web struct {
	*process
	base string
	data string
}

// fleet is everything that runs.
type fleet struct {
	d       *diary
	network *network
	queue   *cluster
	store   *storage
	server  web
	workers []*process
	scratch []string // of the workers
	busy    [4]sync.Mutex
	locks   map[kind]*sync.Mutex // faults that do not happen twice at once
	held    []sync.Mutex         // of each worker: one thing at a time happens to it
	small   bool                 // worker cramped has a small disk
	errs    []error              // of those who stopped badly
	mu      sync.Mutex
}

func newFleet(t *testing.T, d *diary, tools tools, s scenario, seed uint64) *fleet {
	t.Helper()
	f := &fleet{d: d, network: newNetwork(t, d), locks: map[kind]*sync.Mutex{}, held: make([]sync.Mutex, s.workers)}
	for i, k := range []kind{killNode, killServer, cutNetwork, fillDisk} {
		f.locks[k] = &f.busy[i]
	}
	host := f.network.host
	f.queue = newCluster(t, d, tools, host, s.nodes)
	f.store = newStorage(t, d, tools, host, seed)
	env := []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey}
	common := func(queue, endpoint string) []string {
		return []string{
			"--queue", queue, "--store", "s3://" + bucket + "/bcc", "--s3-endpoint", endpoint, "--s3-path-style",
			"--device", "cpu", "--model", model(t, tools, s.model), "--log-level", "debug",
		}
	}
	f.server = web{data: d.path("server", "data"), base: fmt.Sprintf("http://127.0.0.1:%d", freePort(t, "127.0.0.1"))}
	f.server.process = newProcess(d, "server", env, append([]string{
		tools.bcc, "serve", "--addr", f.server.base[len("http://"):], "--data", f.server.data, "--workers", "0",
		"--limit-minute", "0", "--limit-day", "0", "--limit-patches-day", "0",
	}, common(f.queue.url(), f.store.url)...)...)
	f.server.process.ready = " serves http"
	for i := range s.workers {
		name := fmt.Sprint("worker-", i)
		scratch := d.path("scratch", name)
		if i == cramped {
			f.small = f.mount(t, scratch)
		}
		queue, endpoint := f.queue.url(), f.store.url
		if i == faraway {
			queue, endpoint = f.network.through(t, queue), f.network.through(t, endpoint)
		}
		line := append([]string{tools.bcc, "worker", "--id", name, "--jobs", "2", "--scratch", scratch}, common(queue, endpoint)...)
		if i == faraway {
			line = f.network.wrap(line)
		}
		w := newProcess(d, name, env, line...)
		w.ready = "works with model"
		f.workers = append(f.workers, w)
		f.scratch = append(f.scratch, scratch)
	}
	return f
}

// mount puts a small disk under a folder.
func (f *fleet) mount(t *testing.T, dir string) bool {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprint("size=", disk), "tmpfs", dir).CombinedOutput(); err != nil {
		f.d.note("no small disk can be mounted here, no disk will be full: %v %s", err, out)
		return false
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return true
}

// start starts everything, in the order in which an operator would.
func (f *fleet) start(t *testing.T) {
	t.Helper()
	all := append([]*process{f.store.gateway, f.server.process}, f.queue.nodes...)
	t.Cleanup(func() {
		for _, p := range append(all, f.workers...) {
			p.signal(syscall.SIGCONT, false)
			p.kill()
		}
	})
	f.queue.start(t)
	f.store.start(t)
	for _, p := range append([]*process{f.server.process}, f.workers...) {
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := until(t.Context(), 60*time.Second, f.server.ready); err != nil {
		t.Fatalf("bcc serve: %v; its log: %s", err, f.server.log)
	}
	begun := time.Now()
	if err := f.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.d.note("the fleet is up: %d nodes of the queue, %d workers, the last %.1f s after the server", len(f.queue.nodes), len(f.workers), time.Since(begun).Seconds())
}

func (w web) ready() error { return ask(w.base + "/readyz") }

// settle waits until every worker is at work: one that was killed clears away what its
// last life left when it starts, and one stopped before that cannot.
func (f *fleet) settle(ctx context.Context) error {
	for _, w := range f.workers {
		if err := until(ctx, 60*time.Second, w.works); err != nil {
			return err
		}
	}
	return nil
}

// stop ends what is left, gently, and keeps who did not end well.
func (f *fleet) stop(t *testing.T) {
	t.Helper()
	var all sync.WaitGroup
	for _, p := range f.workers {
		all.Go(func() { f.keep(p.stop(30 * time.Second)) })
	}
	all.Wait()
	f.keep(f.server.stop(30 * time.Second))
	f.d.note("workers and server have stopped")
	for _, p := range append([]*process{f.server.process, f.store.gateway}, append(f.workers, f.queue.nodes...)...) {
		for _, words := range p.early {
			f.keep(errors.New(words))
		}
	}
	for _, err := range f.errs {
		t.Error(err)
	}
}

func (f *fleet) keep(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.errs = append(f.errs, err)
	}
}

// strike does a fault, and undoes it when its time is over.
func (f *fleet) strike(ctx context.Context, at fault) error {
	if l := f.locks[at.kind]; l != nil {
		l.Lock()
		defer l.Unlock()
	}
	worker := func(i int) *process { return f.workers[i] }
	hold := func(i int) func() { f.held[i].Lock(); return f.held[i].Unlock }
	begun := func() { f.d.note("%v", at) }
	over := func() {
		pause(ctx, at.lasts)
		f.d.note("over: %s (%d)", at.kind, at.target)
	}
	switch at.kind {
	case killWorker, stopWorker:
		defer hold(at.target)()
		begun()
		w := worker(at.target)
		if at.kind == killWorker {
			w.kill()
		} else {
			f.keep(w.stop(30 * time.Second))
		}
		over()
		return w.start()
	case freeze:
		defer hold(at.target)()
		begun()
		w := worker(at.target)
		w.signal(syscall.SIGSTOP, false)
		over()
		w.signal(syscall.SIGCONT, false)
	case killNode:
		begun()
		f.queue.nodes[at.target].kill()
		over()
		if err := f.queue.nodes[at.target].start(); err != nil {
			return err
		}
		return f.queue.healthy(ctx, 90*time.Second) // one at a time: two of three have to be there
	case killServer:
		begun()
		f.server.kill()
		over()
		if err := f.server.start(); err != nil {
			return err
		}
		return until(ctx, 90*time.Second, f.server.ready)
	case cutNetwork:
		begun()
		if err := f.network.cut(); err != nil {
			return err
		}
		over()
		return f.network.mend()
	case fillDisk:
		if !f.small {
			return nil
		}
		begun()
		return f.fill(func() { over() })
	case slowStore:
		return f.bother(begun, over, &f.store.trouble.slow)
	case failStore:
		return f.bother(begun, over, &f.store.trouble.fail)
	case stopStore:
		return f.bother(begun, over, &f.store.trouble.stop)
	}
	return nil
}

func (f *fleet) bother(begun, over func(), depth *int) error {
	begun()
	f.store.trouble.set(depth, 1)
	over()
	f.store.trouble.set(depth, -1)
	return nil
}

// fill writes to the small disk until it is full, and makes room again.
func (f *fleet) fill(over func()) error {
	hog := filepath.Join(f.scratch[cramped], "hog")
	file, err := os.Create(hog)
	if err != nil {
		return err
	}
	zeros := make([]byte, 4096)
	for err == nil {
		_, err = file.Write(zeros)
	}
	file.Close()
	if !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("fill a disk: %w", err)
	}
	over()
	return os.Remove(hog)
}

// model returns the bundle that the slides are looked at with: slow enough that
// slides are in work when something happens. Its weights are random, always the same.
func model(t *testing.T, tools tools, network string) string {
	t.Helper()
	dir, err := filepath.Abs("../../.deps/chaos/" + network)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "card.json")); err == nil {
		return dir
	}
	if out, err := exec.CommandContext(t.Context(), tools.bcc, "bench", "bundle", network, "--out", dir).CombinedOutput(); err != nil {
		t.Fatalf("bcc bench bundle: %v\n%s", err, out)
	}
	return dir
}
