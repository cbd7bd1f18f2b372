package bag

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

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
	if err := replace(path, func(out io.Writer) error { return w.write(out, head) }); err != nil {
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

// Temporary files are called .NAME.*.bcc-tmp. One that is older than leftAfter is
// what a killed run left; a younger one may be another run's.
const (
	tempMark  = ".bcc-tmp"
	leftAfter = time.Hour
)

// replace writes a file under a temporary name, to the disk and not only to its
// cache, and gives it its own name then.
func replace(path string, write func(io.Writer) error) (err error) {
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	clearLeft(dir, name)
	f, err := os.CreateTemp(dir, "."+name+".*"+tempMark)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	out := bufio.NewWriterSize(f, 1<<20)
	// CreateTemp is for secrets; bags have the mode of any other file.
	if err := errors.Join(write(out), out.Flush(), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// clearLeft takes away what killed runs left of the file called name.
func clearLeft(dir, name string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // nothing is lost but room
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "."+name+".") || !strings.HasSuffix(e.Name(), tempMark) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > leftAfter {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// syncDir makes the rename last. File systems that cannot sync a folder are taken
// as they are.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
