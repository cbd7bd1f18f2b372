package detect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
	"bcc/report"
)

// List walks the slides, jobs of them at a time, and writes the results of each
// into its folder under out. A slide whose results are there already, whole, for the
// same content, model and parameters by this version of the program, is skipped; a
// bad one does not stop the others. When ctx ends, no more are begun. The ends come
// back in the order of the items, one for each.
func (d *Detector) List(ctx context.Context, items []Item, out string, jobs int, watch Watcher) []End {
	return d.cfg.list(ctx, items, jobs, watch, func(ctx context.Context, src Source, end *End, watch Watcher) error {
		end.Dir = filepath.Join(out, filepath.FromSlash(src.Name))
		result, skipped, err := d.unlessThere(ctx, src, end.Dir, watch)
		if err != nil {
			return err
		}
		if skipped {
			end.Status = Skipped
		}
		end.Result, end.Patches = &result, result.Tissue.Patches
		return nil
	})
}

// unlessThere walks the slide, unless its results are in dir.
func (d *Detector) unlessThere(ctx context.Context, src Source, dir string, watch Watcher) (result report.Result, skipped bool, err error) {
	if old, err := report.Load(dir); err == nil && report.Complete(dir) {
		sum, err := src.SHA256()
		if err != nil {
			return result, false, err
		}
		if old.Same(sum, d.cfg.Model.SHA256, d.cfg.Program.Version, d.Parameters(src.MPP)) {
			return old, true, nil
		}
	}
	result, err = d.Detect(ctx, src, dir, watch)
	return result, false, err
}

// visit does the work on one slide and fills in the end, which is Done unless it
// says otherwise.
type visit func(ctx context.Context, src Source, end *End, watch Watcher) error

// list visits the slides, jobs of them at a time; see Detector.List.
func (w Walk) list(ctx context.Context, items []Item, jobs int, watch Watcher, work visit) []End {
	if watch == nil {
		watch = silent{}
	}
	ends := make([]End, len(items))
	var eg errgroup.Group
	eg.SetLimit(max(jobs, 1))
	for i, item := range items {
		ends[i] = End{Name: item.Name, Status: Waiting}
		if ctx.Err() != nil {
			continue
		}
		eg.Go(func() error {
			if w.Enter != nil {
				leave, err := w.Enter(ctx)
				if err != nil {
					return nil // it waits still
				}
				defer leave()
			}
			end := one(ctx, item, watch, work)
			watch.Ended(end)
			ends[i] = end
			return nil
		})
	}
	_ = eg.Wait() // no job returns an error: each has its End
	return ends
}

// one visits one slide and never panics: a slide must not take the others down.
func one(ctx context.Context, item Item, watch Watcher, work visit) (end End) {
	begun := time.Now()
	end = End{Name: item.Name, Status: Done}
	defer func() {
		if p := recover(); p != nil {
			end.Status = Failed
			end.Err = fault.New(fault.Internal, "%s: panic: %v\n%s", item.Path, p, debug.Stack())
		}
		end.Took = time.Since(begun)
	}()
	err := open(ctx, item, func(src Source) error { return work(ctx, src, &end, watch) })
	switch {
	case err != nil && ctx.Err() != nil:
		end.Status, end.Err = Stopped, context.Cause(ctx)
	case err != nil:
		end.Status, end.Err = Failed, fmt.Errorf("%s: %w", item.Path, err)
	}
	return end
}

// open opens the slide's file for the time of work.
func open(ctx context.Context, item Item, work func(Source) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, size, err := openFile(item.Path)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	src := Source{ReaderAt: f, Size: size, Name: item.Name, SHA256: digest(ctx, f, size), MPP: item.MPP}
	defer func() {
		stop()
		_, _ = src.SHA256() // the file is read no more
		f.Close()
	}()
	return work(src)
}

func openFile(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, fault.New(fault.NotFound, "no such file")
	case err != nil:
		return nil, 0, fault.New(fault.Unavailable, "look at the file: %w", err)
	case !info.Mode().IsRegular():
		return nil, 0, fault.New(fault.Invalid, "it is no regular file but %s", info.Mode().Type())
	case info.Size() == 0:
		return nil, 0, fault.New(fault.Corrupt, "the file is empty")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fault.New(fault.Unavailable, "open the file: %w", err)
	}
	return f, info.Size(), nil
}

// digest reads the whole file in the background, while the walk begins, and
// returns the function that waits for its SHA-256.
func digest(ctx context.Context, r io.ReaderAt, size int64) func() (string, error) {
	var sum string
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		sum, err = digestOf(ctx, r, size)
	}()
	return func() (string, error) {
		<-done
		return sum, err
	}
}

// digestOf returns the SHA-256 of the file.
func digestOf(ctx context.Context, r io.ReaderAt, size int64) (string, error) {
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for at := int64(0); at < size; {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := r.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		h.Write(buf[:n])
		at += int64(n)
		if n == 0 && err != nil {
			return "", fault.New(fault.Unavailable, "read the file at byte %d: %w", at, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
