// Package blob keeps slides and results: in a folder, or in S3.
//
// In: a key and its bytes. Out: the same bytes, or an error; an object is whole or
// not there. It does not know what it keeps.
//
//	parse.go     which store an address means
//	folder.go    objects as files
//	s3.go        objects in a bucket; s3write.go, s3read.go
//	spool.go     keeps here what the store cannot take now; send.go sends it later
//	set.go       files that belong together, with their sums
//	traced.go    a span around each operation
package blob

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"time"

	"bcc/fault"
)

// ErrExists is returned by Create where the key is taken.
var ErrExists = errors.New("the object is there already")

// Store keeps objects by key. Keys are slash-separated names of letters, digits,
// dots, - and _; no part is empty or begins with a dot (CheckKey; Invalid). Objects
// that are not there are NotFound; a store that does not answer is Unavailable, one
// that is full too. An error of the reader that is handed in keeps its kind.
// All methods are safe for concurrent use.
type Store interface {
	// Put writes the object, in place of an older one.
	Put(ctx context.Context, key string, r io.Reader) error
	// Create writes the object where there is none, else it returns ErrExists. Of
	// several at once, one wins.
	Create(ctx context.Context, key string, r io.Reader) error
	// Adopt is Put of a local file, which it takes away, where it can without copying.
	Adopt(ctx context.Context, key, path string) error
	// Open opens the object for reading at any place.
	Open(ctx context.Context, key string) (*Object, error)
	// List yields the objects whose keys begin with prefix, in the order of their keys.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete takes the object away. One that is not there is no error.
	Delete(ctx context.Context, key string) error
}

// Info is what List says of an object.
type Info struct {
	Key      string
	Size     int64 // bytes
	Modified time.Time
}

// Object is an open object. ReadAt may be called by several goroutines.
type Object struct {
	io.ReaderAt
	Size  int64 // bytes
	close func() error
}

// NewObject returns an object over r; close may be nil.
func NewObject(r io.ReaderAt, size int64, close func() error) *Object {
	return &Object{r, size, close}
}

// File returns the open file that holds the object, nil where there is none: another
// process can be given it.
func (o *Object) File() *os.File {
	f, _ := o.ReaderAt.(*os.File)
	return f
}

// Reader returns a reader of the whole object from its beginning.
func (o *Object) Reader() *io.SectionReader { return io.NewSectionReader(o, 0, o.Size) }

// Close ends reading.
func (o *Object) Close() error {
	if o.close == nil {
		return nil
	}
	return o.close()
}

// Exists reports whether the object is there.
func Exists(ctx context.Context, s Store, key string) (bool, error) {
	o, err := s.Open(ctx, key)
	if fault.Of(err) == fault.NotFound && err != nil {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, o.Close()
}

// Read returns a small object's bytes; one larger than limit is Corrupt.
func Read(ctx context.Context, s Store, key string, limit int64) ([]byte, error) {
	o, err := s.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.Size > limit {
		return nil, fault.New(fault.Corrupt, "object %s: %d bytes, want at most %d", key, o.Size, limit)
	}
	return io.ReadAll(o.Reader())
}
