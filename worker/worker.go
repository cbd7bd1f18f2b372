// Package worker takes jobs from the queue and gives them their meaning: it opens
// the slide, walks it with detect, shard by shard, alone or with others, keeps the
// results in the store, and says how it ended (DESIGN.md). It also looks at small pictures at once, for clients that wait.
//
// In: jobs of a cohort, slides in the store or at addresses, a model. Out: results
// and ends in the store. It runs no engine itself: the scorer that it is given does,
// for all workers and lookers together.
//
//	slots.go    how many jobs at a time; leases and beats
//	run.go      take ─► begin ─► walk ─► end; fate.go: what follows from an error
//	source.go   the slide: out of the store, or brought there from its address
//	walk.go     known already? else once: conduct ─► keep.go: results/<key>/ in the store
//	conduct.go  survey ─► shards: found, made here, made by others (watch.go) ─► finish
//	part.go     shards of slides that others conduct
//	shard.go    what a shard is, rows.go: what the model gave for it, in the store
//	degrade.go  what is given up under overload, and when
//	trace.go    the spans of all that
//	looker.go   small pictures: room? known? else detect, in memory
//
// Results carry no name of the file they came from: they are found by content, and
// whoever sends the same slide gets the same files.
package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"bcc/blob"
	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
	"bcc/telemetry"
)

// Queue gives jobs and takes offers: queue.Queue.
type Queue interface {
	Take(ctx context.Context, lanes ...queue.Lane) (*queue.Lease, error)
	Put(ctx context.Context, jobs ...queue.Job) error
	Backlog(ctx context.Context) (queue.Backlog, error)
	Tell(topic string, data []byte) error
	Listen(topic string, f func(topic string, data []byte)) (stop func(), err error)
}

// Fetcher brings slides from addresses, inside allowed lists: fetch.Fetcher.
type Fetcher interface {
	// Fetch writes what lies at the address to w.
	Fetch(ctx context.Context, address string, w io.Writer) (bytes int64, err error)
}

// Config says how a worker works.
type Config struct {
	// ID tells workers apart. Default: a random one.
	ID string
	// Kind is what its machine is one of: whoever decides how many there should be
	// takes all of a kind to be alike. Letters, digits, . _ -. Default "worker".
	Kind string
	// Jobs is the number of slides walked at once; one more place is kept for urgent
	// ones. Default 0: begins with 2 (while one is opened or written the other is
	// scored), and has more while runners are idle and there is memory.
	Jobs int
	// MaxJobs bounds that number where it is found out. Default 8.
	MaxJobs int
	// Engine returns for how long runners have worked, added up, and how many there
	// are: infer.Batcher.Busy. Default nil: nobody knows, and 2 stay 2.
	Engine func() (busy time.Duration, runners int)
	// Memory returns what is used of what may be used, bytes. Default nil: not known.
	Memory func() (used, limit uint64)
	// Room returns how many slides may be walked at once as far as memory goes: jobs are
	// taken by so many places only; 0: by none. Default nil: there is always room.
	Room func() int
	// Shard is the most patches of a shard: what is lost at most when a worker dies,
	// and what others take of a slide at once. Default 512.
	Shard int
	// Readers is the number of goroutines that read patches of a slide. Default 0: as
	// the model's settings say. Object storage wants more than a disk.
	Readers int
	// Lease is the queue's lease of a job; it is beaten at a third of it. Default 30 s.
	Lease time.Duration
	// Finish is how long a worker that is told to end goes on with the slides and shards
	// that it has begun, taking nothing new. Default 0: it hands them back at once.
	Finish time.Duration
	// Drain is how long stopping may take after that. Default 20 s.
	Drain time.Duration
	// Attempts is at how many failed attempts a slide is quarantined, where another
	// may succeed. Default 5.
	Attempts int
	// Kills is that number where the slide killed, hung or broke what read it. Default 3.
	Kills int
	// Pause is the time before the second attempt; it doubles with each, up to a
	// minute. Default 2 s.
	Pause time.Duration
	// Scratch is a folder for slides being fetched and results being written. Default:
	// that of the system for temporary files. What a killed worker left in it is
	// cleared away.
	Scratch string

	// Degrade says when routine slides are looked at less closely.
	Degrade Degrade
	// Pressure returns the backlog as time until nothing is left: that of
	// cohort.Ledger.Load. Default nil: there is none.
	Pressure func() time.Duration

	// RSS returns the memory of this process, bytes, for those who look. Default nil.
	RSS func() uint64
	// CPU returns how busy this machine's cores are, percent, for those who look and
	// for scaling. Default nil: 0.
	CPU func() float64

	Logger     *slog.Logger          // default nil: nobody hears
	Registerer prometheus.Registerer // default nil: no metrics
	Tracer     trace.TracerProvider  // default nil: no traces
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Kind: "worker", MaxJobs: 8, Shard: 512, Lease: 30 * time.Second, Drain: 20 * time.Second, Attempts: 5, Kills: 3, Pause: 2 * time.Second,
		Degrade: Degrade{Overlap: 30 * time.Minute, Coarse: 2 * time.Hour, Sustained: time.Minute},
	}
}

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fault.New(fault.Invalid, format, args...))
		}
	}
	bad(!cohort.ValidKind(c.Kind), "kind %.80q: want up to 63 letters, digits, dots, dashes, underscores", c.Kind)
	bad(c.Jobs < 0 || c.Jobs > 1024, "%d slides at once: want 1 to 1024, or 0 for as many as there is room for", c.Jobs)
	bad(c.MaxJobs < 1 || c.MaxJobs > 1024, "at most %d slides at once: want 1 to 1024", c.MaxJobs)
	bad(c.Shard < 1 || c.Shard > maxShard, "%d patches a shard: want 1 to %d", c.Shard, maxShard)
	bad(c.Readers < 0, "%d readers a slide", c.Readers)
	bad(c.Lease < 100*time.Millisecond, "lease of %v: want 100ms or more", c.Lease)
	bad(c.Finish < 0, "%v to finish what was begun: want 0 or more", c.Finish)
	bad(c.Drain <= 0, "%v to stop: want more than 0", c.Drain)
	bad(c.Attempts < 1 || c.Kills < 1, "%d attempts, %d of slides that break their reader: want 1 or more", c.Attempts, c.Kills)
	bad(c.Pause < 0, "pause of %v before another attempt", c.Pause)
	bad(c.Degrade.Overlap < 0 || c.Degrade.Coarse < 0 || c.Degrade.Sustained < 0, "degrading at a negative time: %+v", c.Degrade)
	return errors.Join(errs...)
}

