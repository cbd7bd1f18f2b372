// Package slide opens whole-slide images and reads their pixels: TIFF and BigTIFF
// pyramids, flat TIFF of any size, Aperio SVS, and single PNG and JPEG pictures.
//
// In: an io.ReaderAt of known size (a file, an object store) that is trusted in
// nothing, and the decoders for JPEG and JPEG 2000, which are native code. Out:
// levels, the scale of level 0, any rectangle of any level as RGB, and a small
// overview.
//
//	formats.go    the table of formats, each a file: sniff, open
//	page.go       a TIFF directory that passed every check
//	layout.go     how a level is cut into segments, and how one is decoded
//	read.go       a rectangle out of segments, through cache.go
//	overview.go   the whole slide in one small picture
//
// Everything a file claims is checked against its size and limits.go before
// anything is allocated; memory stays below about 150 MB whatever comes. Label
// and macro images are never decoded, and of texts only numbers are read.
// Orientation tags are ignored: a slide is shown as it was scanned.
package slide

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"bcc/fault"
	"bcc/wsi"
)

// decodeBytes bounds the memory of large tiles that are being decoded at once.
// Small ones, which is all of them on real slides, do not count.
const (
	decodeBytes = 96 << 20
	smallDecode = 4 << 20
)

// Slide is one open slide. It is safe for concurrent use.
type Slide struct {
	r      io.ReaderAt
	format string
	levels []level
	mpp    wsi.MPP // zero: unknown
	closed atomic.Bool

	workers int // goroutines that make an overview

	bufs     buffers
	cache    *tileCache
	jpeg     pool[JPEGDecoder]
	jpeg2000 pool[JPEG2000Decoder]
	large    *semaphore.Weighted
}

// Open opens the slide of size bytes behind r, which stays the caller's to close
// after the Slide. Every byte range that a level refers to is checked here, so a
// truncated file fails at once. The kinds of error are Invalid (cfg), Unsupported,
// Corrupt, Unavailable (a codec is missing), and whatever r gives.
func Open(r io.ReaderAt, size int64, cfg Config) (*Slide, error) {
	if err := cfg.Validate(); err != nil {
		return nil, wrap(err, "open slide")
	}
	s := &Slide{
		r:        r,
		jpeg:     pool[JPEGDecoder]{name: "JPEG", open: cfg.Codecs.JPEG},
		jpeg2000: pool[JPEG2000Decoder]{name: "JPEG 2000", open: cfg.Codecs.JPEG2000},
		large:    semaphore.NewWeighted(decodeBytes),
	}
	if s.workers = cfg.Workers; s.workers == 0 {
		s.workers = runtime.GOMAXPROCS(0)
	}
	budget := cfg.CacheBytes
	if budget == 0 {
		budget = DefaultCacheBytes
	}
	s.bufs.pressed = cfg.Pressed
	s.cache = newTileCache(&s.bufs, budget)
	if err := s.open(size); err != nil {
		s.Close()
		return nil, wrap(err, "open slide")
	}
	s.cache.budget = max(budget, s.stripBudget())
	s.cache.least = max(s.cache.least, s.stripBudget())
	if cfg.MPP.Valid() {
		s.mpp = cfg.MPP
	}
	return s, nil
}

// stripBudget returns what a walk over strips needs in the cache: the 512 rows
// that a row of patches may touch, within twice the default.
func (s *Slide) stripBudget() int64 {
	if l := s.levels[0]; l.strips && l.memory == nil {
		return min(3*512*int64(l.Size.W), 2*DefaultCacheBytes)
	}
	return 0
}

// Format names the kind of file: "aperio-svs", "generic-tiff", "png", "jpeg".
func (s *Slide) Format() string { return s.format }

// Levels returns the resolutions, the largest first.
func (s *Slide) Levels() []wsi.Level {
	out := make([]wsi.Level, len(s.levels))
	for i, l := range s.levels {
		out[i] = l.Level
	}
	return out
}

// MPP returns the scale of level 0, or ErrNoMPP.
func (s *Slide) MPP() (wsi.MPP, error) {
	if !s.mpp.Valid() {
		return wsi.MPP{}, ErrNoMPP
	}
	return s.mpp, nil
}

// Close frees decoders and cache. Reads that are under way still end well; later
// ones fail. A second Close does nothing.
func (s *Slide) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.jpeg.close()
	s.jpeg2000.close()
	s.cache.drop()
	s.bufs.drop()
	return nil
}

// usePages makes the levels of pages, the largest first, and checks that there
// are decoders for them.
func (s *Slide) usePages(pages []*page) error {
	for i, p := range pages {
		if err := s.checkCodec(p); err != nil {
			return err
		}
		l := s.newLevel(p)
		l.Index = i
		l.DownX, l.DownY = downsample(pages[0].size, p.size)
		if t, ok := l.layout.(*streamedStrips); ok {
			t.level = i
		}
		s.levels = append(s.levels, l)
	}
	return nil
}

// checkCodec opens a decoder for the page, which the first read will use.
func (s *Slide) checkCodec(p *page) error {
	var err error
	switch p.codec.kind {
	case kindJPEG:
		var d JPEGDecoder
		if d, err = s.jpeg.get(); err == nil {
			s.jpeg.put(d)
		}
	case kindJPEG2000:
		var d JPEG2000Decoder
		if d, err = s.jpeg2000.get(); err == nil {
			s.jpeg2000.put(d)
		}
	}
	return err
}

// reserve waits until a segment of the level may be decoded. free must be called
// afterwards.
func (s *Slide) reserve(ctx context.Context, l *level) (free func(), err error) {
	if l.cost == 0 {
		return func() {}, nil
	}
	if err := s.large.Acquire(ctx, l.cost); err != nil {
		return nil, err
	}
	return func() { s.large.Release(l.cost) }, nil
}

// open finds the format of the file and opens it.
func (s *Slide) open(size int64) error {
	f := &input{r: s.r, size: size, head: make([]byte, min(32, max(size, 0)))}
	if len(f.head) == 0 {
		return fault.New(fault.Corrupt, "the file is empty")
	}
	if n, err := s.r.ReadAt(f.head, 0); n < len(f.head) && err != nil && !errors.Is(err, io.EOF) {
		return wrap(err, "read the first bytes")
	}
	i := slices.IndexFunc(formats, func(t format) bool { return t.match(f) })
	if f.err != nil {
		return f.err
	}
	if i < 0 {
		return fault.Hint(fault.New(fault.Unsupported, "not a TIFF, PNG or JPEG file"),
			"slides of other vendors can be converted: vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg --bigtiff")
	}
	s.format = formats[i].name
	return wrapOpen(s.format, formats[i].open(s, f))
}

func wrapOpen(format string, err error) error {
	if err == nil {
		return nil
	}
	return wrap(err, "read as %s", format)
}
