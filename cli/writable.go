package cli

import (
	"errors"
	"io/fs"
	"os"

	"bcc/fault"
)

// writable makes the folder dir, which --out names, where it is missing and proves
// that files can be written into it.
func writable(dir string) error { return writableAs("--out", dir) }

// writableAs is writable for a folder that another flag names.
func writableAs(flag, dir string) error {
	if dir == "" {
		return fault.Hint(fault.New(fault.Invalid, "%s is empty", flag), "name a folder to write to")
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fault.Hint(fault.New(fault.Invalid, "%s %s: it is no folder", flag, dir), "name a folder to write to")
	}
	_, before := os.Stat(dir)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fault.Hint(fault.New(fault.Unavailable, "%s %s: %w", flag, dir, err), "name a folder that you may write to")
	}
	probe, err := os.CreateTemp(dir, ".bcc-probe-*")
	if err != nil {
		return fault.Hint(fault.New(fault.Unavailable, "%s %s: %w", flag, dir, err), "name a folder that you may write to")
	}
	err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	if errors.Is(before, fs.ErrNotExist) {
		_ = os.Remove(dir) // made again with the first result: a run without one leaves nothing
	}
	return err
}
