// Package slide opens whole-slide images and reads their pixels.
package slide

import (
	"context"
	"io"

	"bcc/fault"
	"bcc/wsi"
)

// ErrNoMPP is returned where neither the file nor the caller says how large a pixel is.
var ErrNoMPP = fault.Hint(
	fault.New(fault.Invalid, "the slide does not say how many micrometres a pixel spans"),
	"give the scale of level 0 with --mpp, for example --mpp 0.5")

// Slide is one open slide. It is safe for concurrent use.
type Slide struct{}

// Open opens the slide of size bytes behind r. It never closes r.
func Open(r io.ReaderAt, size int64, cfg Config) (*Slide, error) {
	return nil, fault.New(fault.Unsupported, "not yet")
}

// Format names the kind of file: "aperio-svs", "generic-tiff", "png", "jpeg".
func (s *Slide) Format() string { return "" }

// Levels returns the resolutions, the largest first.
func (s *Slide) Levels() []wsi.Level { return nil }

// MPP returns the scale of level 0, or ErrNoMPP.
func (s *Slide) MPP() (wsi.MPP, error) { return wsi.MPP{}, ErrNoMPP }

// Read writes the rectangle r, in pixels of the level, as tight RGB into dst.
func (s *Slide) Read(ctx context.Context, level int, r wsi.Rect, dst []byte) error { return nil }

// Overview returns a picture of the whole slide at about down level-0 pixels per pixel.
func (s *Slide) Overview(ctx context.Context, down float64) (*wsi.Overview, error) { return nil, nil }

// Close frees the decoders and the cache.
func (s *Slide) Close() error { return nil }
