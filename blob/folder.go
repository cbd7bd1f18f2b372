package blob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"bcc/disk"
	"bcc/fault"
)

// What is being written lies in a folder of its own: the folders of objects may hold
// many thousand, and looking through them at each write would take longer with each.
const (
	stagedDir  = ".staged"
	stagedName = "object"
	leftAfter  = 24 * time.Hour // older: what a killed process left; younger: maybe another's, at work
)

// FolderStore keeps each object as a file of the same name below a folder. Links
// that lead out of the folder are not followed. Several processes may share it.
type FolderStore struct {
	dir  string
	root *os.Root

	mu    sync.Mutex
	lasts map[string]bool // folders whose names are on the disk, those above them too
}

var _ Store = (*FolderStore)(nil)

// Folder opens the store in dir, which it makes.
func Folder(dir string) (*FolderStore, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fault.Hint(fault.New(fault.Invalid, "open store folder %s: it is a file", dir), "name a folder, or s3://bucket/prefix")
	}
	staged := filepath.Join(dir, stagedDir)
	err := disk.MakeDir(staged, 0o777)
	if err == nil {
		err = disk.SyncUp(staged) // of a process that was killed, too
	}
	if err != nil {
		return nil, folderError(fmt.Errorf("make store folder: %w", err))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, folderError(fmt.Errorf("open store folder: %w", err))
	}
	clearStaged(staged)
	return &FolderStore{dir: dir, root: root, lasts: map[string]bool{}}, nil
}

// clearStaged takes away what killed processes left.
func clearStaged(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // nothing is lost but room
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > leftAfter {
			os.RemoveAll(filepath.Join(dir, e.Name())) // sets lie in folders
		}
	}
}

// Close gives the folder back; what is open stays readable.
func (f *FolderStore) Close() error { return f.root.Close() }

// Dir returns the folder.
func (f *FolderStore) Dir() string { return f.dir }

// Put writes the object; it is on the disk when Put returns.
func (f *FolderStore) Put(ctx context.Context, key string, r io.Reader) error {
	return f.write(ctx, key, r, f.root.Rename)
}

// Create is Put where there is no such object. The file gets its name when it is
// whole, by a link, which fails where the name is taken.
func (f *FolderStore) Create(ctx context.Context, key string, r io.Reader) error {
	if err := checkKey(key, maxKey+keptKey); err != nil {
		return err
	}
	// Most losers come late: they need not write anything.
	if info, err := f.root.Lstat(key); err == nil && info.Mode().IsRegular() {
		return f.exists(key)
	}
	err := f.write(ctx, key, r, func(from, to string) error {
		err := f.root.Link(from, to)
		return errors.Join(err, f.root.Remove(from))
	})
	if errors.Is(err, fs.ErrExist) {
		return f.exists(key)
	}
	return err
}

// exists says that another was first. Whoever hears it counts on the object, and the
// first may not have come to the sync of its name, or was killed before it.
func (f *FolderStore) exists(key string) error {
	if err := f.place(key, func() error { return nil }); err != nil {
		return folderError(fmt.Errorf("create object %s: %w", key, err))
	}
	return fmt.Errorf("create object %s: %w", key, ErrExists)
}

// write stages what r holds and gives it its name by move.
func (f *FolderStore) write(ctx context.Context, key string, r io.Reader, move func(from, to string) error) error {
	if err := checkKey(key, maxKey+keptKey); err != nil {
		return err
	}
	src := &source{ctx: ctx, r: r}
	temp, err := disk.Stage(filepath.Join(f.dir, stagedDir, stagedName), func(w io.Writer) error {
		_, err := io.Copy(w, src)
		return err
	})
	if src.err != nil {
		return fmt.Errorf("write object %s: %w", key, src.err)
	}
	if err != nil {
		return folderError(fmt.Errorf("write object %s: %w", key, err))
	}
	from := path.Join(stagedDir, filepath.Base(temp))
	if err := f.place(key, func() error { return move(from, key) }); err != nil {
		f.root.Remove(from) // mostly gone already
		return folderError(fmt.Errorf("write object %s: %w", key, err))
	}
	return nil
}

// source reads until its context ends, and remembers an error that is not the disk's.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if err := context.Cause(s.ctx); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// place calls move, which gives key its file, with the key's folder made before, and
// makes both last.
func (f *FolderStore) place(key string, move func() error) error {
	if err := f.makeDir(path.Dir(key)); err != nil {
		return err
	}
	if err := move(); err != nil {
		return err
	}
	return disk.Sync(filepath.Join(f.dir, path.Dir(key)))
}

// makeDir makes a folder and those above it, each written into the one above it. One
// that is there but was not met before is written there, too: another may have made it
// this moment, or was killed before it wrote it.
func (f *FolderStore) makeDir(dir string) error {
	if dir == "." {
		return nil
	}
	if info, err := f.root.Stat(dir); err != nil || !info.IsDir() {
		if err := f.makeDir(path.Dir(dir)); err != nil {
			return err
		}
		if err := f.root.Mkdir(dir, 0o777); err != nil {
			if info, again := f.root.Stat(dir); again != nil || !info.IsDir() {
				return err // not because another was faster
			}
		}
	} else if f.known(dir) {
		return nil
	} else if err := f.makeDir(path.Dir(dir)); err != nil {
		return err
	}
	if err := disk.Sync(filepath.Join(f.dir, path.Dir(dir))); err != nil {
		return err
	}
	f.remember(dir)
	return nil
}

