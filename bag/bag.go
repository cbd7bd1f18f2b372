// Package bag keeps the embeddings of a slide's patches on disk: one file a slide,
// which a slide head is trained on.
//
// In: float32 embeddings in grid order, with where on the slide each patch lies.
// Out: a file that is whole or not there, and from it any rows again. Numbers are
// kept as float16. It runs no model and knows no labels but those it is handed.
//
// A file is, little-endian throughout:
//
//	header    256 bytes, see header.go; its last 32 are the SHA-256 of all of it before them and of the sums
//	sums      CRC-32C of the places, and of each block of embeddings
//	places    int32 x, y, width, height of each patch, level-0 pixels
//	blocks    float16 embeddings, row by row; a block is about 64 KiB of whole rows
//
// The one SHA-256 stands for the whole file; a reader of a few rows checks only the
// blocks that they lie in. Files are read at their offsets and never mapped into
// memory: a file cut short under a mapping would kill the process.
package bag

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"bcc/fault"
	"bcc/wsi"
)

// Ending is how the name of a bag's file ends.
const Ending = ".bag"

// Path returns the file of the slide called name (slash-separated) in the folder dir.
func Path(dir, name string) string {
	return filepath.Join(dir, filepath.FromSlash(name)+Ending)
}

// Info says what the embeddings are of. Two bags with equal Info hold the same.
type Info struct {
	Slide   string   // SHA-256 of the slide's file, hex
	Encoder string   // digest of what made the embeddings, hex: model.Bundle.EncoderDigest
	Dims    int      // numbers an embedding
	Size    wsi.Size // of the slide, level-0 pixels
	MPP     wsi.MPP  // of level 0
	Parameters
}

// Parameters are what a person can set that changes the embeddings.
type Parameters struct {
	Overlap       float64 // part of a patch that it shares with the next
	MinTissue     float64 // part of a patch that must be tissue
	MPPOverrideUM float64 // 0: the scale came from the file
}

// Bag is an open bag. It is safe for concurrent use as far as its reader is.
type Bag struct {
	Info
	header
	r    io.ReaderAt
	sums []uint32 // of the places, then of each block
}

// Open reads the header of a bag of size bytes and checks it against the size.
// Corrupt: it is no bag or a damaged one. Unsupported: of another version.
// Unavailable: it cannot be read.
func Open(r io.ReaderAt, size int64) (*Bag, error) {
	var raw [headerBytes]byte
	if err := readAt(r, raw[:], 0, "header"); err != nil {
		return nil, err
	}
	b := &Bag{r: r}
	var err error
	if b.Info, b.header, err = parseHeader(raw[:]); err != nil {
		return nil, err
	}
	if want := b.size(); size != want {
		return nil, fault.New(fault.Corrupt, "bag of %d bytes, its header says %d", size, want)
	}
	table := make([]byte, 4*(1+b.blocks()))
	if err := readAt(r, table, headerBytes, "sums"); err != nil {
		return nil, err
	}
	if sha256.Sum256(append(raw[:sumAt:sumAt], table...)) != b.sum {
		return nil, fault.New(fault.Corrupt, "bag: the header's SHA-256 does not match")
	}
	b.sums = make([]uint32, 1+b.blocks())
	for i := range b.sums {
		b.sums[i] = binary.LittleEndian.Uint32(table[4*i:])
	}
	return b, nil
}

// Len returns the number of embeddings.
func (b *Bag) Len() int { return b.count }

// Digest returns the SHA-256, in hex, that stands for all the bag holds.
func (b *Bag) Digest() string { return hex.EncodeToString(b.sum[:]) }

// Places returns the level-0 rectangle of each patch.
func (b *Bag) Places() ([]wsi.Rect, error) {
	raw := make([]byte, placeBytes*b.count)
	if err := readAt(b.r, raw, b.placesAt(), "places"); err != nil {
		return nil, err
	}
	if crc32.Checksum(raw, castagnoli) != b.sums[0] {
		return nil, fault.New(fault.Corrupt, "bag: the places' checksum does not match")
	}
	places := make([]wsi.Rect, b.count)
	for i := range places {
		v := func(k int) int { return int(int32(binary.LittleEndian.Uint32(raw[placeBytes*i+4*k:]))) }
		places[i] = wsi.Rect{X: v(0), Y: v(1), W: v(2), H: v(3)}
	}
	return places, nil
}

