package synth

import (
	"bytes"
	"context"
	"io"

	"github.com/klauspost/compress/zlib"

	"bcc/fault"
	"bcc/synth/tiffwrite"
	"bcc/wsi"
)

const stripRows = 64 // tileSize is a multiple of it

// strips writes one level in strips, from a band of one row of tiles.
type strips struct {
	scene   *Scene
	file    *tiffwrite.File
	page    *tiffwrite.Page
	scheme  int
	band    []byte
	workers int
}

func newStrips(s *Scene, w io.WriterAt, wc WriteConfig) *strips {
	size := s.cfg.Size
	raw := 3 * size.Area()
	f := &strips{scene: s, workers: wc.Workers, scheme: tiffwrite.None,
		file: tiffwrite.New(w, tiffwrite.Options{Big: raw > 3<<30}), band: make([]byte, 3*size.W*tileSize)}
	switch s.cfg.Variant {
	case FlatLZW:
		f.scheme = tiffwrite.LZW
	case FlatDeflate:
		f.scheme = tiffwrite.Deflate
	}
	f.page = f.file.Page(tiffwrite.Header{
		Size: size, StripRows: stripRows, Samples: 3, Compression: f.scheme, Photometric: tiffwrite.RGB,
		Predictor: f.scheme != tiffwrite.None, MPP: s.mpp(), Software: "bcc synth",
	})
	return f
}

func (f *strips) tile() int { return tileSize }
func (f *strips) close()    {}

func (f *strips) finish() error { return f.file.Close() }

func (f *strips) put(_, tx, _ int, rgb []byte, _ bool) error {
	w := f.scene.cfg.Size.W
	n := min(tileSize, w-tx*tileSize)
	for y := range tileSize {
		copy(f.band[3*(y*w+tx*tileSize):3*(y*w+tx*tileSize+n)], rgb[3*y*tileSize:])
	}
	return nil
}

func (f *strips) row(ctx context.Context, ty int) error {
	size := f.scene.cfg.Size
	stride := 3 * size.W
	rows := min(tileSize, size.H-ty*tileSize)
	out := make([][]byte, ceilDiv(rows, stripRows))
	err := each(ctx, f.workers, len(out), func(_, i int) (err error) {
		out[i], err = compress(f.scheme, f.band[i*stripRows*stride:min((i+1)*stripRows, rows)*stride], stride, 3)
		return err
	})
	for _, b := range out {
		if err == nil {
			err = f.page.Append(b)
		}
	}
	return err
}

// compress packs rows of stride bytes; it may change them.
func compress(scheme int, pix []byte, stride, samples int) ([]byte, error) {
	switch scheme {
	case tiffwrite.LZW:
		tiffwrite.Differentiate(pix, stride, samples)
		return tiffwrite.EncodeLZW(nil, pix), nil
	case tiffwrite.Deflate:
		tiffwrite.Differentiate(pix, stride, samples)
		return deflate(pix)
	}
	return pix, nil
}

func deflate(b []byte) ([]byte, error) {
	var buf bytes.Buffer
	z, err := zlib.NewWriterLevel(&buf, 2)
	if err == nil {
		_, err = z.Write(b)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fault.New(fault.Internal, "deflate %d bytes: %w", len(b), err)
	}
	return buf.Bytes(), nil
}

// maskWriter writes the mask beside the slide, in the slide's tiles.
type maskWriter struct {
	file  *tiffwrite.File
	page  *tiffwrite.Page
	tiles [][]byte
	empty []byte
}

// maskClasses says in the file what the mask's values are.
const maskClasses = "classes: 0 background, 1 tissue, 2 bcc, 3 mimic, 4 epidermis, 5 fat"

func newMaskWriter(s *Scene, w io.WriterAt, tile, cols int, description string) *maskWriter {
	if w == nil {
		return &maskWriter{}
	}
	m := &maskWriter{file: tiffwrite.New(w, tiffwrite.Options{Big: true}), tiles: make([][]byte, cols)}
	m.page = m.file.Page(tiffwrite.Header{
		Size: s.cfg.Size, Tile: wsi.Size{W: tile, H: tile}, Samples: 1, Compression: tiffwrite.Deflate,
		Photometric: tiffwrite.BlackIsZero, MPP: s.mpp(), Software: "bcc synth",
		Description: description,
	})
	m.empty, _ = deflate(make([]byte, tile*tile)) // writing to memory does not fail
	return m
}

func (m *maskWriter) put(tx int, pix []byte, blank bool) (err error) {
	if m.file == nil {
		return nil
	}
	if m.tiles[tx] = m.empty; !blank {
		m.tiles[tx], err = deflate(pix)
	}
	return err
}

func (m *maskWriter) row() error {
	for _, b := range m.tiles {
		if err := m.page.Append(b); err != nil {
			return err
		}
	}
	return nil
}

func (m *maskWriter) finish() error {
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}
