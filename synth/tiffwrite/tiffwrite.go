// Package tiffwrite writes TIFF files segment by segment: tiled or in strips,
// classic or BigTIFF, either byte order, any number of pages.
//
// In: encoded tiles or strips, in order, page by page or interleaved between
// pages. Out: bytes on an io.WriterAt; data goes out as it comes, the directories
// at Close. It does not touch pixels (see EncodeLZW and Differentiate for the two
// helpers that flat files need) and it never reads back what it wrote.
package tiffwrite

import (
	"encoding/binary"
	"io"
	"math"

	"bcc/fault"
)

// Options says what kind of file it is.
type Options struct {
	Big       bool // BigTIFF: offsets of 64 bits; without it a file ends at 4 GiB
	BigEndian bool // "MM" instead of "II"
}

// File is a TIFF file being written. One goroutine at a time.
type File struct {
	w     io.WriterAt
	opts  Options
	order byteOrder
	off   int64 // where the next byte goes
	pages []*Page
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// New starts a file. It writes nothing below the header's place until Close, so
// a file that was never closed has no valid header.
func New(w io.WriterAt, opts Options) *File {
	f := &File{w: w, opts: opts, order: binary.LittleEndian, off: 8}
	if opts.Big {
		f.off = 16
	}
	if opts.BigEndian {
		f.order = binary.BigEndian
	}
	return f
}

// Size returns the number of bytes written so far.
func (f *File) Size() int64 { return f.off }

// Page adds a page; pages stand in the file in the order of these calls.
func (f *File) Page(h Header) *Page {
	p := &Page{file: f, head: h}
	n := h.Segments()
	p.offsets = make([]uint64, 0, n)
	p.counts = make([]uint64, 0, n)
	f.pages = append(f.pages, p)
	return p
}

// Close writes the directories and, last of all, the header.
func (f *File) Close() error {
	if len(f.pages) == 0 {
		return fault.New(fault.Internal, "write TIFF: no page")
	}
	offs := make([]int64, len(f.pages))
	dirs := make([][]byte, len(f.pages))
	at := f.off
	for i, p := range f.pages {
		if got, want := len(p.offsets), p.head.Segments(); got != want {
			return fault.New(fault.Internal, "write TIFF: page %d has %d of %d segments", i, got, want)
		}
		at += at & 1 // directories start on a word boundary: TIFF 6.0, section 2
		offs[i] = at
		dirs[i] = p.directory(at)
		at += int64(len(dirs[i]))
	}
	if err := f.fits(at); err != nil {
		return err
	}
	for i, d := range dirs {
		var next uint64
		if i+1 < len(dirs) {
			next = uint64(offs[i+1])
		}
		f.setNext(d, f.pages[i].entries, next)
		if _, err := f.w.WriteAt(d, offs[i]); err != nil {
			return fault.New(fault.Unavailable, "write TIFF directory %d: %w", i, err)
		}
	}
	f.off = at
	if _, err := f.w.WriteAt(f.header(uint64(offs[0])), 0); err != nil {
		return fault.New(fault.Unavailable, "write TIFF header: %w", err)
	}
	return nil
}

// header returns the file's first bytes: TIFF 6.0 section 2, BigTIFF design 2.
func (f *File) header(first uint64) []byte {
	b := []byte("II")
	if f.opts.BigEndian {
		b = []byte("MM")
	}
	if !f.opts.Big {
		return f.order.AppendUint32(f.order.AppendUint16(b, 42), uint32(first))
	}
	b = f.order.AppendUint16(b, 43)
	b = f.order.AppendUint16(b, 8) // bytes of an offset
	b = f.order.AppendUint16(b, 0)
	return f.order.AppendUint64(b, first)
}

// append writes b at the end and returns where it lies.
func (f *File) append(b []byte) (uint64, error) {
	if err := f.fits(f.off + int64(len(b))); err != nil {
		return 0, err
	}
	at := f.off
	if _, err := f.w.WriteAt(b, at); err != nil {
		return 0, fault.New(fault.Unavailable, "write TIFF data: %w", err)
	}
	f.off += int64(len(b))
	return uint64(at), nil
}

func (f *File) fits(end int64) error {
	if !f.opts.Big && end > math.MaxUint32 {
		return fault.Hint(fault.New(fault.Invalid, "write TIFF: %d bytes do not fit a classic file", end),
			"write a BigTIFF variant or a smaller slide")
	}
	return nil
}
