package simtest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"bcc/blob"
	"bcc/blob/blobtest"
	"bcc/cohort"
	"bcc/detect"
	"bcc/queue/queuetest"
	"bcc/report"
	"bcc/worker"
)

// fleet is servers and workers over one queue and one store. What happens to it
// happens in the bubble's first goroutine; clients have their own.
type fleet struct {
	*plan
	scratch string
	began   time.Time
	queue   *queuetest.Memory
	store   *storage
	flakes  flakes
	once    once
	workers []*workerNode    // nil: not there
	shelf   map[string]truth // by SHA-256
	seen    seen

	ctx  context.Context // of clients, and of what comes again
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu      sync.Mutex
	servers []*serverNode // nil: not there
	taken   map[string]*order
	wanted  int                  // cohorts that are not taken yet
	ending  map[string]time.Time // when somebody began to cancel a cohort
	struck  map[string]bool      // who was told that it is
	ends    map[string]time.Time // when ends and cancellings were written, by key
	log     []string
	wrong   []string
}

type serverNode struct {
	node
	ledger *cohort.Ledger
}

type workerNode struct {
	node
	stop context.CancelFunc
	gone chan struct{}
}

func newFleet(p *plan, scratch string) *fleet {
	f := &fleet{
		plan: p, scratch: scratch, began: time.Now(), queue: queuetest.NewMemory(lease),
		flakes:  flakes{failed: map[uint64]int{}},
		once:    once{done: map[run]scored{}},
		shelf:   map[string]truth{},
		seen:    seen{},
		workers: make([]*workerNode, len(p.workers)), servers: make([]*serverNode, p.servers),
		ends: map[string]time.Time{}, taken: map[string]*order{}, ending: map[string]time.Time{}, struck: map[string]bool{}, wanted: len(p.cohorts),
	}
	f.store = &storage{Memory: blobtest.NewMemory(), watch: f.written, rand: p.rand, slow: p.slow, refuse: p.refuse, unheard: p.unheard}
	f.ctx, f.stop = context.WithCancel(context.Background())
	for _, o := range p.cohorts {
		for _, s := range o.slides {
			sha := s.sha256()
			f.shelf[sha] = s.truth()
			if s.fate != absent {
				f.store.Memory.Put(f.ctx, "slides/"+sha, bytes.NewReader(s.file()))
			}
		}
	}
	f.queue.Misbehave(p.trouble)
	return f
}

// run has the fleet live: trouble first, then peace until all is done. It returns
// what went wrong.
func (f *fleet) run() []string {
	for i := range f.servers {
		f.wg.Go(func() { f.openServer(i) })
	}
	for i := range f.workers {
		f.startWorker(i)
	}
	for i := range f.cohorts {
		f.wg.Go(func() { f.client(&f.cohorts[i]) })
	}
	for _, e := range f.events {
		f.idle(e.at - time.Since(f.began))
		f.happens(e)
		f.check()
	}
	f.idle(chaos + 2*lease - time.Since(f.began)) // what comes again is there again
	f.peace()
	for !f.failed() && !f.over() {
		f.idle(time.Second)
		if time.Since(f.began) > within {
			f.bad("not all has come to its end within %v: %s", within, f.left())
		}
	}
	if !f.failed() {
		f.final()
	}
	f.end()
	if !f.failed() {
		f.tidy()
	}
	return f.wrong
}

// idle lets time go by, and checks on the way.
func (f *fleet) idle(d time.Duration) {
	const step = time.Second
	for ; d > 0 && !f.failed(); d -= step {
		time.Sleep(min(d, step))
		f.check()
	}
}

