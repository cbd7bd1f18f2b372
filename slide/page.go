package slide

import (
	"bcc/fault"
	"bcc/slide/tiff"
	"bcc/wsi"
)

// page is one TIFF directory that passed every check: its geometry is sane, its
// pixels are of a kind we read, and every byte it refers to lies in the file.
type page struct {
	size    wsi.Size
	tiled   bool
	seg     wsi.Size // as stored: a tile, or a strip as wide as the page
	cols    int      // segments across
	rows    int      // segments down
	offsets []uint64 // of the segments, row by row
	counts  []uint64 // bytes of each; 0: absent, white

	codec       codec
	predictor   bool // horizontal differencing
	samples     int  // a pixel
	photometric uint64
	tables      []byte // JPEGTables
}

// pageSize reads the extent of a directory's image.
func pageSize(d *tiff.Directory) (wsi.Size, error) {
	w, err := d.Uint(tiff.ImageWidth, 0)
	if err != nil {
		return wsi.Size{}, err
	}
	h, err := d.Uint(tiff.ImageLength, 0)
	if err != nil {
		return wsi.Size{}, err
	}
	switch {
	case w == 0 || h == 0:
		return wsi.Size{}, fault.New(fault.Corrupt, "the image has no extent (%dx%d)", w, h)
	case w > maxSide || h > maxSide || w*h > maxLevelPixels:
		return wsi.Size{}, fault.New(fault.Corrupt, "an image of %dx%d pixels is beyond any slide", w, h)
	}
	return wsi.Size{W: int(w), H: int(h)}, nil
}

// newPage checks a directory and reads what is needed to decode it. fileSize is
// in bytes.
func newPage(d *tiff.Directory, fileSize int64) (*page, error) {
	size, err := pageSize(d)
	if err != nil {
		return nil, err
	}
	p := &page{size: size}
	for _, step := range []func(*tiff.Directory) error{p.readSamples, p.readCodec, p.readGrid} {
		if err := step(d); err != nil {
			return nil, err
		}
	}
	if err := p.readRanges(d, fileSize); err != nil {
		return nil, err
	}
	return p, nil
}

// readSamples checks how a pixel is made up.
func (p *page) readSamples(d *tiff.Directory) error {
	samples, err := d.Uint(tiff.SamplesPerPixel, 1)
	if err != nil {
		return err
	}
	if samples == 0 || samples > maxSamples {
		return fault.New(fault.Unsupported, "%d samples a pixel; gray and RGB are supported", samples)
	}
	p.samples = int(samples)

	bits, err := d.Uints(tiff.BitsPerSample, 64)
	if err != nil {
		return err
	}
	if bits == nil {
		bits = []uint64{1} // TIFF 6.0's default: black and white
	}
	for _, b := range bits {
		if b != 8 {
			return fault.New(fault.Unsupported, "%d bits a sample; 8 are supported", b)
		}
	}
	format, err := d.Uint(tiff.SampleFormat, 1)
	if err != nil {
		return err
	}
	if format != 1 && format != 4 {
		return fault.New(fault.Unsupported, "samples are not unsigned whole numbers (sample format %d)", format)
	}
	planar, err := d.Uint(tiff.PlanarConfiguration, 1)
	if err != nil {
		return err
	}
	if planar != 1 && samples > 1 {
		return fault.New(fault.Unsupported, "colours are stored in separate planes; interleaved ones are supported")
	}
	order, err := d.Uint(tiff.FillOrder, 1)
	if err != nil {
		return err
	}
	if order != 1 {
		return fault.New(fault.Unsupported, "bits are stored in reverse (fill order %d)", order)
	}
	return nil
}

// readCodec checks compression and colours.
func (p *page) readCodec(d *tiff.Directory) error {
	compression, err := d.Uint(tiff.Compression, 1)
	if err != nil {
		return err
	}
	if p.codec, err = codecOf(compression); err != nil {
		return err
	}
	if p.photometric, err = d.Uint(tiff.Photometric, ^uint64(0)); err != nil {
		return err
	}
	if err := p.checkColour(); err != nil {
		return err
	}
	predictor, err := d.Uint(tiff.Predictor, 1)
	if err != nil {
		return err
	}
	if p.codec.predicts {
		if predictor != 1 && predictor != 2 {
			return fault.New(fault.Unsupported, "predictor %d; none and horizontal differencing are supported", predictor)
		}
		p.predictor = predictor == 2
	}
	if p.codec.kind == kindJPEG && d.Has(tiff.JPEGTables) {
		if d.Count(tiff.JPEGTables) > maxTables {
			return fault.New(fault.Corrupt, "JPEG tables of %d bytes", d.Count(tiff.JPEGTables))
		}
		p.tables, err = d.Bytes(tiff.JPEGTables, maxTables)
	}
	return err
}

