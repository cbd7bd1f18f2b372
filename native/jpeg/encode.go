//go:build cgo

package jpeg

// #include "codec.h"
import "C"

import (
	"unsafe"

	"bcc/fault"
)

// Encoder encodes JPEG streams. One goroutine at a time.
type Encoder struct {
	c      *C.bcc_jpeg_encoder
	tables []byte
}

// NewEncoder returns an Encoder of a quality of 1 to 100 and a chroma
// subsampling of "444" or "420"; Close frees it.
func NewEncoder(quality int, subsampling string) (*Encoder, error) {
	chroma420, err := checkQuality(quality, subsampling)
	if err != nil {
		return nil, err
	}
	var chroma C.int
	if chroma420 {
		chroma = 1
	}
	c := C.bcc_jpeg_encoder_new(C.int(quality), chroma)
	if c == nil {
		return nil, failed(fault.Busy, "open jpeg encoder", "no memory")
	}
	e := &Encoder{c: c}
	var out *C.uchar
	var n C.size_t
	if rc := C.bcc_jpeg_tables(c, &out, &n); rc != 0 {
		err := failed(fault.Internal, "write jpeg tables", C.GoString(C.bcc_jpeg_encoder_message(c)))
		e.Close()
		return nil, err
	}
	e.tables = C.GoBytes(unsafe.Pointer(out), C.int(n))
	return e, nil
}

// Encode appends a complete stream of the w×h tight RGB picture to dst. asRGB
// stores red, green and blue as they are, unsubsampled and without a marker that
// says so, as Aperio does.
func (e *Encoder) Encode(dst, rgb []byte, w, h int, asRGB bool) ([]byte, error) {
	return e.encode(dst, rgb, w, h, asRGB, true)
}

// EncodeAbbreviated is Encode without the tables, which stand in Tables.
func (e *Encoder) EncodeAbbreviated(dst, rgb []byte, w, h int, asRGB bool) ([]byte, error) {
	return e.encode(dst, rgb, w, h, asRGB, false)
}

// Tables returns the tables-only stream of the encoder, for a directory's
// JPEGTables. The slice belongs to the encoder.
func (e *Encoder) Tables() []byte { return e.tables }

// Close frees the handle. A second Close does nothing.
func (e *Encoder) Close() {
	C.bcc_jpeg_encoder_free(e.c)
	e.c = nil
}

func (e *Encoder) encode(dst, rgb []byte, w, h int, asRGB, withTables bool) ([]byte, error) {
	if e.c == nil {
		return dst, fault.New(fault.Invalid, "encode jpeg: the encoder is closed")
	}
	if err := checkEncode(rgb, w, h); err != nil {
		return dst, err
	}
	var colour, tables C.int
	if asRGB {
		colour = 1
	}
	if withTables {
		tables = 1
	}
	var out *C.uchar
	var n C.size_t
	rc := C.bcc_jpeg_encode(e.c, (*C.uchar)(unsafe.Pointer(&rgb[0])), C.int(w), C.int(h), colour, tables, &out, &n)
	if rc != 0 {
		return dst, failed(fault.Internal, "encode jpeg", C.GoString(C.bcc_jpeg_encoder_message(e.c)))
	}
	return append(dst, unsafe.Slice((*byte)(unsafe.Pointer(out)), int(n))...), nil
}
