package bag

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"bcc/disk"
	"bcc/fault"
	"bcc/wsi"
)

// Write writes a bag to path: the embeddings rows (len(places)×info.Dims) with the
// level-0 rectangle of each patch. Folders are made where they are missing. Until
// the file lies on the disk whole, an older one of that name stands untouched, and
// after an error nothing of the new one is left. Corrupt: a number that is none;
// Unsupported: one too large for float16; Unavailable: the disk.
func Write(path string, info Info, places []wsi.Rect, rows []float32) error {
	w := writer{info: info, places: places, rows: rows}
	if err := w.validate(); err != nil {
		return fmt.Errorf("write bag: %w", err)
	}
	head, err := w.head()
	if err != nil {
		return fmt.Errorf("write bag: %w", err)
	}
	if err := disk.Replace(path, func(out io.Writer) error { return w.write(out, head) }); err != nil {
		return fault.New(fault.Unavailable, "write bag: %w", err)
	}
	return nil
}

type writer struct {
	info   Info
	places []wsi.Rect
	rows   []float32
}

func (w *writer) validate() error {
	if err := w.info.validate(len(w.places)); err != nil {
		return fault.New(fault.Internal, "%w", err)
	}
	if len(w.rows) != len(w.places)*w.info.Dims {
		return fault.New(fault.Internal, "%d numbers for %d patches of %d", len(w.rows), len(w.places), w.info.Dims)
	}
	for i, r := range w.places {
		for _, v := range [...]int{r.X, r.Y, r.W, r.H} {
			if v < math.MinInt32 || v > math.MaxInt32 {
				return fault.New(fault.Internal, "patch %d at %v", i, r)
			}
		}
	}
	return nil
}

// head returns header and sums. The rows are rounded here for the first time and
// in write for the second: to keep them would cost half as much memory again.
func (w *writer) head() ([]byte, error) {
	h := newHeader(w.info.Dims, len(w.places))
	head := h.bytes(w.info)
	sums := []byte{}
	add := func(b []byte) { sums = binary.LittleEndian.AppendUint32(sums, crc32.Checksum(b, castagnoli)) }
	add(w.placeBytes())
	if err := w.blocks(func(b []byte) error { add(b); return nil }); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(append(head[:sumAt:sumAt], sums...))
	copy(head[sumAt:], sum[:])
	return append(head, sums...), nil
}

func (w *writer) write(out io.Writer, head []byte) error {
	for _, b := range [][]byte{head, w.placeBytes()} {
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
	return w.blocks(func(b []byte) error {
		_, err := out.Write(b)
		return err
	})
}

func (w *writer) placeBytes() []byte {
	b := make([]byte, 0, placeBytes*len(w.places))
	for _, r := range w.places {
		for _, v := range [...]int{r.X, r.Y, r.W, r.H} {
			b = binary.LittleEndian.AppendUint32(b, uint32(int32(v)))
		}
	}
	return b
}

// blocks hands each block to yield, which must not keep it.
func (w *writer) blocks(yield func([]byte) error) error {
	block := newHeader(w.info.Dims, len(w.places)).perBlock * w.info.Dims
	buf := make([]byte, halfBytes*block)
	for at := 0; at < len(w.rows); at += block {
		part := w.rows[at:min(at+block, len(w.rows))]
		if i := narrow(buf, part); i >= 0 {
			row, v := (at+i)/w.info.Dims, part[i]
			if v != v || math.IsInf(float64(v), 0) {
				return fault.New(fault.Corrupt, "embedding of patch %d: the model gave %v", row, v)
			}
			return fault.New(fault.Unsupported, "embedding of patch %d: %v is too large for float16 (±65504)", row, v)
		}
		if err := yield(buf[:halfBytes*len(part)]); err != nil {
			return err
		}
	}
	return nil
}
