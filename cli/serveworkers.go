package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"bcc/cohort"
	"bcc/fault"
	"bcc/fetch"
	"bcc/resources"
	"bcc/server"
	"bcc/telemetry"
	"bcc/worker"
)

// What the rooms promise to each other.
var (
	_ server.Looker  = looker{}
	_ server.Fetcher = (*fetch.Fetcher)(nil)
	_ worker.Fetcher = (*fetch.Fetcher)(nil)
	_ runner         = (*worker.Worker)(nil)
)

// openWorkers starts the engine, and opens the workers and the looker that share it.
// Without workers here there is no engine: small pictures go through the queue as
// large ones do.
func (s *service) openWorkers(ctx context.Context, f *serveFlags, notes io.Writer) error {
	gauges := telemetry.NewGauges(s.registry, s.rss)
	if f.workers == 0 { // slides are opened all the same, for viewers
		var err error
		s.decoders, err = f.isolate.open(&s.judge.cfg.Walk, s.log, s.registry)
		s.degraded = append(s.degraded, s.decoders.Degraded)
		return err
	}
	engine := f.engineFlags
	engine.spare, engine.log, engine.registry = true, s.log, s.registry
	engine.measure, engine.slides = true, f.workers*f.jobs
	if err := s.judge.start(ctx, engine, notes); err != nil {
		return err
	}
	e := s.judge.engine
	guard, err := e.guard(s.log, s.registry)
	if err != nil {
		return err
	}
	s.degraded = append(s.degraded, e.Degraded, guard.Degraded)
	s.sides = append(s.sides, guard.Run, e.rest)
	m, err := e.workerModel(s.judge, gauges, s.log)
	if err != nil {
		return err
	}
	cfg := worker.DefaultConfig()
	cfg.Kind, cfg.Jobs, cfg.Scratch = server.KindInside, f.jobs, filepath.Join(s.data, "scratch")
	cfg.Pressure = func() time.Duration { return s.ledger.Load().Drain }
	cfg.RSS, cfg.Logger, cfg.Registerer = s.rss, s.log, s.registry
	cfg.Room = room(guard)
	cfg.Tracer = s.tracer.Provider()
	cfg.CPU = func() float64 { return s.machine.Latest().CPUPercent }
	if err := os.MkdirAll(cfg.Scratch, 0o700); err != nil {
		return fault.New(fault.Unavailable, "--data: %w", err)
	}
	desk := cohort.NewDesk(s.store, s.queue)
	for range f.workers {
		w, err := worker.New(cfg, m, s.store, s.queue, desk, s.fetcher)
		if err != nil {
			return err
		}
		s.workers = append(s.workers, w)
	}
	small := worker.DefaultLookerConfig()
	small.Logger, small.Registerer = s.log, s.registry
	small.Refuse = func() bool { return guard.Level() == resources.Full }
	l, err := worker.NewLooker(small, m)
	s.looker = looker{l}
	return err
}

// rss is the memory of this process, in bytes, as it was a moment ago.
func (s *service) rss() uint64 { return s.machine.Latest().RSSBytes }

// looker is the worker's in the words of the server: the two rooms do not know each
// other.
type looker struct{ *worker.Looker }

// Look walks the picture.
func (l looker) Look(ctx context.Context, p server.Picture) (server.Look, error) {
	look, err := l.Looker.Look(ctx, worker.Picture(p))
	if err != nil {
		if full, ok := errors.AsType[*worker.Full](err); ok {
			err = &server.Full{RetryAfter: full.RetryAfter}
		}
		return server.Look{}, err
	}
	patches := make([]server.Patch, len(look.Patches))
	for i, p := range look.Patches {
		patches[i] = server.Patch(p)
	}
	return server.Look{Result: look.Result, Patches: patches, Cached: look.Cached}, nil
}