// readGrid works out how the page is cut.
func (p *page) readGrid(d *tiff.Directory) error {
	p.tiled = d.Has(tiff.TileWidth) || d.Has(tiff.TileOffsets)
	w, h := uint64(p.size.W), uint64(p.size.H)
	var err error
	if p.tiled {
		if w, err = d.Uint(tiff.TileWidth, 0); err != nil {
			return err
		}
		if h, err = d.Uint(tiff.TileLength, 0); err != nil {
			return err
		}
		if w == 0 || h == 0 {
			return fault.New(fault.Corrupt, "tiles have no extent (%dx%d)", w, h)
		}
		if w > maxSide || h > maxSide || w*h > maxTilePixels {
			return fault.New(fault.Unsupported, "tiles of %dx%d pixels are too large to decode", w, h)
		}
	} else {
		rows, err := d.Uint(tiff.RowsPerStrip, h)
		if err != nil {
			return err
		}
		if rows == 0 {
			return fault.New(fault.Corrupt, "strips have no rows")
		}
		h = min(h, rows)
	}
	p.seg = wsi.Size{W: int(w), H: int(h)}
	p.cols = (p.size.W + p.seg.W - 1) / p.seg.W
	p.rows = (p.size.H + p.seg.H - 1) / p.seg.H
	if n := int64(p.cols) * int64(p.rows); n > maxSegments {
		return fault.New(fault.Corrupt, "%d tiles or strips of %v for an image of %v", n, p.seg, p.size)
	}
	return p.checkSegment()
}

// checkSegment refuses tiles and strips that cannot be decoded in bounded memory.
func (p *page) checkSegment() error {
	pixels := p.seg.Area()
	switch {
	case p.codec.kind == kindJPEG2000 && pixels > maxJP2KPixels,
		p.codec.kind == kindJPEG && pixels > maxTilePixels:
		return fault.Hint(
			fault.New(fault.Unsupported, "%s tiles or strips of %v pixels are too large to decode", p.codec.name, p.seg),
			"convert the slide to a tiled pyramid, for example: vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg --bigtiff")
	}
	return nil
}

// readRanges reads where the segments stand and checks that all of them lie in
// the file, so that a truncated slide fails here and not after an hour.
func (p *page) readRanges(d *tiff.Directory, fileSize int64) (err error) {
	offsets, counts, what := uint16(tiff.StripOffsets), uint16(tiff.StripByteCounts), "strip"
	if p.tiled {
		offsets, counts, what = tiff.TileOffsets, tiff.TileByteCounts, "tile"
		if !d.Has(offsets) { // TIFF 6.0 allows the strips' tags in older writers
			offsets, counts = tiff.StripOffsets, tiff.StripByteCounts
		}
	}
	n := p.cols * p.rows
	if p.offsets, err = d.FirstUints(offsets, n); err != nil {
		return err
	}
	if !d.Has(counts) && p.codec.kind == kindNone {
		p.counts = make([]uint64, n)
		for i := range n {
			p.counts[i] = uint64(p.rawBytes(i))
		}
	} else if p.counts, err = d.FirstUints(counts, n); err != nil {
		return err
	}
	present, stored, empty := int64(0), uint64(0), true
	for i, at := range p.offsets {
		count := p.counts[i]
		if count == 0 {
			continue
		}
		if at > uint64(fileSize) || count > uint64(fileSize)-at {
			return fault.New(fault.Corrupt, "%s %d of %d: bytes %d to %d lie beyond the end of the file (%d bytes): the file is cut short or damaged",
				what, i, n, at, at+count, fileSize)
		}
		need := p.rawBytes(i)
		if p.codec.kind == kindNone && count < uint64(need) {
			return fault.New(fault.Corrupt, "%s %d of %d holds %d bytes, its pixels need %d", what, i, n, count, need)
		}
		present += need
		stored += min(count, uint64(fileSize))
		empty = false
	}
	if empty {
		return fault.New(fault.Corrupt, "all %d %ss of the image are empty", n, what)
	}
	stored = min(stored, uint64(fileSize)) // the same bytes may stand for many tiles
	if present > bombBytes && present/int64(stored) > bombRatio {
		return fault.New(fault.Corrupt, "the image claims %d MB of pixels from %d bytes: a decompression bomb, or nothing on it",
			present>>20, stored)
	}
	return nil
}

// segHeight returns the rows of pixels that segment i stores: the last strip may
// be shorter, a tile never is.
func (p *page) segHeight(i int) int {
	if p.tiled {
		return p.seg.H
	}
	return min(p.seg.H, p.size.H-i*p.seg.H)
}

// rawBytes returns the size of segment i when decompressed.
func (p *page) rawBytes(i int) int64 {
	return int64(p.seg.W) * int64(p.segHeight(i)) * int64(p.samples)
}
