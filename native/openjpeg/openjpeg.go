// Package openjpeg decodes JPEG 2000 tiles of slides with OpenJPEG.
//
// In: a codestream, bare as TIFF holds it or in a JP2 box. Out: tight RGB. A
// Decoder serves one goroutine at a time, keeps nothing of the C library between
// calls, and starts no thread. Without cgo the package builds and NewDecoder
// returns an error of kind Unavailable.
package openjpeg

import (
	"fmt"

	"bcc/fault"
)

// maxPixels bounds an image: OpenJPEG needs some 24 bytes for each.
const maxPixels = 4 << 20

const maxReduce = 3

// check holds the promises that the C side relies on.
func check(dst []byte, w, h int, src []byte, reduce int) error {
	switch {
	case w <= 0 || h <= 0 || w > maxPixels || h > maxPixels || w*h > maxPixels:
		return fault.New(fault.Invalid, "decode jpeg 2000: %dx%d pixels are not 1 to %d", w, h, maxPixels)
	case reduce < 0 || reduce > maxReduce:
		return fault.New(fault.Invalid, "decode jpeg 2000: cannot halve %d times", reduce)
	case len(dst) < 3*w*h:
		return fault.New(fault.Invalid, "decode jpeg 2000: %d bytes cannot hold %dx%d", len(dst), w, h)
	case len(src) < 12:
		return fault.New(fault.Corrupt, "decode jpeg 2000: stream of %d bytes", len(src))
	}
	return nil
}

// failed turns a message of the library into an error.
func failed(kind fault.Kind, message string) error {
	return fault.New(kind, "decode jpeg 2000: %w", fmt.Errorf("openjpeg: %s", message))
}
