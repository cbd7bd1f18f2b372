package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"bcc/auth"
	"bcc/blob"
	"bcc/cohort"
	"bcc/deepzoom"
	"bcc/fault"
	"bcc/model"
	"bcc/report"
	"bcc/resources"
	"bcc/slide"
	"bcc/wsi"
)

// Ledger keeps account of cohorts: *cohort.Ledger.
type Ledger interface {
	Submit(ctx context.Context, m cohort.Manifest) (cohort.Manifest, error)
	Manifest(ctx context.Context, id string) (cohort.Manifest, error)
	Summary(ctx context.Context, id string) (cohort.Summary, error)
	Summaries(ctx context.Context, owner string, all bool) ([]cohort.Summary, error)
	Slides(ctx context.Context, id string, offset, limit int) ([]cohort.Status, error)
	Slide(ctx context.Context, slideID string) (cohort.Status, cohort.Manifest, error)
	Cancel(ctx context.Context, id string) error
	SetCap(ctx context.Context, id string, usd *float64) error
	Retry(ctx context.Context, id string, states ...cohort.State) (cohort.Manifest, error)
	Follow(ctx context.Context, id string) (<-chan cohort.Event, error)
	Wait(ctx context.Context, slideID string) (cohort.Status, error)
	Load() cohort.Load
	Demands() []cohort.Demand
	Workers() []cohort.WorkerState
}

// Verifier says who sends an Authorization header: *auth.Verifier.
type Verifier interface {
	Verify(authorization string) (auth.Principal, error)
}

// Limiter counts what a principal asks for: *auth.Limiter.
type Limiter interface {
	Take(p auth.Principal) error
	Spend(p auth.Principal, patches int)
}

// Fetcher checks addresses that clients name: *fetch.Fetcher.
type Fetcher interface {
	Check(ctx context.Context, address string) error
}

// Pixels is an open slide that tiles are made of: slide.Slide.
type Pixels interface {
	deepzoom.Source
	Close() error
}

// Planner finds the patches of a slide anew, as a result with those parameters had
// them, each with its share of tissue: detect.Plan.
type Planner func(ctx context.Context, file io.ReaderAt, bytes int64, p report.Parameters) (*wsi.Grid, error)

// Config says what the server stands on and what it lets through. Ledger, Store,
// Incoming and Model have no default.
type Config struct {
	Ledger   Ledger
	Store    blob.Store
	Looker   Looker   // looks at small pictures; nil: they go through the queue as well
	Verifier Verifier // nil: no authentication
	Limiter  Limiter  // nil: no limits a key
	Fetcher  Fetcher  // nil: addresses are refused
	Model    Model
	// Settings are what a slide is looked at with where its client says nothing: those
	// of this server's command line, so that workers elsewhere need not know them.
	Settings cohort.Parameters
	Plan     Planner         // says how much of a large slide's patches is tissue; nil: nobody knows
	Machine  func() Machine  // what this machine has and uses; nil: unknown
	Degraded func() []string // what is not as it should be, in words; nil: nothing
	Workers  int             // wanted in this process, for /machine
	Shard    int             // patches that a worker takes of a slide at once, for /autoscale; 0: not known
	// Open opens slides for viewers. Default nil: in this process.
	Open     func(ctx context.Context, r io.ReaderAt, size int64, cfg slide.Config) (Pixels, error)
	Slide    slide.Config                                         // codecs, for headers and tiles
	Resample func(dst, src []byte, srcW, srcH int, x, y wsi.Taps) // for tiles; nil: wsi.Resample, a tenth as fast as native/pixel
	Registry *prometheus.Registry
	Tracer   trace.TracerProvider // of requests for work; nil: no traces
	Logger   *slog.Logger
	Audit    io.Writer // one JSON line a decision; nil: none
	Version  string    // of the program

	// Alone says that no other server stands on the ledger: then this one writes down
	// the decisions on what an earlier one took in.
	Alone bool

	// Incoming is a folder for uploads on their way, on the disk of the store where
	// that is a folder.
	Incoming string
	// Local says that only this computer is to be answered: requests without
	// credentials have to name it (localhost, 127.0.0.1). Default false.
	Local bool
	// TrustedProxies are the networks whose forwarded headers count. Default: none.
	TrustedProxies []netip.Prefix

	MaxUpload   int64 // bytes of one slide. Default 8 GiB
	MaxPixels   int64 // of level 0. Default 20 Gpx, four times the largest slide of COBRA
	ReserveDisk int64 // bytes: with less free, uploads get 503. Default 1 GiB

	// A picture of at most SmallBytes and SmallPixels is looked at while the client
	// waits. Default 16 MB and 4 Mpx: what a core decodes in a blink.
	SmallBytes  int64
	SmallPixels int64
	SmallMemory int64 // bytes of all such pictures at once. Default 256 MiB; beyond, 429

	// Patience is how long a small picture may take to come before its rest goes
	// through the disk. Default 2 s.
	Patience time.Duration

	MaxSlides  int           // in one cohort. Default 50,000
	MaxWaiting int           // slides on the queue: from there on, 429. Default 20,000
	MaxBacklog time.Duration // the same as time to drain. Default 24 h
	MaxWait    time.Duration // a client that waits for a slide is refused where that would take longer. Default 5 min

	// A body has to bring MinRate bytes a second, looked at over BodyWindow. Default
	// 1 KiB over 30 s: a slow line passes, a slow loris does not. An answer that is
	// not read for BodyWindow is given up.
	MinRate    int64
	BodyWindow time.Duration

	HeaderTimeout time.Duration // for the headers of a request. Default 10 s

	MaxConns   int // open connections, and requests at once; the longest idle are closed first. Default 4096
	MaxStreams int // open event streams. Default 512

	TileCache  int64 // bytes of encoded tiles. Default 64 MiB
	OpenSlides int   // kept open for the viewer. Default 4: a picture takes up to 120 MB

	// Linger is how long the server goes on taking connections when it is told to end,
	// with /readyz saying so: twice as long as a balancer takes to look. Default 0.
	Linger    time.Duration
	Heartbeat time.Duration // comments in event streams. Default 15 s
	Drain     time.Duration // how long Run lets requests finish. Default 20 s
}

