package disk_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bcc/disk"
)

func TestAFileIsReplacedAsAWhole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "f")
	for _, text := range []string{"older", "newer"} {
		if err := disk.Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Fatalf("%q, %v: want %q", got, err, text)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v: want that of any file", info.Mode(), err)
	}
}

func TestAFailedWriteLeavesTheOlderFileAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := disk.Write(path, []byte("older")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := disk.Replace(path, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 3<<20)) // some of it is on the disk
		return errors.Join(err, broken)
	})
	if !errors.Is(err, broken) {
		t.Fatalf("%v, want the writer's error", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "older" {
		t.Errorf("%q stands there, want the older file", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%v lie there, want the file alone", entries)
	}
}

func TestWhatAKilledRunLeftGoesAndWhatARunIsWritingStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left, others, young := filepath.Join(dir, ".f.1.bcc-tmp"), filepath.Join(dir, ".g.1.bcc-tmp"), filepath.Join(dir, ".f.2.bcc-tmp")
	for _, p := range []string{left, others, young} {
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := errors.Join(os.Chtimes(left, old, old), os.Chtimes(others, old, old)); err != nil {
		t.Fatal(err)
	}
	if err := disk.Write(filepath.Join(dir, "f"), nil); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]bool{left: false, others: true, young: true} {
		if _, err := os.Stat(p); (err == nil) != want {
			t.Errorf("%s: there %v, want %v", filepath.Base(p), err == nil, want)
		}
	}
}
