//go:build linux

package powertest

import (
	"syscall"
	"testing"
)

// Memory returns a folder in memory for the time of the test, on which syncs cost
// nothing: for looking at what was left after a cut. Where there is none it lies on the
// disk.
func Memory(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512m"); err != nil {
		return dir
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}
