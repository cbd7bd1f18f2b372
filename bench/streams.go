package bench

import (
	"fmt"
	"io"

	"bcc/fault"
	"bcc/slide/tiff"
	"bcc/wsi"
)

// streams are the JPEG tiles of a slide's first directory as the file holds them.
type streams struct {
	tiles  []stream
	tables []byte // JPEGTables, nil where the tiles are complete
	rgb    bool   // components are red, green, blue whatever the markers say
}

// readStreams reads at most limit tiles, spread evenly, into memory. Only tiles
// that lie wholly inside the image count: those are what an aligned read is.
func readStreams(r io.ReaderAt, size int64, limit int) (*streams, error) {
	f, err := tiff.Parse(r, size)
	if err != nil {
		return nil, err
	}
	d := f.Directories[0]
	var tag [6]uint64 // in the order read below
	for i, t := range []uint16{tiff.ImageWidth, tiff.ImageLength, tiff.TileWidth, tiff.TileLength, tiff.Compression, tiff.Photometric} {
		if tag[i], err = d.Uint(t, 0); err != nil {
			return nil, err
		}
	}
	width, height, w, h := int(tag[0]), int(tag[1]), int(tag[2]), int(tag[3])
	if tag[4] != 7 || w == 0 || h == 0 {
		return nil, fault.New(fault.Unsupported, "the first directory has no JPEG tiles")
	}
	across := (width + w - 1) / w
	whole := (width / w) * (height / h)
	if whole == 0 {
		return nil, fault.New(fault.Unsupported, "no tile of %dx%d lies inside %dx%d", w, h, width, height)
	}
	n := across * ((height + h - 1) / h)
	offsets, err := d.FirstUints(tiff.TileOffsets, n)
	if err != nil {
		return nil, err
	}
	counts, err := d.FirstUints(tiff.TileByteCounts, n)
	if err != nil {
		return nil, err
	}
	s := &streams{rgb: tag[5] == 2}
	if s.tables, err = d.Bytes(tiff.JPEGTables, 1<<16); err != nil {
		return nil, err
	}
	take := min(limit, whole)
	for k := range take {
		i := k * whole / take
		col, row := i%(width/w), i/(width/w)
		at := row*across + col
		data := make([]byte, counts[at])
		if _, err := r.ReadAt(data, int64(offsets[at])); err != nil {
			return nil, fmt.Errorf("read tile %d: %w", at, err)
		}
		s.tiles = append(s.tiles, stream{wsi.Rect{X: col * w, Y: row * h, W: w, H: h}, data})
	}
	return s, nil
}
