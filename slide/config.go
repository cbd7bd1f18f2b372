package slide

import (
	"errors"

	"bcc/fault"
	"bcc/wsi"
)

// JPEGDecoder decodes the JPEG streams of a slide. One goroutine at a time.
type JPEGDecoder interface {
	// Decode writes the w×h image (its size after reduction) as tight RGB into dst.
	// tables is the directory's JPEGTables or nil. rgb says that the components
	// are red, green and blue whatever the markers say. reduce halves both sides
	// that many times (0 to 3), rounding up. The stream's own size must agree.
	Decode(dst []byte, w, h int, src, tables []byte, rgb bool, reduce int) error
	Close()
}

// JPEG2000Decoder decodes JPEG 2000 codestreams. One goroutine at a time.
type JPEG2000Decoder interface {
	// Decode writes the w×h image (its size after reduction) as tight RGB into dst.
	// ycc says that the components are luma and chroma. reduce is as in JPEGDecoder.
	Decode(dst []byte, w, h int, src []byte, ycc bool, reduce int) error
	Close()
}

// Codecs makes the decoders that stand outside of Go. Where a func is nil, or
// fails, slides that need it are refused with that error.
type Codecs struct {
	JPEG     func() (JPEGDecoder, error)
	JPEG2000 func() (JPEG2000Decoder, error)
}

// DefaultCacheBytes bounds the decoded tiles kept in memory: two rows of 512-px
// tiles across a slide of 40,000 px.
const DefaultCacheBytes = 64 << 20

// pressedBytes is what the cache keeps when memory is tight: the tiles of 256 px that a
// few patches beside each other touch. More are decoded twice.
const pressedBytes = 2 << 20

// Config says how a slide is opened.
type Config struct {
	// Codecs decode JPEG and JPEG 2000. Default: none.
	Codecs Codecs

	// CacheBytes bounds the decoded tiles kept in memory. Default (0):
	// DefaultCacheBytes. A slide stored in wide strips takes up to 128 MiB whatever
	// this says, since each of its patches touches as many strips as it has rows.
	CacheBytes int64

	// Pressed reports whether memory is tight: then tiles beyond pressedBytes go with the
	// next one that comes, and buffers are not kept to be used again. It is asked for
	// each tile. Slides in wide strips keep theirs. Default nil: it never is.
	Pressed func() bool

	// Workers is the number of goroutines that make an overview. Default (0): one a core.
	Workers int

	// MPP overrides the scale of level 0, in µm per pixel. Default (zero): from the file.
	MPP wsi.MPP
}

// DefaultConfig returns the defaults, without codecs.
func DefaultConfig() Config { return Config{CacheBytes: DefaultCacheBytes} }

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	if c.CacheBytes < 0 {
		errs = append(errs, fault.New(fault.Invalid, "cache of %d bytes", c.CacheBytes))
	}
	if c.Workers < 0 {
		errs = append(errs, fault.New(fault.Invalid, "%d workers", c.Workers))
	}
	if c.MPP != (wsi.MPP{}) && !c.MPP.Valid() {
		errs = append(errs, fault.New(fault.Invalid, "mpp %gx%g is outside of 0.01 to 100 µm", c.MPP.X, c.MPP.Y))
	}
	return errors.Join(errs...)
}