// Worker walks the slides of cohorts.
type Worker struct {
	number  uint64 // tells its walks from those of others
	cfg     Config
	model   Model
	store   blob.Store
	queue   Queue
	desk    *cohort.Desk
	fetch   Fetcher
	log     *slog.Logger
	metrics *metrics
	spans   trace.Tracer
	started time.Time
	scratch string // its own, below Config.Scratch, while it runs

	once    once      // results being made
	large   once      // slides with many rows being put together
	share   share     // who gets the worker's time
	waits   waiting   // what waits on the queue
	foreign sync.Once // jobs of another version were told of

	otherModel sync.Once   // jobs for another model were told of
	draining   atomic.Bool // nothing new is taken
	slots      atomic.Int64
	jobs       atomic.Int64 // begun
	patches    atomic.Int64
	away       atomic.Int64 // when the store was, the last time: nanoseconds since 1970
	astray     atomic.Int64 // when a job of another store was met, the last time: the same
	urgency    urgency
	pace       pace
	capacity   capacity

	mu      sync.Mutex
	walks   map[*walk]struct{}
	pressed pressed
}

// New returns a worker that does nothing until Run. fetcher may be nil: then slides
// at addresses fail.
func New(cfg Config, m Model, store blob.Store, q Queue, desk *cohort.Desk, fetcher Fetcher) (*Worker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "worker: %w", err)
	}
	if cfg.ID == "" {
		cfg.ID = rand.Text()[:12]
	}
	if cfg.Scratch == "" {
		cfg.Scratch = os.TempDir()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	met, err := newMetrics(cfg.Registerer, m.Reference)
	if err != nil {
		return nil, err
	}
	met.hear(&m.Detect)
	m.Detect.Stain = met.drift.stained
	if cfg.Readers > 0 {
		m.Detect.Patch.Readers = cfg.Readers
	}
	if _, err := m.examiner(m.Detect, false); err != nil { // what is wrong with the model is said now
		return nil, err
	}
	h := fnv.New64a()
	fmt.Fprint(h, cfg.ID, time.Now().UnixNano())
	return &Worker{
		number: h.Sum64(), cfg: cfg, model: m, store: store, queue: q, desk: desk, fetch: fetcher,
		log: cfg.Logger.With("worker_id", cfg.ID), metrics: met, started: time.Now().UTC(), spans: telemetry.Spans(cfg.Tracer, "worker"),
		walks: map[*walk]struct{}{},
	}, nil
}
