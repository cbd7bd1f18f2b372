package autoscale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
)

// Fleet is what a Source knows.
type Fleet struct {
	Now     time.Time // by the server's clock, when it was so
	Demands []Demand
	Shard   float64 // as in Signals
	Workers []Worker
}

// Worker is one that greets.
type Worker struct {
	ID, Kind    string
	Busy        bool
	Draining    bool    // finishes what it has, and goes: neither ready nor paid for much longer
	PatchesPerS float64 // while it has work; 0: not known yet
	CPUPercent  float64 // of its cores, 0 to 100
}

// Source knows the fleet: what is to be done, and who takes work.
type Source interface {
	Fleet(ctx context.Context) (Fleet, error)
}

// Leader says who may act, where several loops run.
type Leader interface {
	// While returns a context that ends when we lead no more; false: we do not lead.
	While(ctx context.Context) (context.Context, context.CancelFunc, bool)
}

// Publisher is told what was decided.
type Publisher interface {
	Publish(ctx context.Context, p Published) error
}

// Published is a decision as others are told of it.
type Published struct {
	Decision
	Policy string
	At     time.Time // by the server's clock
}

// LoopConfig is what a Loop is made of.
type LoopConfig struct {
	Policy    Policy
	Source    Source
	Target    Target
	Leader    Leader    // nil: we are alone
	Publisher Publisher // nil: nobody is told

	// Interval is how long it is from one decision to the next, default 15 s.
	Interval time.Duration
	// Stale is how old signals may be that are decided on, default a minute: four
	// decisions, so that one that is lost stops nothing.
	Stale time.Duration
	// Patience is how long a target that refuses is left alone at most, default 5 min;
	// it begins with an interval and doubles.
	Patience time.Duration
	// DryRun decides and moves nothing.
	DryRun bool
	// Explain is called after each round; nil: by nobody.
	Explain func(Outcome)

	Logger     *slog.Logger          // default: nothing is logged
	Registerer prometheus.Registerer // default: nobody's
	Now        func() time.Time      // default: time.Now
}

// DefaultLoopConfig returns the defaults; Policy, Source and Target have to be set.
func DefaultLoopConfig() LoopConfig {
	return LoopConfig{
		Interval: 15 * time.Second, Stale: time.Minute, Patience: 5 * time.Minute,
		Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Now: time.Now,
	}
}

// Validate returns every problem at once.
func (c LoopConfig) Validate() error {
	var p problems
	if c.Policy == nil || c.Source == nil || c.Target == nil {
		p.add("autoscaler: want a policy, somebody who knows the fleet, and a target")
	}
	p.between("autoscaler: decisions every", c.Interval, 10*time.Millisecond, time.Hour)
	p.between("autoscaler: signals older than", c.Stale, c.Interval, 24*time.Hour)
	p.between("autoscaler: patience with the target", c.Patience, c.Interval, 24*time.Hour)
	return errors.Join(p...)
}

// Outcome is what became of a round.
type Outcome struct {
	At       time.Time      // by our clock
	Leading  bool           // we may act
	Held     string         // why the last decision was kept; empty: it is new
	Signals  Signals        // what was decided on, groups as target and fleet have them together
	Decision Decision       // the zero one: there is none yet
	Left     map[string]int // how many there are after Scale, by kind; those that were not asked are missing
	Err      error          // what went wrong, all of it
}

// Loop asks, decides and hands the number to the target, again and again.
//
//	Source ─► signals ─┐
//	                   ├─ merged ─► Policy ─► Decision ─► Target, if we lead
//	Target ─► groups ──┘                          └─────► Publisher
//
// It keeps nothing that is needed after it: killed between a decision and the deed, the
// next one decides afresh on what is there. While somebody else leads it looks on, so
// that it has seen what was done when its turn comes.
type Loop struct {
	cfg     LoopConfig
	metrics *metrics

	past  []Record
	last  *Decision // the last good one
	said  string    // as last logged
	deaf  string    // why nobody could be told, as last logged; empty: somebody was
	seen  age
	ahead time.Duration // the server's clock before ours, when past was last put by it
	kinds map[string]*kindState
}

