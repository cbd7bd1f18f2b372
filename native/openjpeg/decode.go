//go:build cgo

package openjpeg

/*
#cgo CFLAGS: -O2 -Wall -Wextra
#cgo pkg-config: libopenjp2
#include "codec.h"
*/
import "C"

import (
	"unsafe"

	"bcc/fault"
)

// Decoder decodes JPEG 2000 codestreams. One goroutine at a time.
type Decoder struct {
	message [C.BCC_J2K_MESSAGE]C.char
}

// NewDecoder returns a Decoder.
func NewDecoder() (*Decoder, error) { return &Decoder{}, nil }

// Decode writes the image in src as w×h tight RGB into dst. w and h are the
// stream's own size halved reduce times (0 to 3), each time rounded up; another
// size is Corrupt. ycc says that the components are luma and chroma. Chroma may
// be subsampled; one component is gray. Data that ends early is Corrupt.
func (d *Decoder) Decode(dst []byte, w, h int, src []byte, ycc bool, reduce int) error {
	if err := check(dst, w, h, src, reduce); err != nil {
		return err
	}
	src, err := bare(src)
	if err != nil {
		return err
	}
	if err := inspect(src, w, h, reduce); err != nil {
		return err
	}
	var colour C.int
	if ycc {
		colour = 1
	}
	if C.bcc_j2k_decode((*C.uchar)(unsafe.Pointer(&dst[0])), C.int(w), C.int(h),
		(*C.uchar)(unsafe.Pointer(&src[0])), C.size_t(len(src)), colour, C.int(reduce), &d.message[0]) != 0 {
		return failed(fault.Corrupt, C.GoString(&d.message[0]))
	}
	return nil
}

// Close does nothing: a Decoder holds nothing between calls.
func (*Decoder) Close() {}
