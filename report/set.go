package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	folder "bcc/disk"
	"bcc/fault"
)

// disk is what writing a set needs of a file system. Tests put one in that fails.
type disk interface {
	MkdirAll(dir string) error
	// Lock takes dir for one writer until unlock. Busy: another has it.
	Lock(dir string) (unlock func(), err error)
	Exists(name string) bool
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
	disk   disk
	dir    string
	made   bool     // dir is ours: it was not there before
	names  []string // final, in the order of commit
	temps  []string // names beside them; empty: not made, or named by commit
	fresh  []string // named by commit where nothing was before
	unlock func()
}

// Temporary files are called .NAME.*.bcc-tmp, so that a later run can tell what
// a killed one left behind.
const tempMark = ".bcc-tmp"

// newSet makes dir, takes it for itself until close, and clears away what a killed
// run left there. Busy: another run writes there now.
func newSet(d disk, dir string) (*set, error) {
	s := &set{disk: d, dir: dir}
	var err error
	for range 3 { // a writer that fails may take its folder away from under us
		s.made = !d.Exists(dir)
		if err = d.MkdirAll(dir); err != nil {
			return nil, err
		}
		if s.unlock, err = d.Lock(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		if s.made && fault.Of(err) != fault.Busy {
			d.Remove(dir)
		}
		return nil, err
	}
	if err := s.clear(); err != nil {
		s.close(false)
		return nil, fmt.Errorf("clear away what an earlier run left: %w", err)
	}
	return s, nil
}

// clear takes away the temporary files of an earlier run.
func (s *set) clear() error {
	left, err := s.disk.Glob(s.dir, ".*"+tempMark)
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := s.disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
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
		name := filepath.Join(s.dir, s.names[i])
		fresh := !s.disk.Exists(name)
		if err := s.disk.Rename(temp, name); err != nil {
			return err
		}
		s.temps[i] = ""
		if fresh {
			s.fresh = append(s.fresh, name)
		}
	}
	return s.disk.SyncDir(s.dir)
}

// close lets go of the folder. Where the set is not whole, what it wrote goes away
// first: temporary files, files of which there was no older one, the last named
// first, and the folder where it was not there before.
func (s *set) close(whole bool) {
	defer s.unlock()
	if whole {
		return
	}
	for _, temp := range s.temps {
		if temp != "" {
			s.disk.Remove(temp) // a file that cannot be removed is cleared away by the next run
		}
	}
	for _, name := range slices.Backward(s.fresh) {
		if err := s.disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return // the last may be this one: it must not stand without the others
		}
	}
	if s.made {
		s.disk.Remove(s.dir) // stays where something lies in it
	}
}

// osDisk is the disk of the machine.
type osDisk struct{}

func (osDisk) MkdirAll(dir string) error    { return folder.MakeDir(dir, 0o777) }
func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Remove(name string) error     { return os.Remove(name) }

func (osDisk) Exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

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
