package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"bcc/blob"
	"bcc/cohort"
	"bcc/fault"
	"bcc/fetch"
	"bcc/native/ort"
	"bcc/queue"
	"bcc/resources"
	"bcc/telemetry"
	"bcc/worker"
)

// labourer is all that bcc worker runs.
type labourer struct {
	log      *slog.Logger
	registry *prometheus.Registry

	judge   *judge
	store   blob.Store
	place   string // of the store
	queue   *queue.Queue
	fetcher *fetch.Fetcher
	machine *resources.Sampler
	guard   *resources.Guard
	worker  *worker.Worker
	finish  time.Duration // for what is begun at the end
	probes  *probes       // nil: nobody asks
	tracer  *telemetry.Tracer
}

// run works until ctx ends and everything that was opened is closed.
func (f *workerFlags) run(ctx context.Context, set *pflag.FlagSet, std Streams) error {
	w, err := f.open(ctx, set, std.Err)
	if err != nil {
		return err
	}
	return errors.Join(w.run(ctx, std.Out), w.close())
}

// open opens every part, those that are asked before those who ask; what a mistake on
// the command line would end is checked before anything slow begins.
func (f *workerFlags) open(ctx context.Context, set *pflag.FlagSet, notes io.Writer) (_ *labourer, err error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	f.jobs, f.minTissue = max(f.slots, defaultJobs), defaultMinTissue
	w := &labourer{registry: telemetry.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.log, err = telemetry.NewLogger(notes, f.logLevel, f.logFormat); err != nil {
		return nil, err
	}
	if w.judge, err = newJudge(set, f.detectFlags); err != nil {
		return nil, err
	}
	if w.probes, err = listenProbes(f.metrics, w.registry); err != nil {
		return nil, err
	}
	if w.fetcher, err = f.sources.fetcher(int64(f.maxUpload), w.registry); err != nil {
		return nil, err
	}
	w.place = f.store
	if w.store, err = f.sources.store(f.store, w.registry); err != nil {
		return nil, err
	}
	if err := reach(ctx, w.store, f.store, w.log); err != nil {
		return nil, err
	}
	if w.tracer, err = f.traces.tracer(ctx, "worker", f.id, w.log); err != nil {
		return nil, err
	}
	w.store = blob.Traced(w.store, w.tracer.Provider())
	in, err := f.joining(w.log, w.registry)
	if err != nil {
		return nil, err
	}
	if w.queue, err = queue.Open(ctx, in); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(f.scratch, 0o700); err != nil {
		return nil, fault.Hint(fault.New(fault.Unavailable, "--scratch: %w", err), "name a folder that you may write to")
	}
	if err := writableAs("--scratch", f.scratch); err != nil {
		return nil, err
	}
	if w.machine, err = resources.NewSampler(ctx, resources.Config{Folder: f.scratch, GPUs: gpus}); err != nil {
		return nil, err
	}
	return w, f.openWorker(ctx, w, notes)
}

// openWorker starts the engine and the worker over it.
func (f *workerFlags) openWorker(ctx context.Context, w *labourer, notes io.Writer) error {
	engine := f.engineFlags
	engine.spare, engine.log, engine.registry = true, w.log, w.registry
	engine.measure, engine.slides = true, max(f.slots, defaultJobs)
	if err := w.judge.start(context.WithoutCancel(ctx), engine, notes); err != nil {
		return err
	}
	e := w.judge.engine
	var err error
	if w.guard, err = e.guard(w.log, w.registry); err != nil {
		return err
	}
	if err := resources.Register(w.registry, w.machine.Latest); err != nil {
		return err
	}
	cfg := worker.DefaultConfig()
	cfg.Room = room(w.guard)
	cfg.ID, cfg.Kind, cfg.Scratch = f.id, f.kind, f.scratch
	cfg.Finish, cfg.Drain, w.finish = f.finish, f.drain, f.finish
	if f.slots > 0 {
		cfg.Jobs = f.slots
	}
	cfg.RSS, cfg.Logger, cfg.Registerer = w.rss, w.log, w.registry
	cfg.Tracer = w.tracer.Provider()
	cfg.Engine, cfg.Memory, cfg.CPU = e.Busy, w.memory, w.cpu
	if at, err := blob.Parse(f.store); err == nil && at.Bucket != "" {
		cfg.Readers = max(remoteReaders, cores)
	}
	m, err := e.workerModel(w.judge, telemetry.NewGauges(w.registry, w.rss), w.log)
	if err != nil {
		return err
	}
	w.worker, err = worker.New(cfg, m, w.store, w.queue, cohort.NewDesk(w.store, w.queue), w.fetcher)
	return err
}

// remoteReaders is how many goroutines read a slide of object storage: each waits some
// ten milliseconds for its bytes, and takes no core meanwhile.
const remoteReaders = 8

// memory is how much of this machine's is used, and how much it has.
func (w *labourer) memory() (used, limit uint64) {
	s := w.machine.Latest()
	return s.MemoryUsed, s.MemoryTotal
}

// rss is the memory of this process, in bytes, as it was a moment ago.
func (w *labourer) rss() uint64 { return w.machine.Latest().RSSBytes }

// cpu is how busy this machine's cores were a moment ago, percent.
func (w *labourer) cpu() float64 { return w.machine.Latest().CPUPercent }

// run runs what open opened, until ctx ends or the last device is lost.
func (w *labourer) run(ctx context.Context, out io.Writer) error {
	b := w.judge.bundle
	_, err := fmt.Fprintf(out, `bcc %s works with model %s %s (sha256 %.12s) on %s
  queue   %s
  store   %s
Research use only: nothing it answers is a diagnosis.
`, telemetry.Version, b.Card.Name, b.Card.Version, b.Digest, w.judge.engine.devices(), w.queue.Place(), w.place)
	if err != nil {
		return unwritten(err)
	}
	work, stopWork := context.WithCancel(ctx)
	defer stopWork()
	side, stopSide := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSide()
	var sides errgroup.Group
	sides.Go(func() error { return w.machine.Run(side) })
	sides.Go(func() error { return w.guard.Run(side) })
	sides.Go(func() error { return w.judge.engine.rest(side) })
	sides.Go(func() error { return w.probes.Run(side) })
	go func() {
		select {
		case <-w.judge.engine.ended: // every device is lost
			stopWork()
		case <-work.Done():
		}
	}()
	defer context.AfterFunc(ctx, func() {
		w.probes.ready(false)
		w.log.Info("draining: nothing new is taken; what is begun is finished for a while, then handed back", "finish", w.finish)
	})()
	w.probes.ready(true)
	err = w.worker.Run(work) // drains: what is unfinished goes back to the queue, which is closed after
	w.probes.ready(false)
	stopSide()
	err = errors.Join(err, sides.Wait())
	if ctx.Err() != nil {
		w.log.Info("stopped")
	}
	return err
}

// close closes what is open, those who ask before those who answer.
func (w *labourer) close() error {
	var errs []error
	if w.judge != nil && w.judge.engine != nil {
		errs = append(errs, w.judge.engine.Close())
	}
	if w.fetcher != nil {
		errs = append(errs, w.fetcher.Close())
	}
	if w.queue != nil {
		errs = append(errs, w.queue.Close())
	}
	if c, ok := w.store.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	errs = append(errs, w.probes.Close(), w.tracer.Close())
	return errors.Join(errs...)
}

// workerModel is the running engine as workers know it.
func (e *engine) workerModel(j *judge, gauges *telemetry.Gauges, log *slog.Logger) (worker.Model, error) {
	rows, err := j.bundle.RowsDigest()
	ref, noRef := j.bundle.Reference()
	if noRef != nil {
		log.Warn("drift is measured against nothing", "error", noRef)
	}
	return worker.Model{
		Reference: ref,
		Rows:      rows + " by ONNX Runtime " + ort.Version(), // another one's last digits may differ
		Detect:    j.cfg, Scorer: timed{e, gauges}, Urgent: timed{e.Urgent(), gauges}, Runners: len(e.runners),
		Devices: strings.Split(e.devices(), ","), Degraded: e.Degraded,
	}, err
}
