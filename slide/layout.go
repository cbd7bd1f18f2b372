package slide

import (
	"context"
	"errors"
	"io"

	"bcc/fault"
	"bcc/wsi"
)

// layout is how a level's pixels are cut and how a piece of them is decoded. The
// pieces are called segments, numbered row by row; all have the same size but
// for the last row of strips.
type layout interface {
	// decode writes segment i as tight RGB into dst, its sides halved reduce
	// times. It returns within one segment's work after ctx has ended.
	decode(ctx context.Context, i, reduce int, dst []byte) error
}

// level is one resolution and its way to the pixels.
type level struct {
	wsi.Level
	layout
	cols, rows int // segments across and down
	strips     bool
	cost       int64            // bytes that decoding a large segment takes, 0 for small ones
	maxReduce  int              // how often decode can halve
	ordered    bool             // segments are decoded from top to bottom
	absent     func(i int) bool // segments that are not stored: white
	memory     *wsi.Image       // not nil: the whole level
}

// segRect returns the rectangle of segment i in pixels of the level. A tile may
// reach beyond the level, a strip never does.
func (l *level) segRect(i int) wsi.Rect {
	r := wsi.Rect{X: i % l.cols * l.Tile.W, Y: i / l.cols * l.Tile.H, W: l.Tile.W, H: l.Tile.H}
	if l.strips {
		r.H = min(r.H, l.Size.H-r.Y)
	}
	return r
}

// newLevel chooses the way that a page's pixels are read.
func (s *Slide) newLevel(p *page) level {
	l := level{
		Level:  wsi.Level{Size: p.size, Tile: p.seg},
		cols:   p.cols,
		strips: !p.tiled,
		absent: func(i int) bool { return false },
	}
	stripBytes := p.seg.Area() * 3
	rowBytes := 3 * p.size.W
	switch {
	case p.tiled:
		l.layout = &tiles{stored{s, p}}
		l.absent = func(i int) bool { return p.counts[i] == 0 }
		l.maxReduce = p.maxReduce(p.cols > 1, p.rows > 1)

	case p.codec.kind == kindNone:
		l.Tile.H = min(max(rawBandBytes/rowBytes, 1), p.size.H)
		l.layout = &rawStrips{stored{s, p}, l.Tile.H}

	case stripBytes > streamBytes && p.codec.kind != kindJPEG && p.codec.kind != kindJPEG2000:
		l.Tile.H = min(max(rawBandBytes/rowBytes, 1), p.size.H)
		l.layout = &streamedStrips{stored: stored{s, p}, rows: l.Tile.H}
		l.ordered = true

	default:
		join := int(max(bandBytes/stripBytes, 1))
		l.Tile.H = min(join*p.seg.H, p.size.H)
		l.layout = &strips{stored{s, p}, join}
		l.maxReduce = p.maxReduce(false, p.rows > 1)
	}
	l.rows = (l.Size.H + l.Tile.H - 1) / l.Tile.H
	l.cost = decodeCost(p, l.Tile)
	return l
}

// decodeCost returns the bytes that decoding a segment takes, 0 where it is little.
func decodeCost(p *page, seg wsi.Size) int64 {
	cost := 6 * seg.Area() // samples and RGB
	if p.codec.kind == kindJPEG2000 {
		cost = 24 * seg.Area() // three components of 32 bits, twice
	}
	if cost < smallDecode {
		return 0
	}
	return min(cost, decodeBytes)
}

// maxReduce returns how often segments can be halved so that they still meet
// where they should: a side that has a neighbour must be divisible.
func (p *page) maxReduce(across, down bool) int {
	if p.codec.kind != kindJPEG && p.codec.kind != kindJPEG2000 {
		return 0
	}
	most := 3
	for most > 0 && (across && p.seg.W%(1<<most) != 0 || down && p.seg.H%(1<<most) != 0) {
		most--
	}
	return most
}

// stored reads tiles and strips as a page holds them.
type stored struct {
	s *Slide
	p *page
}

// decodeOne writes tile or strip i of the page as tight RGB into dst.
func (d stored) decodeOne(i, reduce int, dst []byte) error {
	p := d.p
	count := p.counts[i]
	if count == 0 {
		fillWhite(dst)
		return nil
	}
	raw := p.rawBytes(i)
	if most := uint64(2*raw + maxTables); count > most && p.codec.kind != kindNone {
		return fault.New(fault.Corrupt, "%d bytes for %d bytes of pixels", count, raw)
	}
	if p.codec.kind == kindNone {
		count = uint64(raw)
	}
	src := d.s.bufs.get(int(count))
	defer d.s.bufs.put(src)
	if err := d.s.readAt(src, int64(p.offsets[i])); err != nil {
		return err
	}
	w, h := halved(p.seg.W, reduce), halved(p.segHeight(i), reduce)
	switch p.codec.kind {
	case kindJPEG:
		dec, err := d.s.jpeg.get()
		if err != nil {
			return err
		}
		defer d.s.jpeg.put(dec)
		return dec.Decode(dst, w, h, src, p.tables, p.photometric == photoRGB, reduce)
	case kindJPEG2000:
		dec, err := d.s.jpeg2000.get()
		if err != nil {
			return err
		}
		defer d.s.jpeg2000.put(dec)
		return dec.Decode(dst, w, h, src, p.chroma(), reduce)
	}
	if p.tightRGB() {
		dst = dst[:raw]
		if err := decompress(p.codec.kind, dst, src); err != nil {
			return wrap(err, "decode %s", p.codec.name)
		}
		d.finish(dst, dst)
		return nil
	}
	samples := d.s.bufs.get(int(raw))
	defer d.s.bufs.put(samples)
	if err := decompress(p.codec.kind, samples, src); err != nil {
		return wrap(err, "decode %s", p.codec.name)
	}
	d.finish(dst, samples)
	return nil
}

// finish turns whole rows of decompressed samples into RGB; both slices may be one.
func (d stored) finish(dst, samples []byte) {
	if d.p.predictor {
		unpredict(samples, d.p.seg.W, d.p.samples)
	}
	if !d.p.tightRGB() {
		d.p.toRGB(dst, samples)
	}
}

// readAt fills b from the file.
func (s *Slide) readAt(b []byte, at int64) error {
	n, err := s.r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fault.New(fault.Corrupt, "read %d bytes at offset %d: the file has become shorter", len(b), at)
	}
	return wrap(err, "read %d bytes at offset %d", len(b), at)
}

// halved returns n halved so often, each time rounded up.
func halved(n, times int) int { return (n + 1<<times - 1) >> times }

func fillWhite(b []byte) {
	if len(b) == 0 {
		return
	}
	b[0] = 255
	for n := 1; n < len(b); n *= 2 { // memmove is faster than a loop over bytes
		copy(b[n:], b[:n])
	}
}