// NewLoop makes a loop; it does nothing before Run or Step.
func NewLoop(cfg LoopConfig) (*Loop, error) {
	d := DefaultLoopConfig()
	if cfg.Logger == nil {
		cfg.Logger = d.Logger
	}
	if cfg.Registerer == nil {
		cfg.Registerer = d.Registerer
	}
	if cfg.Now == nil {
		cfg.Now = d.Now
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	return &Loop{cfg: cfg, metrics: m, kinds: map[string]*kindState{}}, nil
}

// Run decides every interval until ctx ends. It bears whatever is away and returns nil.
func (l *Loop) Run(ctx context.Context) error {
	tick := time.NewTicker(l.cfg.Interval)
	defer tick.Stop()
	for {
		l.Step(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Step is one round. The error of the Outcome is told already, to the log and the
// metrics.
func (l *Loop) Step(ctx context.Context) Outcome {
	o := Outcome{At: l.cfg.Now()}
	act, end, leading := ctx, context.CancelFunc(func() {}), true
	if l.cfg.Leader != nil {
		act, end, leading = l.cfg.Leader.While(ctx)
	}
	if end != nil {
		defer end()
	}
	o.Leading = leading
	l.metrics.leads(leading)
	s, idle, err := l.look(ctx, o.At)
	switch {
	case ctx.Err() != nil:
		return o // what was asked was given up: that says nothing of the fleet
	case err != nil:
		l.hold(&o, err)
	default:
		l.decide(&o, s)
	}
	if o.Leading && !l.cfg.DryRun && l.last != nil && ctx.Err() == nil {
		l.scale(act, &o, idle)
		l.publish(act, &o)
	}
	if l.cfg.Explain != nil {
		l.cfg.Explain(o)
	}
	return o
}

// look asks both sides and puts together what they say; idle are the workers of each
// kind that may go.
func (l *Loop) look(ctx context.Context, at time.Time) (s Signals, idle map[string][]string, err error) {
	ctx, cancel := l.patient(ctx)
	defer cancel()
	f, err := l.cfg.Source.Fleet(ctx)
	if err = silence(ctx, err); err != nil {
		l.metrics.failed("signals")
		l.metrics.aged(l.seen.since(at))
		return Signals{}, nil, wrap(err, "signals of the fleet")
	}
	old := l.seen.saw(f.Now, at)
	l.metrics.aged(old)
	if old > l.cfg.Stale {
		l.metrics.failed("signals")
		return Signals{}, nil, fault.New(fault.Unavailable, "signals of the fleet: they are %s old, at most %v will do: the server's time stands still", lasting(old.Seconds()), l.cfg.Stale)
	}
	own, err := l.cfg.Target.Groups(ctx)
	if err = silence(ctx, err); err != nil {
		l.metrics.failed("target")
		return Signals{}, nil, wrap(err, "groups of the target")
	}
	fleet, idle := groups(f.Workers)
	return Signals{Now: f.Now, Demands: f.Demands, Groups: l.merge(own, fleet, f.Now, at), Shard: f.Shard}, idle, nil
}

// patient bounds how long one answer is waited for: half of how old it might be.
func (l *Loop) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, l.cfg.Stale/2, fault.New(fault.Unavailable, "no answer within %v", l.cfg.Stale/2))
}

// silence says of an error that came when the time was up what it is.
func silence(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}

// hold keeps the last good decision: workers that vanish are replaced, none is sent
// away by somebody who does not see.
func (l *Loop) hold(o *Outcome, err error) {
	o.Err = err
	o.Held = err.Error()
	l.metrics.decided("held")
	if l.last == nil {
		l.say(o, slog.LevelWarn, "nothing decided yet", err)
		return
	}
	o.Decision = *l.last
	l.say(o, slog.LevelWarn, "last decision kept", err)
}

func (l *Loop) decide(o *Outcome, s Signals) {
	o.Signals = s
	l.follow(s.Now, o.At)
	before := 0
	for _, g := range s.Groups {
		before += steered(g, l.past)
	}
	d, asked := l.cfg.Policy.Decide(s, l.past)
	for _, g := range s.Groups { // what a policy forgot stays
		n, ok := d.Wanted[g.Name]
		if !ok {
			n = g.Present()
		}
		if d.Wanted == nil {
			d.Wanted = map[string]int{}
		}
		d.Wanted[g.Name] = bounded(g.Kind, n)
	}
	o.Decision = d
	l.last = &d
	r := NewRecord(s, d, asked)
	if !o.Leading { // what somebody else made of it
		r.Wanted = maps.Clone(r.Present)
	}
	l.past = append(Trim(l.past, s.Now, l.cfg.Policy.Window()), r)
	way := direction(before, total(d.Wanted))
	l.metrics.decided(way)
	l.metrics.sees(s.Groups, d)
	l.say(o, slog.LevelInfo, "decided", nil)
}

// follow moves what was decided before along with the server's clock, where that was
// put right: records of the future would be taken for the last word until they come
// true. Less than Stale may be an answer that was on its way for long.
func (l *Loop) follow(now, at time.Time) {
	ahead := now.Sub(at)
	jump := ahead - l.ahead
	if len(l.past) > 0 && jump.Abs() <= l.cfg.Stale {
		return
	}
	l.ahead = ahead
	for i := range l.past {
		l.past[i].At = l.past[i].At.Add(jump)
	}
}

func direction(before, after int) string {
	switch {
	case after > before:
		return "up"
	case after < before:
		return "down"
	}
	return "keep"
}

// scale moves the target. Each kind for itself: one that refuses stops no other.
func (l *Loop) scale(ctx context.Context, o *Outcome, idle map[string][]string) {
	o.Left = map[string]int{}
	for _, kind := range sortedKeys(o.Decision.Wanted) {
		k := l.kinds[kind]
		if k == nil || !k.ours || o.At.Before(k.again) {
			continue
		}
		n := o.Decision.Wanted[kind]
		left, err := l.cfg.Target.Scale(ctx, kind, n, idle[kind])
		if err != nil {
			if ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return // we end, or lead no more
			}
			l.metrics.failed("scale")
			rest := k.refuse(o.At, l.cfg.Interval, l.cfg.Patience)
			err = wrap(err, "scale %s to %d", kind, n)
			o.Err = errors.Join(o.Err, err)
			l.cfg.Logger.Warn("the target does not follow; it is tried again", append([]any{"kind", kind, "wanted", n, "again_in", rest}, told(err)...)...)
			continue
		}
		k.refused = 0
		if k.stays(n, left, len(idle[kind]), o.At, l.cfg.Patience) {
			l.cfg.Logger.Warn("idle workers do not go", "kind", kind, "wanted", n, "left", left, "idle", len(idle[kind]),
				"hint", "bcc worker --id has to be what the target calls it: the pod's name, the instance's ID; and while another version is brought out nobody goes")
		}
		k.moved(left, o.At)
		o.Left[kind] = left
	}
}

func (l *Loop) publish(ctx context.Context, o *Outcome) {
	if l.cfg.Publisher == nil || o.Held != "" {
		return // who cannot be asked cannot be told
	}
	in, cancel := l.patient(ctx)
	defer cancel()
	err := silence(in, l.cfg.Publisher.Publish(in, Published{Decision: o.Decision, Policy: l.cfg.Policy.Name(), At: o.Signals.Now}))
	switch {
	case err == nil:
		l.deaf = ""
	case ctx.Err() == nil:
		l.metrics.failed("publish")
		o.Err = errors.Join(o.Err, wrap(err, "tell what is wanted"))
		level := slog.LevelWarn
		if l.deaf == fault.Of(err).String() {
			level = slog.LevelDebug
		}
		l.deaf = fault.Of(err).String()
		l.cfg.Logger.Log(ctx, level, "nobody was told what is wanted", told(err)...)
	}
}

// told is an error as it is logged, with what can be done about it.
func told(err error) []any {
	attrs := []any{"fault", fault.Of(err).String(), "error", err}
	if hint := fault.HintOf(err); hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	return attrs
}

// say logs a round: at the level where the number or the trouble is new, else for
// those who debug.
func (l *Loop) say(o *Outcome, level slog.Level, message string, err error) {
	attrs := []any{"policy", l.cfg.Policy.Name(), "wanted", total(o.Decision.Wanted), "reason", o.Decision.Reason, "leading", o.Leading, "dry_run", l.cfg.DryRun}
	if err != nil {
		attrs = append(attrs, told(err)...)
	}
	said := fmt.Sprint(message, o.Decision.Wanted, o.Leading, fault.Of(err))
	if err != nil { // "signals of the fleet: ..." is another trouble than "groups of the target: ..."
		about, _, _ := strings.Cut(err.Error(), ":")
		said += about
	}
	if said == l.said {
		level = slog.LevelDebug
	}
	l.said = said
	l.cfg.Logger.Log(context.Background(), level, message, attrs...)
}

func wrap(err error, format string, args ...any) error {
	return fault.New(fault.Of(err), format+": %w", append(args, err)...)
}
