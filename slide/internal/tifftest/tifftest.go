// Package tifftest writes TIFF files for tests: every variant that the reader must
// understand, and the raw directories from which broken ones are made. Pure Go,
// whole files in memory, no care for speed.
package tifftest

import "encoding/binary"

// Compressions that Page.Compression takes.
const (
	None     = 1
	LZW      = 5
	JPEG     = 7
	Deflate  = 8
	PackBits = 32773
	Zstd     = 50000
)

// Types of a Tag.
const (
	Byte     = 1
	ASCII    = 2
	Short    = 3
	Long     = 4
	Rational = 5
	Long8    = 16
)

// Format is the container.
type Format struct {
	Big    bool             // BigTIFF
	Order  binary.ByteOrder // nil: little endian
	Linear bool             // leave out the next-directory links: only the first page counts
}

// Page is one directory and its pixels.
type Page struct {
	W, H         int
	Samples      int    // a pixel; 0: 3
	Pix          []byte // W*H*Samples
	Photometric  int    // -1: left out; 0 with three samples: RGB
	TileW, TileH int    // 0: strips
	RowsPerStrip int    // 0: one strip
	Compression  int    // 0: None
	Predictor    bool
	Encode       func(pix []byte, w, h int) []byte // instead of a compression of ours
	Skip         func(segment int) bool            // segments that are left out, with zero bytes
	Tags         []Tag                             // further ones; one of the same number wins
	Sub          []*Page
}

// Tag is one entry of a directory. Values holds whole numbers; two make a
// Rational; those of Byte and ASCII may stand in Text.
type Tag struct {
	ID, Type uint16
	Values   []uint64
	Text     string
}

// Write returns the file.
func Write(f Format, pages ...*Page) []byte {
	w := &writer{Format: f}
	if w.Order == nil {
		w.Order = binary.LittleEndian
	}
	w.header()
	at := w.firstLink()
	for _, p := range pages {
		dir, link := w.page(p)
		w.patch(at, dir)
		if f.Linear {
			break
		}
		at = link
	}
	return w.b
}

type writer struct {
	Format
	b []byte
}

func (w *writer) header() {
	if w.Order == binary.BigEndian {
		w.b = append(w.b, "MM"...)
	} else {
		w.b = append(w.b, "II"...)
	}
	if w.Big {
		w.put(2, 43)
		w.put(2, 8)
		w.put(2, 0)
		w.put(8, 0)
		return
	}
	w.put(2, 42)
	w.put(4, 0)
}

func (w *writer) firstLink() int {
	if w.Big {
		return 8
	}
	return 4
}

// offset returns the bytes of an offset, which is also what fits into an entry.
func (w *writer) offset() int {
	if w.Big {
		return 8
	}
	return 4
}

// put appends v in size bytes.
func (w *writer) put(size int, v uint64) {
	var b [8]byte
	switch size {
	case 1:
		b[0] = byte(v)
	case 2:
		w.Order.PutUint16(b[:], uint16(v))
	case 4:
		w.Order.PutUint32(b[:], uint32(v))
	case 8:
		w.Order.PutUint64(b[:], v)
	}
	w.b = append(w.b, b[:size]...)
}

// patch writes an offset over the one that stands at a place.
func (w *writer) patch(at, v int) {
	if w.Big {
		w.Order.PutUint64(w.b[at:], uint64(v))
		return
	}
	w.Order.PutUint32(w.b[at:], uint32(v))
}
