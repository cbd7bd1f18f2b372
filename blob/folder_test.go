package blob_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bcc/blob"
	"bcc/blob/blobtest"
	"bcc/fault"
)

func folder(t *testing.T) *blob.FolderStore {
	t.Helper()
	f, err := blob.Folder(filepath.Join(t.TempDir(), "new", "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestAFolderKeepsObjects(t *testing.T) {
	t.Parallel()
	blobtest.Exercise(t, 3<<20, func(t *testing.T) blob.Store { return folder(t) })
}

func TestNoObjectLiesOutsideTheFolder(t *testing.T) {
	t.Parallel()
	f, outside := folder(t), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"dir": outside, "file": secret} {
		if err := os.Symlink(target, filepath.Join(f.Dir(), name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"dir/secret", "file"} {
		if o, err := f.Open(t.Context(), key); err == nil {
			o.Close()
			t.Errorf("%s was read through a link", key)
		}
	}
	if err := f.Put(t.Context(), "dir/new", strings.NewReader("x")); err == nil {
		t.Error("an object was written through a link")
	}
	if err := f.Put(t.Context(), "file", strings.NewReader("mine")); err != nil {
		t.Errorf("a link in an object's place: %v, want it replaced", err)
	}
	if b, _ := os.ReadFile(secret); string(b) != "secret" {
		t.Errorf("what the link led to holds %q", b)
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 1 {
		t.Errorf("outside lie %v", entries)
	}
}

func TestAPipeInTheFolderIsNoObject(t *testing.T) {
	t.Parallel()
	f := folder(t)
	if err := syscall.Mkfifo(filepath.Join(f.Dir(), "pipe"), 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := f.Open(t.Context(), "pipe"); fault.Of(err) != fault.NotFound {
		t.Errorf("%v, want not found, at once", err)
	}
}

func TestAnObjectBelowAnObjectIsInvalid(t *testing.T) {
	t.Parallel()
	f := folder(t)
	if err := errors.Join(f.Put(t.Context(), "a", strings.NewReader("")), f.Put(t.Context(), "d/x", strings.NewReader(""))); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a/b", "a/b/c", "d"} {
		if err := f.Put(t.Context(), key, strings.NewReader("")); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v, want invalid", key, err)
		}
	}
}

func TestOnlyWhatAKilledProcessLeftIsCleared(t *testing.T) {
	t.Parallel()
	f := folder(t)
	old, young := filepath.Join(f.Dir(), ".staged", "old"), filepath.Join(f.Dir(), ".staged", "young")
	for _, p := range []string{old, young} {
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(old, before, before); err != nil {
		t.Fatal(err)
	}
	again, err := blob.Folder(f.Dir())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := os.Stat(old); err == nil {
		t.Error("what was left is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("what another process may be writing is gone")
	}
}

func TestNothingIsLeftOfWrites(t *testing.T) {
	t.Parallel()
	f := folder(t)
	for range 2 {
		f.Put(t.Context(), "a", strings.NewReader("x"))
		f.Create(t.Context(), "b", strings.NewReader("x"))
	}
	if entries, err := os.ReadDir(filepath.Join(f.Dir(), ".staged")); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestAFullDiskIsUnavailableAndSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no small disk to fill: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	f, err := blob.Folder(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = f.Put(t.Context(), "big", strings.NewReader(strings.Repeat("x", 4<<20)))
	if fault.Of(err) != fault.Unavailable || fault.HintOf(err) == "" {
		t.Errorf("%v (hint %q), want unavailable with a hint", err, fault.HintOf(err))
	}
	if err := f.Put(t.Context(), "small", strings.NewReader("x")); err != nil {
		t.Errorf("a small one after it: %v: what failed still takes room", err)
	}
	// A file from another file system is copied.
	from := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(from, []byte("slide"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Adopt(t.Context(), "adopted", from); err != nil {
		t.Error(err)
	}
	if b, err := blob.Read(t.Context(), f, "adopted", 10); string(b) != "slide" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := os.Stat(from); err == nil {
		t.Error("the file is still there")
	}
}

func TestAFileIsNoStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := blob.Folder(path)
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "it is a file") {
		t.Error(err)
	}
}