// happens is one event.
func (f *fleet) happens(e event) {
	w := e.who % len(f.workers)
	s := e.who % len(f.servers)
	f.note("%s: %d for %v", e.kind, e.who, e.lasts)
	again := func(what func()) {
		f.wg.Go(func() {
			time.Sleep(e.lasts)
			what()
		})
	}
	switch e.kind {
	case killWorker, drainWorker:
		if f.workers[w] == nil {
			return
		}
		f.stopWorker(w, e.kind == killWorker)
		f.idle(e.lasts / 3)
		f.startWorker(w)
	case cutWorker:
		if n := f.workers[w]; n != nil {
			n.cut.Store(true)
			again(func() { n.cut.Store(false) })
		}
	case killServer, closeServer:
		f.mu.Lock()
		n := f.servers[s]
		f.servers[s] = nil
		f.mu.Unlock()
		if n == nil {
			return
		}
		n.dead.Store(e.kind == killServer)
		n.ledger.Close()
		n.dead.Store(true)
		again(func() { f.openServer(s) })
	case queueDown:
		f.queue.Down()
		again(f.queue.Up)
	case queueLost:
		f.queue.Lose()
	case queueFreed:
		f.queue.Free()
	case storeAway:
		f.store.set(func(s *storage) { s.away = true })
		again(func() { f.store.set(func(s *storage) { s.away = false }) })
	case deaf:
		t := f.trouble
		t.Mute = 1
		f.queue.Misbehave(t)
		again(func() { f.queue.Misbehave(f.trouble) })
	case bitRot:
		f.rot(e.who)
	case repair:
		f.wg.Go(func() { f.repair(e.who) })
	}
}

// rot flips a bit of the shard that was finished last: of those of slides that are over
// nobody reads again.
func (f *fleet) rot(nth int) {
	var last blob.Info
	for info := range f.store.Memory.List(f.ctx, "patches/") {
		if info.Modified.After(last.Modified) {
			last = info
		}
	}
	if last.Key == "" {
		return
	}
	key := last.Key
	data, _ := f.store.Bytes(key)
	data = bytes.Clone(data)
	data[(nth*37)%len(data)] ^= 1 << (nth % 8)
	f.store.Memory.Put(f.ctx, key, bytes.NewReader(data))
	f.note("%s is damaged", key)
}

// repair has a server look through the store, while all goes on.
func (f *fleet) repair(nth int) {
	s := f.server(nth)
	if s == nil {
		return
	}
	r, err := s.ledger.Repair(f.ctx)
	f.note("repaired: %+v, %v", r, err)
	if f.steady && (r.Reopened > 0 || r.Slides > 0 || len(r.Lost) > 0 || r.Results.Damaged > 0 || r.Patches.Damaged > 0 || r.Records.Damaged > 0) {
		f.bad("repaired what was whole: %+v", r)
	}
}

// peace ends all trouble.
func (f *fleet) peace() {
	f.note("peace")
	f.queue.Up()
	f.queue.Misbehave(queuetest.Trouble{})
	f.store.set(func(s *storage) { s.away, s.refuse, s.unheard = false, 0, 0 })
}

func (f *fleet) startWorker(i int) {
	n := &workerNode{gone: make(chan struct{})}
	n.name = fmt.Sprint("w", i)
	var ctx context.Context
	ctx, n.stop = context.WithCancel(f.ctx)
	cfg := worker.DefaultConfig()
	cfg.ID, cfg.Jobs, cfg.Scratch = n.name, f.plan.workers[i].jobs, f.scratch
	cfg.Lease, cfg.Drain, cfg.Pause, cfg.Shard = lease, 2*time.Second, 200*time.Millisecond, shard
	l := &looker{patch: f.plan.workers[i].patch, f: f, n: &n.node}
	m := worker.Model{Detect: detect.DefaultConfig(32, 1), Examine: l.examine, Runners: 1}
	m.Detect.Outputs, m.Detect.Model = 1, report.Model{Name: "stub", SHA256: "f00d"}
	store, q := storeLink{&n.node, f.store}, queueLink{&n.node, f.queue, f.told}
	w, err := worker.New(cfg, m, store, q, cohort.NewDesk(store, q), nil)
	if err != nil {
		f.bad("start a worker: %v", err)
		return
	}
	f.workers[i] = n
	f.wg.Go(func() {
		defer close(n.gone)
		w.Run(ctx) // where it is cut off it cannot hand its slides back in time
	})
}

