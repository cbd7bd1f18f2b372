package resources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
)

// Level is how tight memory is.
type Level int

// The levels, and what rooms do at each.
const (
	Calm  Level = iota // as planned
	Tight              // smaller batches or fewer, one slide at a time, caches are given back
	Full               // and nothing new is taken
)

func (l Level) String() string { return [...]string{"calm", "tight", "full"}[l] }

// GuardConfig says when memory counts as tight.
type GuardConfig struct {
	// Tight and Full are the shares of the memory from which a level holds, 0 to 1.
	// Defaults 0.8 and 0.9: the kernel kills at 1, and a batch or a slide that is begun
	// takes its part before it ends.
	Tight, Full float64
	// Gap is how far below its bound the share has to be before a level is left, and
	// Settle for how long. Defaults 0.05 and 5 s: what was given back would be taken
	// again at once, and given back, and so on.
	Gap    float64
	Settle time.Duration
	// Every is the time between two looks. Default 200 ms: a decoder fills some hundred
	// MiB in a second.
	Every time.Duration
	// Again is the time after which what can be given back is given back once more, while
	// memory stays tight. Default 10 s: the engine's cache costs a batch to fill anew.
	Again time.Duration
	// Memory returns what is used of how much, bytes. Default: Memory of this package.
	Memory func(ctx context.Context) (used, total uint64, err error)
	// Relieve gives back what the level asks for. It is called at each change of the level
	// and Again after, by one goroutine. Default nil: nothing is.
	Relieve func(ctx context.Context, l Level)

	Logger     *slog.Logger          // default nil: nobody hears
	Registerer prometheus.Registerer // default nil: no metrics
}

// DefaultGuardConfig returns the defaults.
func DefaultGuardConfig() GuardConfig {
	return GuardConfig{
		Tight: 0.8, Full: 0.9, Gap: 0.05, Settle: 5 * time.Second, Every: 200 * time.Millisecond, Again: 10 * time.Second,
		Memory: func(ctx context.Context) (used, total uint64, err error) {
			used, total, _, err = Memory(ctx)
			return used, total, err
		},
	}
}

// Validate returns every problem at once.
func (c GuardConfig) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fault.New(fault.Invalid, format, args...))
		}
	}
	bad(!(c.Gap >= 0 && c.Gap < c.Tight && c.Tight < c.Full && c.Full <= 1), "memory tight from %v, full from %v, left %v below: want 0 <= gap < tight < full <= 1", c.Tight, c.Full, c.Gap)
	bad(c.Every <= 0 || c.Settle < 0 || c.Again <= 0, "memory looked at every %v, settled after %v, relieved again after %v: want more than 0", c.Every, c.Settle, c.Again)
	bad(c.Memory == nil, "nobody to ask for the memory")
	return errors.Join(errs...)
}

// Guard watches the memory that there is, so that work is refused before the kernel
// kills. Its methods may be called by any number of goroutines.
type Guard struct {
	cfg GuardConfig
	met *guardMetrics

	mu    sync.Mutex
	watch watch
	used  uint64
	total uint64
}

// watch is what is remembered from look to look. The zero value is calm.
type watch struct {
	level Level
	below time.Time // since when the share is below what would leave the level; zero: it is not
}

// NewGuard returns a guard that is calm until Run looks.
func NewGuard(cfg GuardConfig) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "memory guard: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Guard{cfg: cfg}
	var err error
	g.met, err = newGuardMetrics(cfg.Registerer, g)
	return g, err
}

// Run looks until ctx ends.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(g.cfg.Every)
	defer tick.Stop()
	var relieved time.Time
	for {
		before := g.Level()
		now := time.Now()
		level := g.look(ctx, now)
		if level != before || level > Calm && now.Sub(relieved) >= g.cfg.Again {
			if g.cfg.Relieve != nil {
				g.cfg.Relieve(ctx, level)
			}
			relieved = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look reads the memory and returns the level that follows.
func (g *Guard) look(ctx context.Context, now time.Time) Level {
	used, total, err := g.cfg.Memory(ctx)
	if err != nil || total == 0 {
		g.cfg.Logger.Debug("look at the memory", "error", err)
		return g.Level() // as it was
	}
	g.mu.Lock()
	before := g.watch.level
	g.used, g.total = used, total
	g.watch = g.cfg.next(g.watch, now, float64(used)/float64(total))
	level := g.watch.level
	g.mu.Unlock()
	if level != before {
		g.met.entered(level)
		log := g.cfg.Logger.Warn
		if level == Calm {
			log = g.cfg.Logger.Info
		}
		log(said[level], "level", level.String(), "level_before", before.String(), "used_bytes", used, "total_bytes", total)
	}
	return level
}

var said = map[Level]string{
	Calm:  "memory is calm again: everything as planned",
	Tight: "memory is tight: fewer patches and slides at a time, caches are given back",
	Full:  "memory is nearly full: nothing new is taken until there is more",
}

// next returns the state after share of the memory was used at now: up at once, down
// where it has stayed below for long enough.
func (c GuardConfig) next(w watch, now time.Time, share float64) watch {
	at := Calm
	switch {
	case share >= c.Full:
		at = Full
	case share >= c.Tight:
		at = Tight
	}
	if at >= w.level {
		// Between the bound and the gap below it nothing changes either way.
		return watch{level: at}
	}
	bound := map[Level]float64{Tight: c.Tight, Full: c.Full}[w.level]
	switch {
	case share >= bound-c.Gap:
		w.below = time.Time{}
	case w.below.IsZero():
		w.below = now
	}
	if !w.below.IsZero() && now.Sub(w.below) >= c.Settle {
		return watch{level: w.level - 1} // one at a time
	}
	return w
}

// Level returns how tight memory is. That of a nil guard is calm.
func (g *Guard) Level() Level {
	if g == nil {
		return Calm
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.watch.level
}

// Degraded says in words what is not as planned because of it. Nil: nothing.
func (g *Guard) Degraded() []string {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.watch.level {
	case Tight:
		return []string{fmt.Sprintf("memory is tight: %s of %s are used; fewer patches and slides at a time", mib(g.used), mib(g.total))}
	case Full:
		return []string{fmt.Sprintf("memory is nearly full: %s of %s are used; nothing new is taken until there is more", mib(g.used), mib(g.total))}
	}
	return nil
}
