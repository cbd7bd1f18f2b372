//go:build !linux

package powertest

import (
	"errors"
	"testing"
)

func (d *Disk) mount(string) (func() error, error) {
	return nil, errors.ErrUnsupported
}

// Memory returns a folder.
func Memory(t testing.TB) string { return t.TempDir() }
