package cohort

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/blob"
	"bcc/fault"
	"bcc/queue"
)

// Queue is what a ledger needs of the queue: queue.Queue.
type Queue interface {
	Wire
	Put(ctx context.Context, jobs ...queue.Job) error
	Ready() error // nil: a Put has a chance
	Backlog(ctx context.Context) (queue.Backlog, error)
}

// Wire carries words to whoever listens now.
type Wire interface {
	Tell(topic string, data []byte) error
	Listen(topic string, f func(topic string, data []byte)) (stop func(), err error)
}

// Config says how cohorts are kept.
type Config struct {
	Store blob.Store // no default
	Queue Queue      // no default

	// MaxSlides is the most slides that one cohort may have. Default 100,000, three
	// times the largest public set.
	MaxSlides int
	// Rescan is how often the store is asked for what no word came of. Default 20 s.
	Rescan time.Duration
	// Silence is how long a worker may say nothing of a slide that it walks before
	// the slide counts as waiting again. Default 30 s, the lease of a job.
	Silence time.Duration
	// PricePerHour is what an hour of a worker costs, USD. Default 0: not known.
	PricePerHour float64
	// Prices is the same of workers of a kind, where it is another. Default: of none.
	Prices map[string]float64
	// Kept is how many slides of cohorts that are over stay in memory, for those who
	// look at them. Default 60,000: about 50 MB.
	Kept int

	// Check reads an object below patches/ and says whether it is whole: Corrupt is
	// dropped by Repair, NotFound is gone, Unsupported is of another version and stays.
	// The worker owns the format. Default nil: they are not looked at.
	Check func(ctx context.Context, key string) error

	Logger     *slog.Logger          // default nil: nobody hears
	Registerer prometheus.Registerer // default nil: no metrics
}

// DefaultConfig returns the defaults, without a store and a queue.
func DefaultConfig() Config {
	return Config{MaxSlides: 100_000, Rescan: 20 * time.Second, Silence: 30 * time.Second, Kept: 60_000}
}

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fault.New(fault.Invalid, format, args...))
		}
	}
	bad(c.Store == nil, "no store")
	bad(c.Queue == nil, "no queue")
	bad(c.MaxSlides < 1, "at most %d slides: want 1 or more", c.MaxSlides)
	bad(c.Rescan <= 0, "rescan every %v: want more than 0", c.Rescan)
	bad(c.Silence <= 0, "silence of %v: want more than 0", c.Silence)
	bad(!(c.PricePerHour >= 0) || math.IsInf(c.PricePerHour, 0), "price of %v USD an hour", c.PricePerHour)
	for kind, usd := range c.Prices {
		bad(!ValidKind(kind), "price of workers of kind %.80q: want up to 63 letters, digits, dots, dashes, underscores", kind)
		bad(!(usd >= 0) || math.IsInf(usd, 0), "price of %v USD an hour of workers of kind %.80s", usd, kind)
	}
	bad(c.Kept < 0, "%d slides kept", c.Kept)
	return errors.Join(errs...)
}

// Ledger keeps account of cohorts. It is safe for concurrent use.
type Ledger struct {
	cfg   Config
	shelf shelf
	log   *slog.Logger

	ctx     context.Context // ends with Close; guards what was started here, not calls
	stop    context.CancelFunc
	wg      sync.WaitGroup
	mute    []func() // end listening
	damaged *prometheus.CounterVec
	kicks   chan struct{} // cap 1: something is in woken

	mu      sync.Mutex
	open    map[string]*book  // with slides that have no end
	kept    *kept             // over, with their slides
	closed  map[string]closed // over, without them
	workers map[string]WorkerState
	said    map[string]bool // kinds of workers of which it was said that they have no price
	makes   map[makeOf]bool // of which it was said that they are at work beside others
	meter   meter
	opened  time.Time
	started bool                 // Open has read what there is
	gone    tally                // of cohorts that are over: what their slides took
	unread  map[string]unread    // cannot be read
	orphans map[string]time.Time // marked, without a manifest, since

	wokenMu sync.Mutex // taken after mu
	woken   map[string]struct{}
}

var errClosed = fault.New(fault.Unavailable, "the ledger is closed")

