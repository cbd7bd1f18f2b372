package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"bcc/blob"
	"bcc/cohort"
	"bcc/detect"
	"bcc/disk"
	"bcc/fault"
	"bcc/fetch"
	"bcc/queue"
	"bcc/report"
	"bcc/resources"
	"bcc/server"
	"bcc/slide"
	"bcc/telemetry"
	"bcc/worker"
	"bcc/wsi"
)

// service is all that bcc serve runs.
type service struct {
	version  string
	log      *slog.Logger
	registry *prometheus.Registry
	data     string
	unlock   func()

	access   *access
	judge    *judge   // its engine is nil without workers in this process
	decoders isolated // of slides, where there is no engine that has them
	store    blob.Store
	queue    *queue.Queue
	ledger   *cohort.Ledger
	workers  []runner
	looker   server.Looker
	fetcher  *fetch.Fetcher
	tracer   *telemetry.Tracer
	probes   *probes // nil: nobody asks
	machine  *resources.Sampler
	audit    *os.File

	greeting string                        // address that balancers hear on the queue; empty: none
	sides    []func(context.Context) error // what runs beside: counts, samples, sends later
	degraded []func() []string             // who knows what is not as it should be
	server   *server.Server
	listener net.Listener
	address  string // of the page, as a person types it
	place    string // where slides, results and the queue lie, in words
}

// runner is a part that runs until ctx ends.
type runner interface {
	Run(ctx context.Context) error
}

// open opens every part, those that are asked before those who ask. What a mistake
// on the command line would end is checked before anything slow begins.
func (f *serveFlags) open(ctx context.Context, set *pflag.FlagSet, notes io.Writer) (_ *service, err error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	s := &service{version: telemetry.Version, registry: telemetry.NewRegistry(), data: f.data, greeting: f.announce}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.log, err = telemetry.NewLogger(notes, f.logLevel, f.logFormat); err != nil {
		return nil, err
	}
	if s.tracer, err = f.traces.tracer(ctx, "serve", "", s.log); err != nil {
		return nil, err
	}
	if s.probes, err = listenProbes(f.metricsAddr, s.registry); err != nil {
		return nil, err
	}
	s.sides = append(s.sides, s.probes.Run)
	addr, err := f.listen.address()
	if err != nil {
		return nil, err
	}
	if s.judge, err = newJudge(set, f.detectFlags); err != nil {
		return nil, err
	}
	if err := s.lock(); err != nil {
		return nil, err
	}
	if s.access, err = f.access.openAccess(ctx, addr, len(f.listen.domains) > 0, f.data, s.registry); err != nil {
		return nil, err
	}
	s.sides = append(s.sides, s.access.limiter.Run)
	how, err := f.listen.encryption(f.data, s.log, s.registry)
	if err != nil {
		return nil, err
	}
	if how.keeper != nil {
		s.sides = append(s.sides, how.keeper.Run)
		s.degraded = append(s.degraded, how.keeper.Degraded)
	}
	if s.fetcher, err = f.sources.fetcher(int64(f.maxUpload), s.registry); err != nil {
		return nil, err
	}
	if err := s.listen(ctx, f, addr, how); err != nil {
		return nil, err
	}
	// From here on Ctrl-C stops nothing half opened: run does, in its order.
	if err := s.openParts(context.WithoutCancel(ctx), f, notes); err != nil {
		return nil, err
	}
	return s, s.openServer(f, set)
}

// lock takes the data folder, making it, for this server alone.
func (s *service) lock() error {
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return fault.Hint(fault.New(fault.Unavailable, "--data %s: %w", s.data, err), "name a folder that you may write to")
	}
	var err error
	s.unlock, err = disk.Lock(s.data)
	if errors.Is(err, disk.ErrLocked) {
		return fault.Hint(fault.New(fault.Busy, "--data %s: another server runs on this folder", s.data),
			"stop it, or name another folder with --data")
	} else if err != nil {
		return fault.New(fault.Unavailable, "--data %s: %w", s.data, err)
	}
	return writableAs("--data", s.data)
}

// listen opens the address before anything slow: where it is taken, that is told now.
func (s *service) listen(ctx context.Context, f *serveFlags, addr string, how *encryption) error {
	ln, err := f.listen.listen(ctx, addr)
	if err != nil {
		return err
	}
	s.listener, s.address = ln, "http://"+ln.Addr().String()
	if how.config != nil {
		s.listener, s.address = tls.NewListener(ln, how.config), "https://"+ln.Addr().String()
	}
	if how.config == nil && !loopback(ctx, addr) {
		s.access.state += "; NOT ENCRYPTED: keys and slides can be read on their way (--tls-cert, --acme-domain, or a proxy)"
	}
	if how.host != "" {
		s.address = "https://" + how.host // the issuer wants it there, whatever leads from there to here
	}
	return nil
}

