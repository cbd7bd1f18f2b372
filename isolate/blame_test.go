//go:build linux

package isolate_test

import (
	"errors"
	"testing"

	"bcc/fault"
	"bcc/isolate"
)

// Workers count how often a slide killed its reader, and ask every error for it.
func TestASlideThatKillsIsBlamed(t *testing.T) {
	t.Parallel()
	err := fault.Hint(fault.New(fault.Corrupt, "read region: %w: it hung", isolate.ErrKilled), "look at it")
	blame, ok := errors.AsType[interface {
		error
		Blames() bool
	}](err)
	if !ok || !blame.Blames() || !errors.Is(err, isolate.ErrKilled) {
		t.Errorf("%v does not say whose doing it was", err)
	}
}
