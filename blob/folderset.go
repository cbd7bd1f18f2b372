package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"golang.org/x/sync/errgroup"

	"bcc/disk"
)

var _ setPutter = (*FolderStore)(nil)

// setWriters is how many files of a set are written at once: file systems with a
// journal write those together that wait for it together.
const setWriters = 8

// putSet writes the set as a folder of its own beside the store and moves it there
// when it lies on the disk: it is whole or not there at any moment, and costs a sync a
// file and two, where one object after the other costs two a file and one.
func (f *FolderStore) putSet(ctx context.Context, prefix, dir string, sums Sums, text []byte) error {
	if err := checkKey(prefix, maxKey+keptKey); err != nil {
		return err
	}
	for _, file := range sums.Files {
		if err := checkKey(prefix+"/"+file.Name, maxKey+keptKey); err != nil {
			return err
		}
	}
	staged, err := os.MkdirTemp(filepath.Join(f.dir, stagedDir), "set.*")
	if err != nil {
		return folderError(err)
	}
	defer os.RemoveAll(staged) // it has moved where all went well
	if err := f.stageSet(ctx, staged, dir, sums, text); err != nil {
		return folderError(fmt.Errorf("write set %s: %w", prefix, err))
	}
	err = f.place(prefix, func() error { return f.root.Rename(path.Join(stagedDir, filepath.Base(staged)), prefix) })
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return putEach(ctx, f, prefix, dir, sums, text) // in place of what lies there
	}
	if err != nil {
		return folderError(fmt.Errorf("write set %s: %w", prefix, err))
	}
	return nil
}

// stageSet writes the files of a set into the folder staged, to the disk.
func (f *FolderStore) stageSet(ctx context.Context, staged, dir string, sums Sums, text []byte) error {
	if err := os.Chmod(staged, 0o755); err != nil { // MkdirTemp's is for secrets
		return err
	}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(setWriters)
	eg.Go(func() error { return writeSynced(ctx, filepath.Join(staged, sumsName), bytes.NewReader(text)) })
	for _, file := range sums.Files {
		eg.Go(func() error {
			from, err := os.Open(filepath.Join(dir, file.Name))
			if err != nil {
				return err
			}
			defer from.Close()
			return writeSynced(ctx, filepath.Join(staged, file.Name), from)
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	return disk.Sync(staged)
}

// writeSynced writes a new file to the disk.
func writeSynced(ctx context.Context, name string, r io.Reader) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err = io.Copy(file, &source{ctx: ctx, r: r}); err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
