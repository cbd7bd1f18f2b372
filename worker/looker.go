package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // sizes only
	_ "image/png"
	"log/slog"
	"math"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/cohort"
	"bcc/detect"
	"bcc/fault"
	"bcc/report"
)

// LookerConfig says how small pictures are looked at.
type LookerConfig struct {
	// MaxWait is how long a picture may wait for those let in before it; more is
	// refused. Default 40 ms: enough waits to keep every runner busy, and a full server
	// answers within a few times what it takes at its capacity.
	MaxWait time.Duration
	// CacheBytes bounds the answers remembered. Default 16 MiB, some ten thousand. 0: none.
	CacheBytes int
	// Refuse reports whether no picture is to be let in, because memory is nearly full.
	// Default nil: never.
	Refuse func() bool

	Logger     *slog.Logger          // default nil: nobody hears
	Registerer prometheus.Registerer // default nil: no metrics
}

// DefaultLookerConfig returns the defaults.
func DefaultLookerConfig() LookerConfig {
	return LookerConfig{MaxWait: 40 * time.Millisecond, CacheBytes: 16 << 20}
}

// Validate returns every problem at once.
func (c LookerConfig) Validate() error {
	var errs []error
	if c.MaxWait <= 0 {
		errs = append(errs, fault.New(fault.Invalid, "wait of at most %v: want more than 0", c.MaxWait))
	}
	if c.CacheBytes < 0 {
		errs = append(errs, fault.New(fault.Invalid, "%d bytes of answers", c.CacheBytes))
	}
	return errors.Join(errs...)
}

// Looker looks at small pictures in memory. It is safe for concurrent use.
type Looker struct {
	model    Model
	detector *detect.Detector
	room     *room
	recall   *recall
	full     func() bool // memory; nil: never
	log      *slog.Logger
	metrics  *metrics
}