// Rows writes the embeddings of the given patches to dst (len(rows)×Dims), one
// after the other. Each block is read once where rows ascend.
func (b *Bag) Rows(dst []float32, rows []int) error {
	if len(dst) != len(rows)*b.Dims {
		return fault.New(fault.Internal, "bag: room for %d numbers, %d rows of %d", len(dst), len(rows), b.Dims)
	}
	block, have := []byte(nil), -1
	for i, row := range rows {
		if row < 0 || row >= b.count {
			return fault.New(fault.Internal, "bag: row %d of %d", row, b.count)
		}
		at := row / b.perBlock
		if at != have {
			var err error
			if block, err = b.block(at, block); err != nil {
				return err
			}
			have = at
		}
		width := halfBytes * b.Dims
		if !widen(dst[i*b.Dims:(i+1)*b.Dims], block[row%b.perBlock*width:]) {
			return fault.New(fault.Corrupt, "bag: row %d holds what is no finite number", row)
		}
	}
	return nil
}

// All returns every embedding, Len×Dims.
func (b *Bag) All() ([]float32, error) {
	rows := make([]int, b.count)
	for i := range rows {
		rows[i] = i
	}
	dst := make([]float32, b.count*b.Dims)
	return dst, b.Rows(dst, rows)
}

// Verify reads the whole bag and compares every checksum.
func (b *Bag) Verify() error {
	if _, err := b.Places(); err != nil {
		return err
	}
	row := make([]float32, b.Dims)
	for i := range b.blocks() {
		block, err := b.block(i, nil)
		if err != nil {
			return err
		}
		for at := 0; at < len(block); at += halfBytes * b.Dims {
			if !widen(row, block[at:]) {
				return fault.New(fault.Corrupt, "bag: block %d holds what is no finite number", i)
			}
		}
	}
	return nil
}

// block reads the i-th block into buf, or a new buffer, and proves it.
func (b *Bag) block(i int, buf []byte) ([]byte, error) {
	rows := min(b.perBlock, b.count-i*b.perBlock)
	n := rows * halfBytes * b.Dims
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	at := b.blocksAt() + int64(i)*int64(b.perBlock)*halfBytes*int64(b.Dims)
	if err := readAt(b.r, buf, at, fmt.Sprintf("block %d", i)); err != nil {
		return nil, err
	}
	if crc32.Checksum(buf, castagnoli) != b.sums[1+i] {
		return nil, fault.New(fault.Corrupt, "bag: the checksum of block %d does not match", i)
	}
	return buf, nil
}

// castagnoli finds damage, of which disks and networks do some, at tens of
// gigabytes a second; it is no guard against forgery.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func readAt(r io.ReaderAt, buf []byte, at int64, what string) error {
	n, err := r.ReadAt(buf, at)
	switch {
	case n == len(buf):
		return nil
	case errors.Is(err, io.EOF):
		return fault.New(fault.Corrupt, "bag: %s: the file ends at byte %d", what, at+int64(n))
	}
	return fault.New(fault.Unavailable, "bag: read %s: %w", what, err)
}

// File is a bag and the file that it is read from.
type File struct {
	*Bag
	file *os.File
}

// OpenFile opens the bag at path; the caller closes it. NotFound: there is none.
func OpenFile(path string) (*File, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Hint(fault.New(fault.NotFound, "%s: no such bag", path), "bcc embed makes bags")
	case err != nil:
		return nil, fault.New(fault.Unavailable, "%s: %w", path, err)
	case !info.Mode().IsRegular(): // opening a pipe would wait for its other end
		return nil, fault.New(fault.Corrupt, "%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "%s: %w", path, err)
	}
	b, err := Open(f, info.Size())
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &File{b, f}, nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }
