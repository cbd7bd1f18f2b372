// Package jpeg decodes and encodes JPEG streams as TIFF slides hold them, with
// libjpeg-turbo's own API: TurboJPEG cannot force a colour space, and Aperio
// stores RGB without saying so in the stream.
//
// In: a stream, and the tables of its directory. Out: tight RGB. A Decoder or an
// Encoder serves one goroutine at a time, owns memory of the C library until
// Close, and starts no thread. Without cgo the package builds and every
// constructor returns an error of kind Unavailable.
package jpeg

import (
	"fmt"

	"bcc/fault"
)

// Limits of a stream, whatever its header says.
const (
	maxScans  = 100       // a real progressive stream has about ten
	maxMemory = 160 << 20 // bytes of libjpeg's own, coefficients of a progressive image above all
	maxReduce = 3         // 1/8
)

// checkDecode holds the promises that the C side relies on.
func checkDecode(dst []byte, w, h int, src []byte, reduce int) error {
	switch {
	case w <= 0 || h <= 0 || w > 65535 || h > 65535:
		return fault.New(fault.Invalid, "decode jpeg: %dx%d is no size of a JPEG", w, h)
	case reduce < 0 || reduce > maxReduce:
		return fault.New(fault.Invalid, "decode jpeg: cannot halve %d times", reduce)
	case len(dst) < 3*w*h:
		return fault.New(fault.Invalid, "decode jpeg: %d bytes cannot hold %dx%d", len(dst), w, h)
	case len(src) < 4:
		return fault.New(fault.Corrupt, "decode jpeg: stream of %d bytes", len(src))
	}
	return nil
}

// checkEncode does the same for an encoder.
func checkEncode(rgb []byte, w, h int) error {
	if w <= 0 || h <= 0 || w > 65500 || h > 65500 {
		return fault.New(fault.Invalid, "encode jpeg: %dx%d is no size of a JPEG", w, h)
	}
	if len(rgb) < 3*w*h {
		return fault.New(fault.Invalid, "encode jpeg: %d bytes do not hold %dx%d", len(rgb), w, h)
	}
	return nil
}

// checkQuality returns whether the chroma of an encoder is subsampled.
func checkQuality(quality int, subsampling string) (chroma420 bool, err error) {
	if quality < 1 || quality > 100 {
		return false, fault.New(fault.Invalid, "jpeg quality %d is not in 1..100", quality)
	}
	switch subsampling {
	case "444":
		return false, nil
	case "420":
		return true, nil
	}
	return false, fault.New(fault.Invalid, "jpeg subsampling %q is neither 444 nor 420", subsampling)
}

// ownTables reports whether a stream defines tables of its own before its first
// scan, so that those of the directory no longer stand in the handle after it.
func ownTables(src []byte) bool {
	const sos, dqt, dht = 0xda, 0xdb, 0xc4
	for i := 2; i+4 <= len(src); {
		if src[i] != 0xff {
			return true // not a marker where one belongs: assume the worst
		}
		switch m := src[i+1]; {
		case m == 0xff: // fill byte
			i++
			continue
		case m == dqt || m == dht:
			return true
		case m == sos:
			// Tables may stand between the scans of a stream too, but then it is
			// not one of a tiled slide; the decoder says how many scans it saw.
			return false
		}
		i += 2 + int(src[i+2])<<8 + int(src[i+3])
	}
	return true
}

// failed turns a message of the library into an error.
func failed(kind fault.Kind, doing, message string) error {
	return fault.New(kind, "%s: %w", doing, fmt.Errorf("libjpeg: %s", message))
}