// openParts opens what works behind the API.
func (s *service) openParts(ctx context.Context, f *serveFlags, notes io.Writer) (err error) {
	if err := s.openStore(ctx, f); err != nil {
		return err
	}
	s.store = blob.Traced(s.store, s.tracer.Provider())
	if err := s.openQueue(ctx, f); err != nil {
		return err
	}
	if err := s.openLedger(ctx, f); err != nil {
		return err
	}
	if s.machine, err = resources.NewSampler(ctx, resources.Config{Folder: s.data, GPUs: gpus}); err != nil {
		return err
	}
	s.sides = append(s.sides, s.machine.Run)
	if err := resources.Register(s.registry, s.machine.Latest); err != nil {
		return err
	}
	if err := s.openWorkers(ctx, f, notes); err != nil {
		return err
	}
	s.audit, err = os.OpenFile(filepath.Join(s.data, "audit.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.New(fault.Unavailable, "audit log: %w", err)
	}
	return nil
}

// openServer opens the API over all of it.
func (s *service) openServer(f *serveFlags, set *pflag.FlagSet) (err error) {
	cfg := server.DefaultConfig()
	cfg.Ledger, cfg.Store, cfg.Looker, cfg.Fetcher = s.ledger, s.store, s.looker, s.fetcher
	cfg.Verifier, cfg.Limiter, cfg.TrustedProxies = s.access.verifier, s.access.limiter, s.access.proxies
	cfg.Local = s.access.local
	cfg.Alone = !f.shared() // the queue is this process's own, and so is what was on it
	c := &s.judge.cfg
	cfg.Model = server.Model{
		Card: s.judge.bundle.Card, SHA256: s.judge.bundle.Digest,
		Threshold: c.Aggregate.Threshold, Overlap: c.Patch.Overlap, MinTissue: c.Patch.MinTissue,
	}
	cfg.Settings = f.settings(set)
	cfg.Plan = s.plan
	cfg.Machine, cfg.Degraded = s.readMachine, s.words
	cfg.Slide.Codecs, cfg.Open = c.Slide.Codecs, viewed(c.Open)
	cfg.Resample = c.Patch.Resample
	cfg.Tracer = s.tracer.Provider()
	cfg.Registry, cfg.Logger, cfg.Audit, cfg.Version = s.registry, s.log, s.audit, s.version
	cfg.Incoming = filepath.Join(s.data, "incoming")
	cfg.MaxUpload, cfg.MaxPixels, cfg.ReserveDisk = int64(f.maxUpload), f.maxPixels, int64(f.reserve)
	cfg.Workers, cfg.Shard, cfg.Linger = f.workers, worker.DefaultConfig().Shard, f.linger
	// A connection may have a file of its own, and the queue and the store need theirs:
	// where all are taken by those who say nothing, nobody is served any more.
	if files := resources.OpenFiles(); files > 0 {
		cfg.MaxConns = max(1, min(cfg.MaxConns, files/3))
	}
	s.server, err = server.New(cfg)
	return err
}

// viewed opens slides for viewers as walks have them opened. Nil: in this process.
func viewed(open detect.OpenFunc) func(context.Context, io.ReaderAt, int64, slide.Config) (server.Pixels, error) {
	if open == nil {
		return nil
	}
	return func(ctx context.Context, r io.ReaderAt, size int64, cfg slide.Config) (server.Pixels, error) {
		s, err := open(ctx, detect.Source{ReaderAt: r, Size: size}, cfg)
		if err != nil {
			return nil, err // not a typed nil in an interface
		}
		return s, nil
	}
}

// plan finds the patches of a slide anew, as a result with those parameters had them.
func (s *service) plan(ctx context.Context, file io.ReaderAt, bytes int64, p report.Parameters) (*wsi.Grid, error) {
	w := s.judge.cfg.Walk
	w.Patch.Overlap, w.Patch.MinTissue = p.Overlap, p.MinTissue
	return detect.Plan(ctx, w, detect.Source{ReaderAt: file, Size: bytes, MPP: wsi.MPP{X: p.MPPOverrideUM, Y: p.MPPOverrideUM}})
}

// readMachine is what this computer has and uses.
func (s *service) readMachine() server.Machine {
	r := s.machine.Latest()
	m := server.Machine{
		Cores: r.Cores, CPUPercent: r.CPUPercent, RSSBytes: r.RSSBytes,
		MemoryUsed: r.MemoryUsed, MemoryTotal: r.MemoryTotal, DiskFree: r.DiskFree, DiskTotal: r.DiskTotal,
		MemoryPercent: r.MemoryPercent(), DiskUsage: r.DiskPercent(), NetworkIn: r.NetworkIn, NetworkOut: r.NetworkOut, GPUs: r.GPUs,
	}
	if e := s.judge.engine; e != nil {
		m.Devices = strings.Split(e.devices(), ",")
	}
	return m
}

// words is what is not as it should be.
func (s *service) words() []string {
	var all []string
	for _, degraded := range s.degraded {
		all = append(all, degraded()...)
	}
	return all
}