// NewLooker returns a looker over the model, which it may share with workers.
func NewLooker(cfg LookerConfig, m Model) (*Looker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "looker: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m.Detect.OnePatch = true // a patch that somebody cut for this model
	m.Detect.Open = nil      // here: a process of its own costs a small picture a third of the rate (docs/results.md)
	m.Detect.Patch.Readers = 1
	m.Detect.Slide.Workers = 1 // pictures of many clients fill the cores
	d, met, err := m.open(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	return &Looker{
		model: m, detector: d, log: cfg.Logger, metrics: met,
		room: newRoom(cfg.MaxWait, m.Runners, met.lookRoom), recall: newRecall(cfg.CacheBytes), full: cfg.Refuse,
	}, nil
}

// Picture is a small picture as it came.
type Picture struct {
	Data       []byte
	SHA256     string // of Data, lower-case hex; empty: it is computed
	Name       string // as it shall stand in the answer; never logged
	Parameters cohort.Parameters
}

// Look is what is to be said about a picture.
type Look struct {
	Result  report.Result
	Patches []PatchLook // in grid order
	Cached  bool        `json:"-"`
}

// PatchLook is one patch of a picture, in level-0 pixels.
type PatchLook struct {
	X, Y, W, H  int
	Probability float32 // of BCC; with a slide head, its share of the score
	Tissue      float32 // share inside the tissue, 0 to 1
}

// Full reports whether a small picture would be refused now, and when to come again.
func (l *Looker) Full() (retryAfter time.Duration, full bool) {
	if l.full != nil && l.full() {
		return fullWait, true
	}
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	return l.room.full(1)
}

// fullWait is when to come again where memory is nearly full: some looks of its guard.
const fullWait = 2 * time.Second

// enter lets a picture of so many patches in, or returns a *Full.
func (l *Looker) enter(patches int) error {
	if l.full != nil && l.full() {
		return &Full{fullWait}
	}
	return l.room.enter(patches)
}

// Look walks the picture, which must not change meanwhile. When ctx ends, so does
// the work. Where there is no room it returns a *Full, of kind Busy; what was looked
// at lately is answered from memory, room or not.
func (l *Looker) Look(ctx context.Context, p Picture) (Look, error) {
	if p.SHA256 == "" {
		sum := sha256.Sum256(p.Data)
		p.SHA256 = hex.EncodeToString(sum[:])
	}
	words := l.model.words()
	key, err := lookKey(p, words)
	if err != nil {
		return Look{}, err
	}
	if look, ok := l.known(key); ok {
		look.Cached, look.Result.Slide.Name = true, p.Name
		l.metrics.looks.WithLabelValues("cached").Inc()
		return look, nil
	}
	patches := l.guess(p)
	if err := l.enter(patches); err != nil {
		l.metrics.looks.WithLabelValues("refused").Inc()
		return Look{}, err
	}
	begun := time.Now()
	look, err := l.walk(ctx, p, words)
	l.room.leave(patches, err == nil)
	switch {
	case err == nil:
		l.metrics.looks.WithLabelValues("done").Inc()
		l.metrics.lookTook.Observe(time.Since(begun).Seconds())
		l.metrics.patches.WithLabelValues(direct).Add(float64(len(look.Patches)))
		l.metrics.answered(direct, string(look.Result.Prediction))
	case ctx.Err() != nil:
		l.metrics.looks.WithLabelValues("gone").Inc()
		return Look{}, context.Cause(ctx)
	default:
		l.metrics.looks.WithLabelValues("failed").Inc()
		return Look{}, inWords(err)
	}
	l.recall.put(key, look)
	look.Result.Slide.Name = p.Name
	return look, nil
}

// known returns what was said about the picture lately.
func (l *Looker) known(key string) (Look, bool) {
	look, ok, poisoned := l.recall.get(key)
	answer := "miss"
	switch {
	case ok:
		answer = "hit"
	case poisoned:
		answer = "poisoned"
		l.log.Error("a remembered answer did not fit its checksum and is dropped")
	}
	l.metrics.cache.WithLabelValues(direct, answer).Inc()
	return look, ok
}

// lookKey names the answer: by the picture's content, what is asked for, and what is
// not as it should be. The model does not change in a process.
func lookKey(p Picture, words []string) (string, error) {
	if err := p.Parameters.Validate(); err != nil {
		return "", err
	}
	b, err := json.Marshal(p.Parameters)
	return p.SHA256 + string(b) + strings.Join(words, "\n"), err
}

// walk never panics: a picture must not take the others down.
func (l *Looker) walk(ctx context.Context, p Picture, words []string) (look Look, err error) {
	defer func() {
		if v := recover(); v != nil {
			l.log.Error("a look broke down", "panic", v, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "the program broke down on this picture: %v", v)
		}
	}()
	d, err := l.detector.With(func(c *detect.Config) {
		asked(c, p.Parameters)
		say(c, words...)
	})
	if err != nil {
		return Look{}, err
	}
	f, err := d.Look(ctx, detect.Source{
		ReaderAt: bytes.NewReader(p.Data), Size: int64(len(p.Data)), MPP: scale(p.Parameters),
		SHA256: func() (string, error) { return p.SHA256, nil },
	}, nil)
	if err != nil {
		return Look{}, err
	}
	look = Look{Result: f.Result, Patches: make([]PatchLook, f.Grid.Len())}
	for i, c := range f.Grid.Cells {
		r := f.Grid.Rect(i)
		look.Patches[i] = PatchLook{r.X, r.Y, r.W, r.H, f.Values[i], c.Tissue}
	}
	return look, nil
}

// guess returns how many patches the picture has at most, by what its head says; of
// those without one that is quickly read, by their bytes.
func (l *Looker) guess(p Picture) int {
	cfg, _, err := image.DecodeConfig(bytes.NewReader(p.Data))
	if err != nil {
		const bytesAPatch = 32 << 10 // of a compressed patch of 224 px
		return 1 + len(p.Data)/bytesAPatch
	}
	side := float64(l.model.Detect.Patch.SizePx)
	if um := p.Parameters.MPPUM; um > 0 {
		side *= l.model.Detect.Patch.MPP / um
	}
	step := max(side*(1-l.model.Detect.Patch.Overlap), 1)
	along := func(px int) float64 { return math.Ceil(max(float64(px)-side, 0)/step) + 1 }
	return int(min(along(cfg.Width)*along(cfg.Height), 1e6))
}

func (p Picture) String() string { return fmt.Sprintf("picture of %d bytes", len(p.Data)) }
