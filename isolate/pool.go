package isolate

import (
	"context"
	"io"
	"log/slog"

	"bcc/fault"
	"bcc/slide"
)

// NewPool returns a pool; a first child is started beside. Where the system cannot
// have children bounded, slides are decoded in this process, and Degraded says so.
func NewPool(cfg Config) (*Pool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "decoders: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	met, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	return newPool(cfg, met), nil
}

// Open opens the slide of size bytes behind r, which stays the caller's to close after
// the Slide. cfg.Codecs are the child's own. Errors are those of slide.Open, with the
// same kinds, hints and sentinels, and whatever r gives, itself; beside them ErrKilled
// (Corrupt; Unavailable where something else may have ended the child), and
// Unavailable where no child can be had.
func (p *Pool) Open(ctx context.Context, r io.ReaderAt, size int64, cfg slide.Config) (*Slide, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "open slide: %w", err)
	}
	s, err := p.open(ctx, r, size, cfg)
	if err != nil {
		return nil, err
	}
	return &Slide{s}, nil
}

// openHere opens a slide in this process.
func openHere(r io.ReaderAt, size int64, cfg slide.Config) (reader, error) {
	s, err := slide.Open(r, size, cfg)
	if err != nil {
		return nil, err // not a typed nil in an interface
	}
	return here{s}, nil
}
