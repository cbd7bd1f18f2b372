//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package report

import (
	"errors"
	"os"
	"syscall"

	"bcc/fault"
)

// Lock takes the folder for one writer until unlock; Busy where another has it. The
// lock is the kernel's: it ends with the process and leaves no file. File systems
// that cannot lock a folder are taken as they are.
func (osDisk) Lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		f.Close()
		return nil, fault.Hint(fault.New(fault.Busy, "another run writes into this folder"),
			"wait for it to end, or name another folder")
	}
	// The folder may be gone since it was opened: the writer before us failed and took
	// it away.
	held, err := f.Stat()
	if err == nil {
		var named os.FileInfo
		if named, err = os.Stat(dir); err == nil && !os.SameFile(held, named) {
			err = os.ErrNotExist
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
