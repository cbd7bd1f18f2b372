//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package disk_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"bcc/disk"
)

func TestAFolderIsLockedForOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unlock, err := disk.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Lock(dir); !errors.Is(err, disk.ErrLocked) {
		t.Fatalf("%v, want that another has it", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := disk.WaitLock(ctx, dir); !errors.Is(err, disk.ErrLocked) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v, want that another has it until the end of the wait", err)
	}
	time.AfterFunc(20*time.Millisecond, unlock)
	after, err := disk.WaitLock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	after()
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("%v lie there, want nothing", entries)
	}
}

func TestASecretIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/s"
	if err := disk.WriteSecret(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: want 0600", info.Mode(), err)
	}
}
