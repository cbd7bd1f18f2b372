package auth

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"bcc/fault"
)

// maxFile is the size of a file of keys at most, in bytes.
const maxFile = 16 << 20

// watched is what stands in a file, read again when the file has changed: a key that
// is revoked by another process is refused at the next request. One call of stat a
// request pays for it, about a microsecond.
type watched[T any] struct {
	path  string
	parse func([]byte) (T, error) // of nil where there is no file

	mu    sync.Mutex
	read  bool
	seen  fs.FileInfo // nil: there was no file
	value T
	err   error
}

// get returns what stands in the file now. A file that cannot be read is an error
// until it can be: what it said before may have been revoked.
func (w *watched[T]) get() (T, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, err := os.Stat(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		now = nil
	} else if err != nil {
		var none T
		return none, fault.New(fault.Unavailable, "%w", err)
	}
	if !w.read || changed(w.seen, now) {
		w.value, w.err = w.load()
		w.read, w.seen = true, now // as it was before it was read: a change meanwhile is seen next time
	}
	return w.value, w.err
}

func changed(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a != b
	}
	return !os.SameFile(a, b) || a.Size() != b.Size() || !a.ModTime().Equal(b.ModTime())
}

func (w *watched[T]) load() (T, error) {
	var none T
	f, err := os.Open(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		return w.parse(nil)
	} else if err != nil {
		return none, fault.New(fault.Unavailable, "%w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return none, fault.New(fault.Unavailable, "%w", err)
	}
	if len(data) > maxFile {
		return none, fault.New(fault.Invalid, "%s: more than %d bytes", w.path, maxFile)
	}
	value, err := w.parse(data)
	if err != nil {
		return none, fmt.Errorf("%s: %w", w.path, err)
	}
	return value, nil
}
