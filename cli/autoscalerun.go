package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"bcc/autoscale"
	"bcc/autoscale/local"
	"bcc/client"
	"bcc/fault"
	"bcc/queue"
	"bcc/telemetry"
)

var _ autoscale.Leader = (*queue.Leader)(nil)

// scaler is all that bcc autoscale runs.
type scaler struct {
	flags    *autoscaleFlags
	log      *slog.Logger
	registry *prometheus.Registry

	probes *probes // nil: nobody asks
	client *client.Client
	target autoscale.Target
	unlock func()        // the folder of the target's workers
	queue  *queue.Queue  // nil: there is no election
	leader *queue.Leader // nil, too
	loop   *autoscale.Loop
}

// run decides until ctx ends, or once, and closes everything that was opened.
func (f *autoscaleFlags) run(ctx context.Context, _ *pflag.FlagSet, std Streams) error {
	s, err := f.open(ctx, std)
	if err != nil {
		return err
	}
	return errors.Join(s.run(ctx), s.close())
}

// open opens every part; what a mistake on the command line would end is checked before
// anybody is asked.
func (f *autoscaleFlags) open(ctx context.Context, std Streams) (_ *scaler, err error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	cfg := autoscale.DefaultConfig()
	cfg.Interval, cfg.Drain, cfg.UrgentDrain, cfg.Work = f.interval, f.drain, f.urgent, f.work()
	policy, err := autoscale.New(f.policy, cfg)
	if err != nil {
		return nil, err
	}
	s := &scaler{flags: f, registry: telemetry.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.log, err = telemetry.NewLogger(std.Err, f.logLevel, f.logFormat); err != nil {
		return nil, err
	}
	if s.target, s.unlock, err = f.openTarget(std.Out, s.log); err != nil {
		return nil, err
	}
	if s.probes, err = listenProbes(f.metrics, s.registry); err != nil {
		return nil, err
	}
	if s.client, err = f.ask.open(std.note()); err != nil {
		return nil, err
	}
	if _, err := s.client.Fleet(ctx); err != nil { // a wrong address or key ends this at once, a server that is away when --patience is over
		return nil, asked(err)
	}
	if err := s.check(ctx, cfg); err != nil {
		return nil, err
	}
	if err := s.stand(ctx); err != nil {
		return nil, err
	}
	source := &fleetSource{client: s.client, target: f.target}
	loop := autoscale.DefaultLoopConfig()
	loop.Policy, loop.Source, loop.Target, loop.Publisher = policy, source, s.target, source
	if s.leader != nil {
		loop.Leader = s.leader
	}
	loop.Interval, loop.Stale, loop.Patience = f.interval, max(loop.Stale, 4*f.interval), max(loop.Patience, f.interval)
	loop.DryRun, loop.Logger, loop.Registerer = f.dryRun, s.log, s.registry
	if f.dryRun {
		explain, err := newExplainer(std.Out, f.json, policy, cfg)
		if err != nil {
			return nil, err
		}
		loop.Explain = explain.outcome
		loop.Logger = slog.New(slog.DiscardHandler) // what it says is said by the explanation
	}
	s.loop, err = autoscale.NewLoop(loop)
	return s, err
}

// check asks the target once: what is wrong with a name, a right or a key is told to who
// has just typed it. What passes, is waited for. And it says what a short drain costs.
func (s *scaler) check(ctx context.Context, cfg autoscale.Config) error {
	groups, err := s.target.Groups(ctx)
	switch fault.Of(err) {
	case fault.Invalid, fault.NotFound, fault.Unsupported:
		return fmt.Errorf("--target %s: %w", s.flags.target, err)
	}
	start, routine, urgent := cfg.Hasty(groups)
	for _, d := range []struct {
		hasty bool
		flag  string
		drain time.Duration
	}{{routine, "--drain", cfg.Drain}, {urgent, "--urgent-drain", cfg.UrgentDrain}} {
		if d.hasty && cfg.Work.Keep > 0 && s.flags.policy == "work" {
			s.log.Warn(d.flag+" is shorter than a worker that starts can be of use in: after such work idle workers are kept",
				"drain", d.drain, "start_up", start, "keep", cfg.Work.Keep, "hint", "give it more time, or say how long with --keep; 0: not at all")
		}
	}
	return nil
}

// stand joins the queue over which the leader is elected. What is only looked at needs none.
func (s *scaler) stand(ctx context.Context) (err error) {
	f := s.flags
	if f.dryRun {
		return nil
	}
	if f.queue == "" {
		s.log.Info("no --queue: this is taken for the only autoscaler of the fleet")
		return nil
	}
	in, err := f.joining(s.log, s.registry)
	if err != nil {
		return err
	}
	if s.queue, err = queue.Open(ctx, in); err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	s.leader, err = s.queue.Lead(ctx, "autoscale", fmt.Sprintf("%s-%s", host, rand.Text()[:6]), f.term)
	return err
}

// run runs what open opened.
func (s *scaler) run(ctx context.Context) error {
	s.log.Info("autoscaler", "version", telemetry.Version, "policy", s.flags.policy, "target", s.flags.target, "server", hostOf(s.client.Server()), "interval", s.flags.interval)
	side, stopSide := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSide()
	var sides errgroup.Group
	sides.Go(func() error { return s.probes.Run(side) })
	if s.leader != nil {
		sides.Go(func() error { return s.leader.Run(side) })
	}
	s.probes.ready(true)

	// The order of the end, and why.
	var err error
	if s.flags.once {
		err = s.once(ctx)
	} else {
		err = s.loop.Run(ctx) // 1. nothing more is decided
	}
	s.probes.ready(false)
	err = errors.Join(err, s.stopWorkers(ctx)) // 2. while we lead still: nobody else starts them again meanwhile
	stopSide()                                 // 3. the lead is given up, so that the next one need not wait for it
	err = errors.Join(err, sides.Wait())
	if ctx.Err() != nil {
		s.log.Info("stopped; workers go on")
	}
	return err
}

// once decides once, if this one leads or nobody else does.
func (s *scaler) once(ctx context.Context) error {
	if s.leader != nil {
		for begun := time.Now(); !s.leader.Leads(); {
			if time.Since(begun) > 2*s.flags.term {
				return fault.Hint(fault.New(fault.Busy, "another autoscaler leads: %.80s", s.leader.Who()), "end it, or leave it to that one")
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return s.loop.Step(ctx).Err
}

// stopWorkers ends the workers of this machine, where that was asked for and it is ours
// to do.
func (s *scaler) stopWorkers(ctx context.Context) error {
	named, _ := s.target.(*namedTarget)
	here, ok := named.Target.(*local.Target)
	if !ok || !s.flags.local.stop || s.flags.dryRun || s.leader != nil && !s.leader.Leads() {
		return nil
	}
	s.log.Info("workers are asked to end; those that are at something finish it", "finish", s.flags.local.finish)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.flags.local.finish+time.Minute)
	defer cancel()
	return here.Stop(ctx)
}

// close closes what is open, those who ask before those who answer.
func (s *scaler) close() error {
	var errs []error
	if s.client != nil {
		errs = append(errs, s.client.Close())
	}
	if s.queue != nil {
		errs = append(errs, s.queue.Close())
	}
	errs = append(errs, s.probes.Close())
	if s.unlock != nil {
		s.unlock() // last: from now on another may change the workers of the folder
	}
	return errors.Join(errs...)
}
