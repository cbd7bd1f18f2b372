package tiffwrite

import (
	"math"
	"slices"

	"bcc/fault"
	"bcc/wsi"
)

// The compressions of Header.
const (
	None    = 1
	LZW     = 5
	JPEG    = 7
	Deflate = 8
)

// The colour models of Header.
const (
	BlackIsZero = 1
	RGB         = 2
	YCbCr       = 6
)

// Header is what a page says of itself.
type Header struct {
	Size        wsi.Size // pixels
	Tile        wsi.Size // both sides multiples of 16; zero: strips
	StripRows   int      // rows of a strip, used where Tile is zero
	Samples     int      // 1 or 3, 8 bits each, interleaved
	Compression int
	Photometric int
	Subsampling int     // chroma, both directions, of YCbCr pages: 1 or 2
	Predictor   bool    // horizontal differences (TIFF 6.0, section 14)
	Reduced     bool    // a reduced version of another page
	Associated  int     // NewSubfileType as Aperio marks label (1) and macro (9); 0: none
	MPP         wsi.MPP // resolution tags in centimetres; zero: no tags at all
	Description string
	Software    string
	Tables      []byte // JPEGTables, may be nil
}

// Segments returns the number of tiles or strips of the page.
func (h Header) Segments() int {
	if h.Tile.W > 0 {
		return ceil(h.Size.W, h.Tile.W) * ceil(h.Size.H, h.Tile.H)
	}
	return ceil(h.Size.H, h.StripRows)
}

func ceil(a, b int) int { return (a + b - 1) / b }

// Page is one picture of the file.
type Page struct {
	file    *File
	head    Header
	offsets []uint64
	counts  []uint64
	entries int // of its directory, once laid out
}

// Append writes the next tile or strip: from left to right, then down.
func (p *Page) Append(b []byte) error {
	if len(p.offsets) == p.head.Segments() {
		return fault.New(fault.Internal, "write TIFF: more than %d segments", p.head.Segments())
	}
	at, err := p.file.append(b)
	if err != nil {
		return err
	}
	p.offsets = append(p.offsets, at)
	p.counts = append(p.counts, uint64(len(b)))
	return nil
}

// The tags used, and the field types: TIFF 6.0, sections 8 and 15; BigTIFF adds long8.
const (
	tagSubfile, tagWidth, tagHeight, tagBits, tagCompression, tagPhotometric   = 254, 256, 257, 258, 259, 262
	tagDescription, tagStripOffsets, tagSamples, tagStripRows, tagStripCounts  = 270, 273, 277, 278, 279
	tagXRes, tagYRes, tagPlanar, tagResUnit, tagSoftware, tagPredictor         = 282, 283, 284, 296, 305, 317
	tagTileW, tagTileH, tagTileOffsets, tagTileCounts, tagTables, tagSubsample = 322, 323, 324, 325, 347, 530

	typeASCII, typeShort, typeLong, typeRational, typeUndefined, typeLong8 = 2, 3, 4, 5, 7, 16
)

type entry struct {
	tag, kind int
	count     int
	data      []byte // in the file's byte order
}

// directory lays out the page's directory for offset at: entries, then the values
// that do not fit in one. The link to the next directory is left zero.
func (p *Page) directory(at int64) []byte {
	f, o := p.file, p.file.order
	es := p.list()
	p.entries = len(es)
	inline, entrySize, head := 4, 12, 2
	if f.opts.Big {
		inline, entrySize, head = 8, 20, 8
	}
	values := head + entrySize*len(es) + inline // the link is as wide as an inline value

	var dir, out []byte
	if f.opts.Big {
		dir = o.AppendUint64(dir, uint64(len(es)))
	} else {
		dir = o.AppendUint16(dir, uint16(len(es)))
	}
	for _, e := range es {
		dir = o.AppendUint16(o.AppendUint16(dir, uint16(e.tag)), uint16(e.kind))
		v := e.data
		if len(v) > inline {
			where := uint64(at) + uint64(values+len(out))
			out = append(out, v...)
			out = append(out, make([]byte, len(v)&1)...)
			v = f.offset(nil, where)
		}
		dir = f.offset(dir, uint64(e.count))
		dir = append(dir, v...)
		dir = append(dir, make([]byte, inline-len(v))...)
	}
	dir = append(dir, make([]byte, inline)...)
	return append(dir, out...)
}