// Open reads from the store what is there, puts jobs that are missing on the queue
// again, and listens. Close ends it.
func Open(ctx context.Context, cfg Config) (*Ledger, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "ledger: %w", err)
	}
	l := &Ledger{
		cfg: cfg, log: cfg.Logger, damaged: newDamaged(), opened: time.Now(),
		kicks: make(chan struct{}, 1),
		open:  map[string]*book{}, kept: newKept(cfg.Kept), closed: map[string]closed{},
		woken: map[string]struct{}{}, workers: map[string]WorkerState{},
		unread: map[string]unread{}, orphans: map[string]time.Time{},
	}
	l.shelf = shelf{cfg.Store, l.foundDamaged}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := l.start(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Ledger) start(ctx context.Context) error {
	for topic, f := range map[string]func(string, []byte){topicCohorts: l.hear, topicWorkers: l.hearWorker} {
		mute, err := l.cfg.Queue.Listen(topic, f)
		if err != nil {
			return err
		}
		l.mute = append(l.mute, mute)
	}
	if err := l.readClosed(ctx); err != nil {
		return err
	}
	if err := l.scan(ctx); err != nil {
		return err
	}
	if _, err := l.requeue(ctx, true); err != nil {
		return err
	}
	if err := l.register(); err != nil {
		return err
	}
	l.wg.Go(l.keep)
	return nil
}

// Close ends what the ledger does by itself and waits for it. Nothing is lost: all
// lies in the store.
func (l *Ledger) Close() error {
	l.mu.Lock()
	l.stop()
	l.mu.Unlock()
	for _, mute := range l.mute {
		mute()
	}
	l.wg.Wait()
	return nil
}

// say tells a word; that it may be lost is what rescans are for.
func (l *Ledger) say(topic string, data []byte) {
	if err := l.cfg.Queue.Tell(topic, data); err != nil {
		l.log.Debug("a word was not told", "topic", topic, "error", err)
	}
}

// Manifest returns the cohort as it was submitted. Its slides are shared: they must
// not be changed.
func (l *Ledger) Manifest(ctx context.Context, id string) (Manifest, error) {
	b, err := l.find(ctx, id)
	if err != nil {
		return Manifest{}, err
	}
	return b.Manifest, nil
}

// Summary returns how far a cohort is.
func (l *Ledger) Summary(ctx context.Context, id string) (Summary, error) {
	l.mu.Lock()
	if c, is := l.closed[id]; is {
		defer l.mu.Unlock()
		return c.Summary, nil
	}
	l.mu.Unlock()
	b, err := l.find(ctx, id)
	if err != nil {
		return Summary{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.summary(b, l.outlook(time.Now(), false)), nil
}

// summary is Summary. The caller holds mu.
func (l *Ledger) summary(b *book, o *outlook) Summary {
	cost := l.costNow(b, l.inHand(b, o.like))
	return Summary{
		ID: b.ID, Owner: b.Owner, Name: b.Name, Priority: b.Priority,
		Submitted: b.Submitted, Deadline: b.Deadline, RetryOf: b.RetryOf,
		State: b.state(), Counts: b.counts, Patches: b.patches,
		CapUSD: b.cap.usd, Held: b.held(),
		Forecast: l.forecast(b, o), Cost: cost,
		Degraded: slices.Concat(b.heldWords(cost.USD), l.unserved(b), b.words),
	}
}

// Summaries returns the cohorts of an owner, or all, the newest first. Among all are
// those that cannot be read: nothing is known of them but what Degraded says.
func (l *Ledger) Summaries(_ context.Context, owner string, all bool) ([]Summary, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.outlook(time.Now(), true)
	list := []Summary{}
	for _, b := range l.open {
		if all || b.Owner == owner {
			list = append(list, l.summary(b, now))
		}
	}
	for id, c := range l.closed {
		if l.open[id] == nil && (all || c.Owner == owner) {
			list = append(list, c.Summary)
		}
	}
	for id, u := range l.unread {
		if all { // nobody knows whose they are
			list = append(list, u.summary(id))
		}
	}
	slices.SortFunc(list, func(a, b Summary) int {
		return cmp.Or(b.Submitted.Compare(a.Submitted), strings.Compare(a.ID, b.ID))
	})
	return list, nil
}

// Slides returns where at most limit slides of a cohort stand, from offset on, in
// the manifest's order.
func (l *Ledger) Slides(ctx context.Context, id string, offset, limit int) ([]Status, error) {
	if offset < 0 || limit < 0 {
		return nil, fault.New(fault.Invalid, "slides from %d, at most %d: want 0 or more", offset, limit)
	}
	b, err := l.find(ctx, id)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	from := min(offset, len(b.lines))
	list := make([]Status, 0, min(limit, len(b.lines)-from))
	for i := from; i < len(b.lines) && len(list) < limit; i++ {
		list = append(list, b.status(i))
	}
	return list, nil
}

// Slide returns where one slide stands, and its cohort's manifest, which is shared.
func (l *Ledger) Slide(ctx context.Context, slideID string) (Status, Manifest, error) {
	id, i, err := ParseSlideID(slideID)
	if err != nil {
		return Status{}, Manifest{}, err
	}
	b, err := l.find(ctx, id)
	if err != nil {
		return Status{}, Manifest{}, err
	}
	if i >= len(b.lines) {
		return Status{}, Manifest{}, fault.New(fault.NotFound, "there is no slide %s", slideID)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return b.status(i), b.Manifest, nil
}
