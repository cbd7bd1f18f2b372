package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// withFolders returns the files in the order of their paths, each after the folders
// that it lies in.
func withFolders(files []file) []file {
	all := map[string]file{}
	for _, f := range files {
		for dir := path.Dir(f.path); dir != "."; dir = path.Dir(dir) {
			if _, ok := all[dir]; !ok {
				all[dir] = file{path: dir, mode: 0o755, dir: true}
			}
		}
	}
	for _, f := range files {
		all[f.path] = f
	}
	// A folder's name is the beginning of what lies in it, so it comes first.
	list := slices.Collect(maps.Values(all))
	slices.SortFunc(list, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return list
}

// open returns the file's bytes and how many there are.
func (f *file) open() (io.ReadCloser, int64, error) {
	if f.from == "" {
		return io.NopCloser(bytes.NewReader(f.body)), int64(len(f.body)), nil
	}
	in, err := os.Open(f.from)
	if err != nil {
		return nil, 0, err
	}
	info, err := in.Stat()
	if err != nil {
		in.Close()
		return nil, 0, err
	}
	return in, info.Size(), nil
}

// writeLayer writes the files as a tar archive that depends on nothing but their paths,
// modes and bytes: everything is of that time, and of no named user.
func writeLayer(w io.Writer, files []file, at time.Time) error {
	out := tar.NewWriter(w)
	for _, f := range withFolders(files) {
		if err := f.append(out, at); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	return out.Close()
}

func (f *file) append(out *tar.Writer, at time.Time) error {
	h := &tar.Header{Name: f.path, Mode: int64(f.mode.Perm()), Uid: f.uid, Gid: f.uid, ModTime: at, Format: tar.FormatPAX}
	if f.mode&os.ModeSticky != 0 {
		h.Mode |= 0o1000
	}
	switch {
	case f.link != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.link, 0o777
		return out.WriteHeader(h)
	case f.dir:
		h.Typeflag, h.Name = tar.TypeDir, f.path+"/"
		return out.WriteHeader(h)
	}
	in, size, err := f.open()
	if err != nil {
		return err
	}
	defer in.Close()
	h.Typeflag, h.Size = tar.TypeReg, size
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return err
}