// setNext writes the link to the next directory into d, which has n entries.
func (f *File) setNext(d []byte, n int, next uint64) {
	if f.opts.Big {
		f.order.PutUint64(d[8+20*n:], next)
	} else {
		f.order.PutUint32(d[2+12*n:], uint32(next))
	}
}

func (f *File) offset(b []byte, v uint64) []byte {
	if f.opts.Big {
		return f.order.AppendUint64(b, v)
	}
	return f.order.AppendUint32(b, uint32(v))
}

// list returns the page's entries, sorted by tag as the standard asks.
func (p *Page) list() []entry {
	h, o := p.head, p.file.order
	var es []entry
	short := func(tag int, vs ...int) {
		e := entry{tag: tag, kind: typeShort, count: len(vs)}
		for _, v := range vs {
			e.data = o.AppendUint16(e.data, uint16(v))
		}
		es = append(es, e)
	}
	long := func(tag, v int) {
		es = append(es, entry{tag, typeLong, 1, o.AppendUint32(nil, uint32(v))})
	}
	longs := func(tag int, vs []uint64) {
		e := entry{tag: tag, kind: typeLong, count: len(vs)}
		if p.file.opts.Big {
			e.kind = typeLong8
		}
		for _, v := range vs {
			e.data = p.file.offset(e.data, v)
		}
		es = append(es, e)
	}
	text := func(tag int, s string) {
		if s != "" {
			es = append(es, entry{tag, typeASCII, len(s) + 1, append([]byte(s), 0)})
		}
	}

	switch {
	case h.Reduced:
		long(tagSubfile, 1)
	case h.Associated != 0:
		long(tagSubfile, h.Associated)
	}
	long(tagWidth, h.Size.W)
	long(tagHeight, h.Size.H)
	short(tagBits, slices.Repeat([]int{8}, h.Samples)...)
	short(tagCompression, h.Compression)
	short(tagPhotometric, h.Photometric)
	text(tagDescription, h.Description)
	short(tagSamples, h.Samples)
	if h.MPP.Valid() {
		es = append(es, entry{tagXRes, typeRational, 1, p.rational(1e4 / h.MPP.X)},
			entry{tagYRes, typeRational, 1, p.rational(1e4 / h.MPP.Y)})
		short(tagResUnit, 3) // pixels per centimetre
	}
	short(tagPlanar, 1)
	text(tagSoftware, h.Software)
	if h.Predictor {
		short(tagPredictor, 2)
	}
	if h.Tile.W > 0 {
		long(tagTileW, h.Tile.W)
		long(tagTileH, h.Tile.H)
		longs(tagTileOffsets, p.offsets)
		longs(tagTileCounts, p.counts)
	} else {
		longs(tagStripOffsets, p.offsets)
		long(tagStripRows, h.StripRows)
		longs(tagStripCounts, p.counts)
	}
	if len(h.Tables) > 0 {
		es = append(es, entry{tagTables, typeUndefined, len(h.Tables), h.Tables})
	}
	if h.Photometric == YCbCr || h.Compression == JPEG && h.Subsampling > 0 {
		short(tagSubsample, max(h.Subsampling, 1), max(h.Subsampling, 1))
	}
	slices.SortStableFunc(es, func(a, b entry) int { return a.tag - b.tag })
	return es
}

// rational writes v with as many decimals as 32 bits hold.
func (p *Page) rational(v float64) []byte {
	den := uint32(1)
	for den < 1e6 && v*float64(den)*10 < math.MaxUint32 {
		den *= 10
	}
	return p.file.order.AppendUint32(p.file.order.AppendUint32(nil, uint32(math.Round(v*float64(den)))), den)
}
