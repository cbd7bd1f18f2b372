package cli

import (
	"context"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/resources"
	"bcc/telemetry"
)

// guard watches the memory of a process with an engine: rooms ask it whether they may
// begin anything new, and the engine gives back what it can.
func (e *engine) guard(log *slog.Logger, registry prometheus.Registerer) (*resources.Guard, error) {
	leak() // nothing, but in builds for tests
	g, err := resources.NewGuard(e.guardConfig(log, registry))
	e.watch = g
	return g, err
}

func (e *engine) guardConfig(log *slog.Logger, registry prometheus.Registerer) resources.GuardConfig {
	cfg := resources.DefaultGuardConfig()
	cfg.Relieve, cfg.Logger, cfg.Registerer = e.relieve, log, registry
	return cfg
}

// guarded keeps watch over the memory until stop is called, which waits for it, and over
// the door through which slides of a list begin; notes hear when memory gets tight.
func guarded(ctx context.Context, e *engine, notes io.Writer) (stop func(), err error) {
	log, err := telemetry.NewLogger(notes, "info", "text")
	if err != nil {
		return nil, err
	}
	g, err := e.guard(log, nil)
	if err != nil {
		return nil, err
	}
	e.door = &door{room: room(g), give: e.shrink, log: log}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = g.Run(ctx) // ends with its context
	}()
	return func() { cancel(); <-ended }, nil
}

// relieve gives back what the level asks for.
func (e *engine) relieve(ctx context.Context, level resources.Level) {
	switch level {
	case resources.Calm:
		e.Press(0, 0)
		return
	case resources.Tight:
		e.Press(1, max(len(e.runners)/2, 1))
	case resources.Full:
		e.Press(1, 1)
	}
	e.shrink(ctx)
}

// shrink gives the system what the engine and Go hold and do not use.
func (e *engine) shrink(ctx context.Context) {
	models := e.models
	if spares := e.spares.Load(); spares != nil {
		models = slices.Concat(models, spares.models)
	}
	for _, m := range models {
		if err := m.Shrink(ctx); err != nil && ctx.Err() == nil && e.log != nil {
			e.log.Debug("give the engine's memory back", "error", err)
		}
	}
	debug.FreeOSMemory()
}

// How long an engine has nothing to do before what it holds is given back, and how
// often that is looked at.
const (
	restAfter = time.Minute
	restEvery = 10 * time.Second
)

// rest gives memory back when the engine has had nothing to do for a while, once each
// time, until ctx ends.
func (e *engine) rest(ctx context.Context) error {
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	var r resting
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if worked, _ := e.Busy(); r.due(time.Now(), worked) {
			e.shrink(ctx)
		}
	}
}

// resting is what is remembered of an engine's work. The zero value has seen none.
type resting struct {
	worked time.Duration
	since  time.Time
	done   bool
}

// due reports, once, that runners which have worked for so long in all have not for
// restAfter.
func (r *resting) due(now time.Time, worked time.Duration) bool {
	if worked != r.worked || r.since.IsZero() {
		*r = resting{worked: worked, since: now, done: worked == 0}
		return false
	}
	if r.done || now.Sub(r.since) < restAfter {
		return false
	}
	r.done = true
	return true
}
