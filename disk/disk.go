// Package disk writes files that are whole or not there: under another name first,
// to the disk and not only to its cache, then renamed, so that a kill, a power cut or
// a full disk leaves the older file as it was.
//
// In: a path and what shall stand in it. Out: the file, or an error and no trace of
// the attempt. It knows no format.
package disk

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A file on its way is called .NAME.*.bcc-tmp. One that is older than leftAfter is
// what a killed run left; a younger one may be another run's.
const (
	tempMark  = ".bcc-tmp"
	leftAfter = time.Hour
)

// Replace writes a file in place of an older one, in a folder which it makes.
func Replace(path string, write func(io.Writer) error) error { return replace(path, write, 0o644) }

func replace(path string, write func(io.Writer) error, mode os.FileMode) error {
	dir := filepath.Dir(path)
	if err := MakeDir(dir, 0o777); err != nil {
		return err
	}
	temp, err := stage(path, write, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return Sync(dir)
}

// Write is Replace for what lies in memory.
func Write(path string, data []byte) error { return Replace(path, Bytes(data)) }

// WriteSecret is Write of what nobody but the owner may read.
func WriteSecret(path string, data []byte) error { return replace(path, Bytes(data), 0o600) }

// Bytes returns a function that writes data, for Replace and Stage.
func Bytes(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// Stage writes what is to become the file path under another name beside it, which
// it returns. The caller renames it, when all files of a set are staged, and syncs
// the folder, or removes it.
func Stage(path string, write func(io.Writer) error) (temp string, err error) {
	return stage(path, write, 0o644)
}

func stage(path string, write func(io.Writer) error, mode os.FileMode) (temp string, err error) {
	dir, name := filepath.Dir(path), filepath.Base(path)
	clearLeft(dir, name)
	f, err := os.CreateTemp(dir, "."+name+".*"+tempMark)
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err = write(w); err == nil { // a full disk is told once, by the first that meets it
		err = w.Flush()
	}
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync()) // CreateTemp's is 0600
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
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

// MakeDir is os.MkdirAll for folders that last: each that it makes is written into the
// one above it, because what lies in a folder is lost with its name.
func MakeDir(dir string, mode os.FileMode) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	up := filepath.Dir(dir)
	if up != dir {
		if err := MakeDir(up, mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, mode); err != nil {
		if info, again := os.Stat(dir); again != nil || !info.IsDir() {
			return err // not because another was faster
		}
	}
	return Sync(up)
}

// SyncUp makes the names of a folder and of all above it last, whoever made them: one
// who was killed may not have come to it.
func SyncUp(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for up := filepath.Dir(dir); up != dir; dir, up = up, filepath.Dir(up) {
		err := Sync(up)
		if errors.Is(err, fs.ErrPermission) {
			return nil // not ours, nor what is above it
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Sync makes renames in a folder last. File systems that cannot sync a folder are
// taken as they are.
func Sync(dir string) error {
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
