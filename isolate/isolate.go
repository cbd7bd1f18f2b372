// Package isolate decodes slides in child processes: a file that kills or hangs its
// decoder, or wants all memory, costs one child and one slide.
//
// In: a slide's bytes, trusted in nothing. Out: a Slide, which reads as one of this
// process does, with the same bytes. It knows no formats and runs no model.
//
//	    this process                              child (bcc decode)
//	Pool ── starts, keeps warm, ends ───────────► confine, filter: what it may
//	Slide ── asks ────── socket (wire.go) ──────► main, decode: opens, reads
//	  ▲   ◄─ patches ─── shared memory (window) ─ pace: patches as they are read
//	watch.go: how long it may be silent           asking: the slide's bytes
//
// What a child may use is bounded by the kernel: memory, processor time, files of no
// bytes, no network, no other program (docs/isolation.md). Bytes of a slide that is a
// file on this machine are read by the child, which is handed the open file; others
// come through this process. Pixels are decoded into memory that both see.
package isolate

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
	"bcc/patch"
	"bcc/slide"
	"bcc/wsi"
)

// ErrKilled is in the error of a slide whose decoder died or had to be ended. What
// it died of stands behind it in words.
var ErrKilled error = killed{}

type killed struct{}

func (killed) Error() string { return "the slide brought its decoder down" }

// Blames says to whoever counts attempts that it was the slide's doing.
func (killed) Blames() bool { return true }

// Config says what children are and what they may use.
type Config struct {
	// Command is the program that calls Child, with its arguments. No default.
	Command []string
	// Name is what lists of processes call children. Default: the program.
	Name string
	// Env is the environment of children. Default: empty, so that no key is in it.
	Env []string

	// Memory bounds what a child may allocate, in bytes. Default 1.5 GiB, ten times
	// what slide needs for the worst file. Stacks of threads come on top.
	Memory int64
	// CPU and CPUPerMpx bound the processor time that a slide may use: so much, and so
	// much for each million pixels of its level 0. Defaults 10 min and 1 s, thirty times
	// what the slowest codec needs to decode each pixel once.
	CPU, CPUPerMpx time.Duration
	// Patience is how long a child that is asked may say nothing and read nothing.
	// Default 1 min: ten thousand times what a patch takes.
	Patience time.Duration
	// Slides is how many slides a child decodes before another takes its place.
	// Default 50: starting one takes as long as a small slide.
	Slides int
	// Idle is the number of children kept for the next slides. Default 2.
	Idle int

	Logger     *slog.Logger          // default: none
	Registerer prometheus.Registerer // may be nil
}

// DefaultConfig returns the defaults named at each field.
func DefaultConfig() Config {
	return Config{
		Memory: 1536 << 20,
		CPU:    10 * time.Minute, CPUPerMpx: time.Second,
		Patience: time.Minute, Slides: 50, Idle: 2,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// minMemory is what a child needs to begin and to read a small slide.
const minMemory = 128 << 20

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fault.New(fault.Invalid, format, args...))
		}
	}
	bad(len(c.Command) == 0, "no command that decodes")
	bad(c.Memory < minMemory, "memory of %d bytes: want %d or more", c.Memory, minMemory)
	bad(c.CPU < time.Second || c.CPUPerMpx < 0, "processor time of %v and %v a Mpx: want 1 s or more, and not below 0", c.CPU, c.CPUPerMpx)
	bad(c.Patience <= 0, "patience of %v: want more than 0", c.Patience)
	bad(c.Slides < 1, "%d slides a child: want 1 or more", c.Slides)
	bad(c.Idle < 0, "%d idle children", c.Idle)
	return errors.Join(errs...)
}

// Slide is an open slide, decoded by a child. It is safe for concurrent use, and has
// the methods that detect wants of a slide.
type Slide struct{ reader }

// reader is a slide of a child, or one of this process where there are none.
type reader interface {
	// Format names the kind of file, as slide.Slide.Format.
	Format() string
	// Levels returns the resolutions, the largest first.
	Levels() []wsi.Level
	// MPP returns the scale of level 0, or slide.ErrNoMPP.
	MPP() (wsi.MPP, error)
	// Overview returns the slide about down times smaller than level 0.
	Overview(ctx context.Context, down float64) (*wsi.Overview, error)
	// Read writes the pixels of r, in pixels of the level, to dst as RGB.
	Read(ctx context.Context, level int, r wsi.Rect, dst []byte) error
	// Patches sends every planned patch of g once, as patch.Reader.Read does.
	// cfg.Resample and cfg.Buffer are the child's own.
	Patches(ctx context.Context, g *wsi.Grid, cfg patch.Config, out chan<- wsi.Patch) error
	// Close gives the child back, or ends it where something is still running.
	Close() error
}

// here is a slide that this process decodes, where there can be no children.
type here struct{ *slide.Slide }

func (h here) Patches(ctx context.Context, g *wsi.Grid, cfg patch.Config, out chan<- wsi.Patch) error {
	r, err := patch.NewReader(h.Slide, g, cfg)
	if err != nil {
		return err
	}
	return r.Read(ctx, out)
}
