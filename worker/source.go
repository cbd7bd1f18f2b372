package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"bcc/blob"
	"bcc/cohort"
	"bcc/detect"
	"bcc/fault"
)

// source is an open slide of the store.
type source struct {
	detect.Source
	object *blob.Object
	sha256 string
}

func slideKey(sha256 string) string { return "slides/" + sha256 }

// open opens the slide of a task, which it brings into the store first where it lies
// elsewhere.
func (w *Worker) open(ctx context.Context, t cohort.Task) (*source, error) {
	sha := t.Slide.SHA256
	if sha == "" {
		var err error
		if sha, err = w.bring(ctx, t.Slide.URL); err != nil {
			return nil, err
		}
	}
	src, err := w.openStored(ctx, sha, t.Slide.Parameters)
	if err != nil && fault.Of(err) == fault.NotFound {
		if gone := w.desk.Home(ctx, t); gone != nil { // not the slide is missing, the store is
			return nil, ofStore(gone)
		}
	}
	return src, err
}

// openStored opens a slide that lies in the store.
func (w *Worker) openStored(ctx context.Context, sha string, p cohort.Parameters) (*source, error) {
	o, err := w.store.Open(ctx, slideKey(sha))
	if err != nil && fault.Of(err) == fault.NotFound {
		return nil, fault.Hint(fault.New(fault.NotFound, "the slide is not in the store"), "send it again")
	}
	if err != nil {
		return nil, ofStore(err)
	}
	return &source{
		Source: detect.Source{
			ReaderAt: stored{o}, Size: o.Size, Name: neutral(sha), MPP: scale(p),
			SHA256: func() (string, error) { return sha, nil },
		},
		object: o, sha256: sha,
	}, nil
}

// stored tells a store that is away from a slide that cannot be read.
type stored struct{ io.ReaderAt }

func (s stored) ReadAt(b []byte, at int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(b, at)
	return n, ofStore(err)
}

func (s *source) close() { s.object.Close() }

// bring fetches a slide, hashing it on its way, and gives it to the store.
func (w *Worker) bring(ctx context.Context, address string) (sha string, err error) {
	if w.fetch == nil {
		return "", fault.New(fault.Unsupported, "slides at addresses are not fetched here")
	}
	f, err := os.CreateTemp(w.scratch, "slide-*")
	if err != nil {
		return "", scratchError(err)
	}
	defer func() { // where the store has taken it, it is not there any more
		f.Close()
		os.Remove(f.Name())
	}()
	h := sha256.New()
	if _, err := w.fetch.Fetch(ctx, address, io.MultiWriter(h, file{f})); err != nil {
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", scratchError(err)
	}
	sha = hex.EncodeToString(h.Sum(nil))
	there, err := blob.Exists(ctx, w.store, slideKey(sha))
	if err != nil || there {
		return sha, ofStore(err)
	}
	return sha, ofStore(w.store.Adopt(ctx, slideKey(sha), f.Name()))
}

// file tells a full disk from what else can go wrong while a slide is brought.
type file struct{ *os.File }

func (f file) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	if err != nil {
		err = scratchError(err)
	}
	return n, err
}

func scratchError(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		err = p.Err // clients read it: our folders are not for them
	}
	return ofMachine(fault.Hint(fault.New(fault.Unavailable, "write to the scratch folder: %w", err), "the disk may be full"))
}
