//go:build !linux

package isolate

import (
	"context"
	"io"

	"bcc/fault"
	"bcc/patch"
	"bcc/slide"
)

// Pool decodes slides in this process: only Linux bounds children as they must be.
type Pool struct{}

func newPool(Config, *metrics) *Pool { return &Pool{} }

func (p *Pool) open(_ context.Context, r io.ReaderAt, size int64, cfg slide.Config) (reader, error) {
	return openHere(r, size, cfg)
}

// Degraded says in words what protects less than it should.
func (p *Pool) Degraded() []string {
	return []string{"slides are decoded in the process that walks them: only Linux can bound decoders"}
}

// Close ends all children.
func (p *Pool) Close() error { return nil }

// Child is what the command of a Pool runs.
func Child(slide.Codecs, patch.ResampleFunc) error {
	return fault.New(fault.Unsupported, "decoding for another process: only on Linux")
}
