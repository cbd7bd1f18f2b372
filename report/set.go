package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// disk is what writing a set needs of a file system. Tests put one in that fails.
type disk interface {
	MkdirAll(dir string) error
	// CreateTemp makes a new file in dir; the last * of pattern becomes its own.
	CreateTemp(dir, pattern string) (tempFile, error)
	Rename(from, to string) error
	Remove(name string) error
	Glob(dir, pattern string) ([]string, error)
	SyncDir(dir string) error
}

type tempFile interface {
	io.Writer
	Name() string
	Sync() error
	Close() error
}

// set writes files under temporary names and gives them their own names all at
// once: until commit nothing of an older set is touched.
type set struct {
	disk  disk
	dir   string
	names []string // final, in the order of commit
	temps []string // names beside them
}

// Temporary files are called .NAME.*.bcc-tmp, so that a later run can tell what
// a killed one left behind.
const tempMark = ".bcc-tmp"

// newSet makes dir and clears away what a killed run left there. One writer a
// folder: a second one at the same time makes the first fail, never a mixed set.
func newSet(d disk, dir string) (*set, error) {
	if err := d.MkdirAll(dir); err != nil {
		return nil, err
	}
	left, err := d.Glob(dir, ".*"+tempMark)
	if err != nil {
		return nil, err
	}
	for _, name := range left {
		if err := d.Remove(name); err != nil {
			return nil, fmt.Errorf("clear away what an earlier run left: %w", err)
		}
	}
	return &set{disk: d, dir: dir}, nil
}

// add writes the files under temporary names, to the disk and not only to its
// cache, all at once: encoding one and waiting for the disk with another overlap.
func (s *set) add(files []file) error {
	s.names, s.temps = make([]string, len(files)), make([]string, len(files))
	var eg errgroup.Group
	for i, f := range files {
		s.names[i] = f.name
		eg.Go(func() (err error) {
			if s.temps[i], err = s.temp(f); err != nil {
				err = fmt.Errorf("write %s: %w", f.name, err)
			}
			return err
		})
	}
	return eg.Wait()
}

// temp writes one file under a temporary name, which it returns also with an error
// when there is a file of that name.
func (s *set) temp(file file) (name string, err error) {
	f, err := s.disk.CreateTemp(s.dir, "."+file.name+".*"+tempMark)
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	return f.Name(), errors.Join(file.write(w), w.Flush(), f.Sync(), f.Close())
}

// commit gives the files their names, the last added last: its presence means
// that all are there. That of an older set goes away first.
func (s *set) commit() error {
	last := filepath.Join(s.dir, s.names[len(s.names)-1])
	if err := s.disk.Remove(last); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take away the older set: %w", err)
	}
	if err := s.disk.SyncDir(s.dir); err != nil {
		return err
	}
	for i, temp := range s.temps {
		if i == len(s.temps)-1 { // all others are on the disk before the last is named
			if err := s.disk.SyncDir(s.dir); err != nil {
				return err
			}
		}
		if err := s.disk.Rename(temp, filepath.Join(s.dir, s.names[i])); err != nil {
			return err
		}
	}
	s.temps = nil
	return s.disk.SyncDir(s.dir)
}

// discard takes away what add wrote and commit did not name.
func (s *set) discard() {
	for _, temp := range s.temps {
		if temp == "" {
			continue // it was never made
		}
		s.disk.Remove(temp) // a file that cannot be removed is cleared away by the next run
	}
}

// osDisk is the disk of the machine.
type osDisk struct{}

func (osDisk) MkdirAll(dir string) error    { return os.MkdirAll(dir, 0o777) }
func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Remove(name string) error     { return os.Remove(name) }

func (osDisk) CreateTemp(dir, pattern string) (tempFile, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	// CreateTemp is for secrets; reports have the mode of any other file.
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, err
	}
	return f, nil
}

// Glob does not use filepath.Glob, which would read brackets in dir as a pattern.
func (osDisk) Glob(dir, pattern string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		ok, err := filepath.Match(pattern, e.Name())
		if err != nil {
			return nil, err
		}
		if ok && strings.HasSuffix(e.Name(), tempMark) && !e.IsDir() {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}

// SyncDir makes renames last. File systems that cannot sync a folder are taken as
// they are.
func (osDisk) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, os.ErrInvalid) {
		return err
	}
	return nil
}
