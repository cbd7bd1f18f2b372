package fetch

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"bcc/fault"
)

// root is a folder below which files may be read.
type root struct {
	given string // absolute, as it was named
	path  string // with all links resolved
	dir   *os.Root
}

func openRoot(dir string) (root, error) {
	given, err := filepath.Abs(dir)
	if err != nil {
		return root{}, fault.New(fault.Invalid, "allowed folder %q: %w", dir, err)
	}
	path, err := filepath.EvalSymlinks(given)
	if err != nil {
		return root{}, fault.New(fault.Invalid, "allowed folder %q: %w", dir, err)
	}
	opened, err := os.OpenRoot(path)
	if err != nil {
		return root{}, fault.New(fault.Invalid, "allowed folder %q: %w", dir, err)
	}
	return root{given, path, opened}, nil
}

// below returns path as it is called below base.
func below(base, path string) (string, bool) {
	rel, err := filepath.Rel(base, path)
	return rel, err == nil && rel != "." && filepath.IsLocal(rel)
}

// Local returns the path of a file:// address with all links resolved; ok is false
// where the address is of another kind. A file outside the roots is ErrRefused,
// there or not.
func (f *Fetcher) Local(address string) (path string, ok bool, err error) {
	if scheme(address) != "file" {
		return "", false, nil
	}
	_, _, path, err = f.local(address)
	return path, true, err
}

// local finds the root of an address, and the file's name below it.
func (f *Fetcher) local(address string) (r root, rel, path string, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host != "" && u.Host != "localhost" || u.RawQuery != "" || u.Fragment != "" || !filepath.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0) {
		return root{}, "", "", fault.New(fault.Invalid, "fetch: want file:// and an absolute path")
	}
	outside := refuse("ask whoever runs the server to allow the folder", "the file does not lie below an allowed folder")
	clean := filepath.Clean(u.Path)
	named := false
	for _, r := range f.roots {
		_, as := below(r.given, clean)
		_, is := below(r.path, clean)
		named = named || as || is
	}
	if !named {
		return root{}, "", "", outside // before the disk is asked: what lies elsewhere is nobody's business
	}
	path, err = filepath.EvalSymlinks(clean)
	if err != nil {
		if !f.reaches(clean) {
			return root{}, "", "", outside
		}
		return root{}, "", "", localError(err)
	}
	for _, r := range f.roots {
		rel, ok := below(r.path, path)
		if !ok {
			continue
		}
		info, err := r.dir.Stat(rel)
		if err != nil {
			return root{}, "", "", localError(err)
		}
		if !info.Mode().IsRegular() {
			return root{}, "", "", fault.New(fault.Invalid, "fetch file: it is no regular file")
		}
		return r, rel, path, nil
	}
	return root{}, "", "", outside
}

// reaches reports whether what there is of a path lies in a root. A link that leads
// out of it must not tell what is there and what is not.
func (f *Fetcher) reaches(clean string) bool {
	for dir := clean; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		path, err := filepath.EvalSymlinks(dir)
		if err != nil {
			continue
		}
		for _, r := range f.roots {
			if _, ok := below(r.path, path); ok || path == r.path {
				return true
			}
		}
		return false
	}
	return false
}

// openLocal opens the file below its root: a link that was put there meanwhile leads
// out of it no more than before.
func (f *Fetcher) openLocal(address string) (*os.File, error) {
	r, rel, _, err := f.local(address)
	if err != nil {
		return nil, err
	}
	file, err := r.dir.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, localError(err)
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, fault.New(fault.Invalid, "fetch file: it is no regular file")
	}
	return file, nil
}

func localError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return fault.New(fault.NotFound, "fetch file: there is no such file")
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Invalid, "fetch file: the server may not read it")
	}
	return fault.New(fault.Unavailable, "fetch file: %w", pathless(err))
}