// Model is the model that answers, as /model/info states it.
type Model struct {
	Card   model.Card
	SHA256 string // of the bundle
	// What applies where a client asks for nothing else.
	Threshold, Overlap, MinTissue float64
}

// Machine is what /machine says of the computer.
type Machine struct {
	Devices     []string
	Cores       int
	CPUPercent  float64 // of the container's quota or of the cores that it may use, 0 to 100
	RSSBytes    uint64  // of this process
	MemoryUsed  uint64  // bytes
	MemoryTotal uint64
	DiskFree    uint64 // bytes, where Incoming lies
	DiskTotal   uint64

	MemoryPercent, DiskUsage float64 // 0 to 100
	NetworkIn, NetworkOut    float64 // bytes a second
	GPUs                     []resources.GPU
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Slide:         slide.DefaultConfig(),
		MaxUpload:     8 << 30,
		MaxPixels:     20e9,
		ReserveDisk:   1 << 30,
		SmallBytes:    16e6,
		SmallPixels:   4e6,
		SmallMemory:   256 << 20,
		Patience:      2 * time.Second,
		MaxSlides:     50_000,
		MaxWaiting:    20_000,
		MaxBacklog:    24 * time.Hour,
		MaxWait:       5 * time.Minute,
		MinRate:       1 << 10,
		BodyWindow:    30 * time.Second,
		HeaderTimeout: 10 * time.Second,
		MaxConns:      4096,
		MaxStreams:    512,
		TileCache:     64 << 20,
		OpenSlides:    4,
		Heartbeat:     15 * time.Second,
		Drain:         20 * time.Second,
	}
}

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fault.New(fault.Invalid, format, args...))
		}
	}
	need(c.Ledger != nil, "no ledger")
	need(c.Store != nil, "no store")
	need(c.Incoming != "", "no folder for uploads")
	need(c.Logger != nil, "no logger")
	need(c.Registry != nil, "no metrics registry")
	need(c.Model.Card.Name != "", "no model")
	need(c.MaxUpload > 0 && c.MaxPixels > 0, "uploads of %d bytes and %d pixels", c.MaxUpload, c.MaxPixels)
	need(c.SmallBytes >= 0 && c.SmallBytes <= c.SmallMemory, "small pictures of %d bytes in a memory of %d", c.SmallBytes, c.SmallMemory)
	need(c.Patience > 0, "a patience of %v", c.Patience)
	need(c.MaxSlides > 0 && c.MaxWaiting > 0 && c.MaxBacklog > 0 && c.MaxWait > 0, "no room on the queue")
	need(c.MinRate > 0 && c.BodyWindow > 0 && c.HeaderTimeout > 0, "bodies of %d bytes a second over %v", c.MinRate, c.BodyWindow)
	need(c.MaxConns > 0 && c.MaxStreams > 0, "%d connections, %d streams", c.MaxConns, c.MaxStreams)
	need(c.Linger >= 0, "a linger of %v", c.Linger)
	need(c.Heartbeat > 0 && c.Drain > 0, "a heartbeat of %v, a drain of %v", c.Heartbeat, c.Drain)
	need(c.TileCache >= 0 && c.OpenSlides > 0, "a tile cache of %d bytes, %d open slides", c.TileCache, c.OpenSlides)
	return errors.Join(append(errs, c.Slide.Validate())...)
}
