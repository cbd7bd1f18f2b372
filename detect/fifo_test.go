//go:build unix

package detect_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bcc/detect"
	"bcc/fault"
)

func TestItDoesNotReadADeviceAsAManifest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "zero.txt")
	if err := os.Symlink("/dev/zero", path); err != nil {
		t.Fatal(err)
	}
	_, err := detect.Find(t.Context(), []string{path}, "")
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "no regular file but D") {
		t.Errorf("error = %v, want invalid", err)
	}
}

func TestItDoesNotWaitForAWriterOfAManifest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe.csv")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := detect.Find(t.Context(), []string{path}, "") // opening it would hang
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "no regular file but p") {
		t.Errorf("error = %v, want invalid", err)
	}
}