// stopWorker has a worker killed, or stopped by SIGTERM.
func (f *fleet) stopWorker(i int, kill bool) {
	n := f.workers[i]
	f.workers[i] = nil
	n.mu.Lock()
	n.ends = time.Now()
	n.mu.Unlock()
	n.dead.Store(kill)
	n.stop()
	if kill {
		return
	}
	<-n.gone
	if len(n.leases) > 0 && !f.has(cutWorker) {
		f.bad("%s stopped and told nobody of %v", n.name, n.leases)
	}
	n.dead.Store(true)
}

// openServer opens a ledger, as often as it takes.
func (f *fleet) openServer(i int) {
	for f.ctx.Err() == nil {
		n := &serverNode{}
		n.name = fmt.Sprint("s", i)
		cfg := cohort.DefaultConfig()
		cfg.Store, cfg.Queue = storeLink{&n.node, f.store}, queueLink{&n.node, f.queue, f.told}
		cfg.Rescan, cfg.Silence = 5*time.Second, lease
		cfg.Check = func(ctx context.Context, key string) error { return worker.CheckRows(ctx, cfg.Store, key) }
		var err error
		if n.ledger, err = cohort.Open(f.ctx, cfg); err == nil {
			f.mu.Lock()
			f.servers[i] = n
			f.mu.Unlock()
			return
		}
		n.dead.Store(true)
		sleep(f.ctx, time.Second)
	}
}

// server returns one that is there, or nil.
func (f *fleet) server(nth int) *serverNode {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.servers {
		if s := f.servers[(nth+i)%len(f.servers)]; s != nil {
			return s
		}
	}
	return nil
}

// client submits a cohort, as often as it takes until it is taken, and may cancel it.
func (f *fleet) client(o *order) {
	sleep(f.ctx, o.at)
	for try := 0; f.ctx.Err() == nil; try++ {
		if s := f.server(try); s != nil {
			m, err := s.ledger.Submit(f.ctx, o.manifest())
			if err == nil && !s.dead.Load() {
				f.mu.Lock()
				f.taken[m.ID] = o
				f.wanted--
				f.mu.Unlock()
				f.note("%s taken as %.5s: %d slides, %s", o.name, m.ID, len(m.Slides), m.Priority)
				if o.cancel > 0 {
					f.cancel(m.ID, o.cancel)
				}
				return
			}
			f.note("%s not taken: %v", o.name, err)
		}
		sleep(f.ctx, 700*time.Millisecond)
	}
}

func (f *fleet) cancel(id string, after time.Duration) {
	sleep(f.ctx, after)
	for try := 0; f.ctx.Err() == nil; try++ {
		if s := f.server(try); s != nil {
			f.mu.Lock()
			if f.ending[id].IsZero() {
				f.ending[id] = time.Now()
			}
			f.mu.Unlock()
			err := s.ledger.Cancel(f.ctx, id)
			f.note("cancel %.5s: %v", id, err)
			if err == nil && !s.dead.Load() {
				f.mu.Lock()
				f.struck[id] = true
				f.mu.Unlock()
				return
			}
		}
		sleep(f.ctx, 700*time.Millisecond)
	}
}

// end stops all that runs.
func (f *fleet) end() {
	for i := range f.workers {
		if f.workers[i] != nil {
			f.stopWorker(i, f.failed())
		}
	}
	f.stop()
	f.wg.Wait()
	for _, s := range f.servers {
		if s != nil {
			s.ledger.Close()
		}
	}
	f.queue.Close()
	time.Sleep(time.Minute) // a worker that was cut off ends its last calls; who still waits then waits for ever
}

func (f *fleet) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, fmt.Sprintf("%9.3fs ", time.Since(f.began).Seconds())+fmt.Sprintf(format, args...))
}

func (f *fleet) bad(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	f.note("WRONG: %s", what)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong = append(f.wrong, what)
}

func (f *fleet) failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.wrong) > 0
}

func (f *fleet) story() string { return strings.Join(f.log, "\n") }
