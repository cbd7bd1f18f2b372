//go:build cgo

package jpeg

/*
#cgo CFLAGS: -O2 -Wall -Wextra
#cgo LDFLAGS: -ljpeg
#include "codec.h"
*/
import "C"

import (
	"bytes"
	"unsafe"

	"bcc/fault"
)

// Decoder decodes JPEG streams. One goroutine at a time.
type Decoder struct {
	c      *C.bcc_jpeg_decoder
	tables []byte // those that stand in the handle; nil: none
	clean  bool   // the handle holds exactly the tables above
}

// NewDecoder returns a Decoder; Close frees it.
func NewDecoder() (*Decoder, error) {
	c := C.bcc_jpeg_decoder_new(C.long(maxMemory), C.int(maxScans))
	if c == nil {
		return nil, failed(fault.Busy, "open jpeg decoder", "no memory")
	}
	return &Decoder{c: c, clean: true}, nil
}

// Decode writes the image in src as w×h tight RGB into dst. w and h are the
// stream's own size halved reduce times (0 to 3), each time rounded up; a stream
// of another width or of fewer rows is Corrupt. tables is the directory's
// JPEGTables or nil. rgb says that the components are red, green and blue
// whatever the markers say. Data that ends early is Corrupt: no grey rows.
func (d *Decoder) Decode(dst []byte, w, h int, src, tables []byte, rgb bool, reduce int) error {
	if d.c == nil {
		return fault.New(fault.Invalid, "decode jpeg: the decoder is closed")
	}
	if err := checkDecode(dst, w, h, src, reduce); err != nil {
		return err
	}
	if err := d.prime(tables); err != nil {
		return err
	}
	d.clean = !ownTables(src)
	var colour, manyScans C.int
	if rgb {
		colour = 1
	}
	rc := C.bcc_jpeg_decode(d.c, (*C.uchar)(unsafe.Pointer(&dst[0])), C.int(w), C.int(h),
		(*C.uchar)(unsafe.Pointer(&src[0])), C.size_t(len(src)), colour, C.int(reduce), &manyScans)
	if rc != 0 || manyScans != 0 {
		d.clean = false
	}
	return d.check(rc, "decode jpeg")
}

// prime puts tables into the handle unless they stand there already, which for
// the tiles of one level is true of all but the first.
func (d *Decoder) prime(tables []byte) error {
	if d.clean && bytes.Equal(d.tables, tables) {
		return nil
	}
	d.clean, d.tables = false, d.tables[:0]
	if err := d.check(C.bcc_jpeg_reset(d.c), "reset jpeg decoder"); err != nil {
		return err
	}
	if len(tables) > 0 {
		rc := C.bcc_jpeg_prime(d.c, (*C.uchar)(unsafe.Pointer(&tables[0])), C.size_t(len(tables)))
		if err := d.check(rc, "read jpeg tables"); err != nil {
			return err
		}
	}
	d.clean, d.tables = true, append(d.tables, tables...)
	return nil
}

// Close frees the handle. A second Close does nothing.
func (d *Decoder) Close() {
	C.bcc_jpeg_decoder_free(d.c)
	d.c = nil
}

func (d *Decoder) check(rc C.int, doing string) error {
	kind := fault.Corrupt
	switch rc {
	case C.BCC_JPEG_OK:
		return nil
	case C.BCC_JPEG_UNSUPPORTED:
		kind = fault.Unsupported
	case C.BCC_JPEG_MEMORY:
		kind = fault.Busy
	}
	return failed(kind, doing, C.GoString(C.bcc_jpeg_decoder_message(d.c)))
}