// maxKnown is how many folders are remembered, 100 bytes each. Forgetting them costs a
// sync for each that is met again.
const maxKnown = 10_000

func (f *FolderStore) known(dir string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lasts[dir]
}

func (f *FolderStore) remember(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.lasts) >= maxKnown {
		clear(f.lasts)
	}
	f.lasts[dir] = true
}

// Adopt renames the file into the store. From another file system it is copied.
func (f *FolderStore) Adopt(ctx context.Context, key, from string) error {
	if err := checkKey(key, maxKey+keptKey); err != nil {
		return err
	}
	file, err := openAdopted(from)
	if err != nil {
		return err
	}
	defer file.Close()
	err = errors.Join(file.Chmod(0o644), file.Sync())
	if err == nil {
		err = f.place(key, func() error { return os.Rename(from, filepath.Join(f.dir, filepath.FromSlash(key))) })
	}
	if err == nil {
		return nil // after a cut the file may be there under its old name, too
	}
	if !errors.Is(err, syscall.EXDEV) {
		return folderError(fmt.Errorf("adopt file as object %s: %w", key, err))
	}
	if err := f.Put(ctx, key, file); err != nil {
		return err
	}
	return os.Remove(from)
}

// openAdopted opens a file that is to become an object.
func openAdopted(name string) (*os.File, error) {
	info, err := os.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fault.New(fault.Invalid, "adopt file: it is no regular file")
	}
	if err != nil {
		return nil, folderError(fmt.Errorf("adopt file: %w", err))
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, folderError(fmt.Errorf("adopt file: %w", err))
	}
	return file, nil
}

// Open opens the object's file.
func (f *FolderStore) Open(_ context.Context, key string) (*Object, error) {
	if err := checkKey(key, maxKey+keptKey); err != nil {
		return nil, err
	}
	// Without waiting: a pipe that lies there would keep us.
	file, err := f.root.OpenFile(key, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, folderError(fmt.Errorf("open object %s: %w", key, err))
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		file.Close()
		return nil, folderError(fmt.Errorf("open object %s: %w", key, err))
	}
	return NewObject(file, info.Size(), file.Close), nil
}

// Delete takes the object's file away; folders stay.
func (f *FolderStore) Delete(_ context.Context, key string) error {
	if err := checkKey(key, maxKey+keptKey); err != nil {
		return err
	}
	err := f.root.Remove(key)
	if err == nil || errors.Is(err, fs.ErrNotExist) { // another may have removed it and not come to the sync
		err = disk.Sync(filepath.Join(f.dir, path.Dir(key)))
	}
	if err = folderError(err); err == nil || fault.Of(err) == fault.NotFound {
		return nil
	}
	return fmt.Errorf("delete object %s: %w", key, err)
}

// List walks the folder in the order of keys.
func (f *FolderStore) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, err)
			return
		}
		f.walk(ctx, path.Dir(prefix+"x"), prefix, yield)
	}
}

// walk yields what lies below dir and begins with prefix. It reports whether more
// is wanted.
func (f *FolderStore) walk(ctx context.Context, dir, prefix string, yield func(Info, error) bool) bool {
	if err := context.Cause(ctx); err != nil {
		return yield(Info{}, err) && false
	}
	entries, err := f.readDir(dir)
	if err != nil {
		err = folderError(fmt.Errorf("list objects below %q: %w", prefix, err))
		return fault.Of(err) == fault.NotFound || yield(Info{}, err) && false
	}
	for _, e := range entries {
		key := path.Join(dir, e.Name())
		if !strings.HasPrefix(key+"/", prefix) || checkKey(key, maxKey+keptKey) != nil {
			continue // not asked for, or put there by another program
		}
		if e.IsDir() {
			if !f.walk(ctx, key, prefix, yield) {
				return false
			}
			continue
		}
		if !e.Type().IsRegular() || !strings.HasPrefix(key, prefix) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile
		}
		if err != nil {
			return yield(Info{}, folderError(fmt.Errorf("list object %s: %w", key, err))) && false
		}
		if !yield(Info{key, info.Size(), info.ModTime().UTC()}, nil) {
			return false
		}
	}
	return true
}

// readDir returns a folder's entries in the order of the keys below them: a folder's
// name counts with its slash.
func (f *FolderStore) readDir(dir string) ([]fs.DirEntry, error) {
	d, err := f.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	slash := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(slash(a), slash(b)) })
	return entries, err
}

// folderError gives an error of the file system its kind.
func folderError(err error) error {
	switch {
	case err == nil || fault.Of(err) != fault.Internal:
		return err
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return fault.New(fault.NotFound, "%w", err)
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fault.Hint(fault.New(fault.Unavailable, "%w", err), "the disk of that folder is full: make room on it, or name another folder")
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		return fault.Hint(fault.New(fault.Unavailable, "%w", err), "let the program write there")
	case errors.Is(err, syscall.EISDIR) || errors.Is(err, fs.ErrExist):
		return fault.New(fault.Invalid, "%w: other objects lie below that key", err)
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ESTALE):
		return fault.New(fault.Unavailable, "%w", err)
	}
	return err
}
