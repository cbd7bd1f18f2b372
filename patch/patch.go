// Package patch plans the patches of a slide and reads them: a tissue mask, the
// model's patch size and its physical scale come in, a grid and then the pixels
// of every planned patch go out. It decodes nothing itself and runs no model.
//
// Positions and extents of a grid are whole level-0 pixels, so that a patch, its
// cell in the heat map and its contour in a viewer are the same square to the
// pixel. Only the size of the pixels is matched to the model: by reading the
// nearest finer level and resampling.
package patch

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"bcc/fault"
	"bcc/wsi"
)

// Config says how the slide is cut into patches and how they are read.
type Config struct {
	SizePx int     // side of a patch in pixels as the model sees it; no default
	MPP    float64 // µm per pixel as the model sees it; no default

	// Overlap is the part of a patch's side that it shares with the next, 0 to
	// 0.75. Default 0: each place is looked at once.
	Overlap float64

	// MinTissue is the fraction of a patch that has to lie inside the tissue
	// mask, 0 to 1; what lies beyond the slide counts as no tissue. Default 0.5.
	// 0 takes every patch that touches tissue; none is ever taken that does not.
	MinTissue float64

	// MaxCells limits the grid, planned or not. Default 50 million, 50 times
	// the largest real slide at an overlap of 0.75: more is a wrong scale.
	MaxCells int64

	// Readers is the number of goroutines that read. Default 0: one a core.
	Readers int

	// Prefetch is the number of patches that are out at a time: read and not yet
	// released. A receiver that holds more of them at once has to ask for more.
	// Default 32, two rounds of batches of 4 on two cores.
	Prefetch int

	// Buffer, where set, makes the memory of one patch, so that patches may lie in
	// memory that other processes see. It is called at most Prefetch times, by several
	// goroutines. Default nil: make.
	Buffer func(bytes int) []byte

	// Released, where set, is called after each patch's Release: that many are
	// through. It is called from several goroutines.
	Released func()

	// Read, where set, hears how long each patch took to read: what of it had to be
	// decoded, and scaling. It is called from several goroutines.
	Read func(took time.Duration)

	// CacheBytes is the size of the tile cache behind the Source, for which the
	// order of reading is chosen. Default 64 MiB, that of slide.
	CacheBytes int64

	// Resample scales pixels. Default nil: Resample of this package. Another
	// has to give the same bytes.
	Resample ResampleFunc
}

// DefaultConfig returns the defaults named at each field, for a model that sees
// sizePx×sizePx pixels of mpp µm.
func DefaultConfig(sizePx int, mpp float64) Config {
	return Config{
		SizePx: sizePx, MPP: mpp,
		MinTissue: 0.5, MaxCells: 50e6,
		Prefetch: 32, CacheBytes: 64 << 20,
	}
}

// Validate returns every problem of the configuration at once.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.SizePx < 1 || c.SizePx > 4096 {
		bad("patch side of %d pixels: want 1 to 4096", c.SizePx)
	}
	if !(wsi.MPP{X: c.MPP, Y: c.MPP}).Valid() {
		bad("patch scale of %v µm/px: want 0.01 to 100", c.MPP)
	}
	if !(c.Overlap >= 0 && c.Overlap <= 0.75) {
		bad("overlap %v: want 0 to 0.75", c.Overlap)
	}
	if !(c.MinTissue >= 0 && c.MinTissue <= 1) {
		bad("minimum tissue %v: want 0 to 1", c.MinTissue)
	}
	if c.MaxCells < 0 || c.Readers < 0 || c.Prefetch < 0 || c.CacheBytes < 0 {
		bad("a limit is negative: cells %d, readers %d, prefetch %d, cache %d bytes", c.MaxCells, c.Readers, c.Prefetch, c.CacheBytes)
	}
	if len(errs) > 0 {
		return fault.New(fault.Invalid, "patch configuration: %w", errors.Join(errs...))
	}
	return nil
}

// filled returns c with zeros replaced by their defaults.
func (c Config) filled() Config {
	d := DefaultConfig(c.SizePx, c.MPP)
	if c.MaxCells == 0 {
		c.MaxCells = d.MaxCells
	}
	if c.Readers == 0 {
		c.Readers = runtime.GOMAXPROCS(0)
	}
	if c.Prefetch == 0 {
		c.Prefetch = d.Prefetch
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = d.CacheBytes
	}
	if c.Resample == nil {
		c.Resample = Resample
	}
	if c.Buffer == nil {
		c.Buffer = func(bytes int) []byte { return make([]byte, bytes) }
	}
	return c
}
