package report

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"bcc/fault"
)

// failing is a disk on which the n-th step fails, and every later one too where
// dead is set, as after a kill: then not even clearing up works.
type failing struct {
	disk
	n    int
	dead bool

	mu   sync.Mutex // files are written at once
	seen int
}

func (f *failing) step() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen++
	if f.seen == f.n || f.dead && f.seen > f.n {
		return syscall.ENOSPC
	}
	return nil
}

func (f *failing) MkdirAll(dir string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.disk.MkdirAll(dir)
}

func (f *failing) Lock(dir string) (func(), error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.disk.Lock(dir)
}

func (f *failing) Rename(from, to string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.disk.Rename(from, to)
}

func (f *failing) Remove(name string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.disk.Remove(name)
}

func (f *failing) SyncDir(dir string) error {
	if err := f.step(); err != nil {
		return err
	}
	return nil
}

func (f *failing) CreateTemp(dir, pattern string) (tempFile, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	t, err := f.disk.CreateTemp(dir, pattern)
	return &failingFile{t, f}, err
}

type failingFile struct {
	tempFile
	disk *failing
}

// Write fails after half of the bytes, as a full disk does.
func (f *failingFile) Write(b []byte) (int, error) {
	if err := f.disk.step(); err != nil {
		n, _ := f.tempFile.Write(b[:len(b)/2])
		return n, err
	}
	return f.tempFile.Write(b)
}

func (f *failingFile) Sync() error {
	return f.disk.step() // without the wait: no test pulls a plug
}

// Whichever step of writing over an older set fails or is the last before a kill,
// result.json is there only with the files it was written with.
func TestItLeavesAWholeSetOrNoResult(t *testing.T) {
	t.Parallel()
	old, in := sampleOf(t, "000", "000"), sample(t)
	oldSet, newSet := t.TempDir(), t.TempDir()
	if err := errors.Join(Write(oldSet, old), Write(newSet, in)); err != nil {
		t.Fatal(err)
	}
	before, after := contents(t, oldSet), contents(t, newSet)
	oldFiles, err := old.files()
	if err != nil {
		t.Fatal(err)
	}
	newFiles, err := in.files()
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range newFiles { // the same bytes, drawn once
		newFiles[i].write = bytesTo(after[f.name])
	}
	for i, f := range oldFiles {
		oldFiles[i].write = bytesTo(before[f.name])
	}
	dir := filepath.Join(t.TempDir(), "out")
	for _, dead := range []bool{false, true} {
		for n := 1; ; n++ {
			if err := save(&failing{disk: osDisk{}}, dir, oldFiles); err != nil {
				t.Fatal(err)
			}
			d := &failing{disk: osDisk{}, n: n, dead: dead}
			err := save(d, dir, newFiles)
			if d.seen < n {
				if err != nil {
					t.Fatal(err)
				}
				if n < 20 {
					t.Fatalf("only %d steps were seen", n)
				}
				break
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("step %d: %v, want that the disk is full", n, err)
			}
			left := contents(t, dir)
			if result, ok := left[ResultFile]; ok {
				set := before
				if string(result) != string(before[ResultFile]) {
					set = after
				}
				for name, want := range set {
					if string(left[name]) != string(want) {
						t.Fatalf("step %d, dead %v: result.json stands beside another set's %s", n, dead, name)
					}
				}
			}
			for name := range left {
				if strings.HasSuffix(name, tempMark) && !dead {
					t.Fatalf("step %d: %s was left", n, name)
				}
			}
		}
		// The next run clears away what a killed one left.
		if err := Write(dir, in); err != nil {
			t.Fatal(err)
		}
		if n := len(contents(t, dir)); n != 6 {
			t.Fatalf("%d files after the next run, want 6", n)
		}
	}
}

// Whichever step fails where there was no set before, nothing is left of the new
// one, not even the folder; what somebody else laid there stays.
func TestItLeavesNothingWhereNoSetWas(t *testing.T) {
	t.Parallel()
	in := sample(t)
	once := t.TempDir()
	if err := Write(once, in); err != nil {
		t.Fatal(err)
	}
	files, err := in.files()
	if err != nil {
		t.Fatal(err)
	}
	for i, drawn := 0, contents(t, once); i < len(files); i++ {
		files[i].write = bytesTo(drawn[files[i].name])
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "notes.txt"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "out")
	for _, dir := range []string{missing, other} {
		for n := 1; ; n++ {
			d := &failing{disk: osDisk{}, n: n}
			err := save(d, dir, files)
			if d.seen < n {
				if err != nil || n < 20 {
					t.Fatalf("%v after %d steps", err, n)
				}
				break
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("step %d: %v, want that the disk is full", n, err)
			}
			if _, err := os.Stat(missing); dir == missing && !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("step %d: the folder stays: %v", n, err)
			}
			if left := contents(t, other); len(left) != 1 {
				t.Fatalf("step %d: %d files are there, want the one that was", n, len(left))
			}
		}
	}
}

// vanishing is a disk on which another writer takes the folder away just before it
// can be locked.
type vanishing struct {
	disk
	times int
}

func (v *vanishing) Lock(dir string) (func(), error) {
	if v.times--; v.times >= 0 {
		os.Remove(dir)
		return nil, fs.ErrNotExist
	}
	return v.disk.Lock(dir)
}

func TestItMakesAFolderAgainThatAnotherRunTookAway(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	if err := write(&vanishing{osDisk{}, 1}, dir, sample(t)); err != nil {
		t.Fatal(err)
	}
	if n := len(contents(t, dir)); n != 6 {
		t.Errorf("%d files, want 6", n)
	}
	if err := write(&vanishing{osDisk{}, 9}, filepath.Join(t.TempDir(), "out"), sample(t)); fault.Of(err) != fault.Unavailable {
		t.Errorf("%v, want unavailable", err)
	}
}

func TestItKeepsFilesThatAreNotItsOwn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "[brackets]*")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"notes.txt", ".hidden", ".result.json.1.bcc-tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(dir, sample(t)); err != nil {
		t.Fatal(err)
	}
	got := contents(t, dir)
	if len(got) != 8 || got["notes.txt"] == nil || got[".hidden"] == nil {
		t.Errorf("%d files, want the six and the two that were there", len(got))
	}
}

func TestItSaysWhenAFolderCannotBeMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := Write(filepath.Join(file, "out"), sample(t))
	if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), file) {
		t.Errorf("%v, want an error of kind unavailable that names the folder", err)
	}
}
