//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package train

import (
	"errors"
	"os"
	"syscall"

	"bcc/fault"
)

// lock takes the folder of a checkpoint for one run, making it; Busy where another
// has it. The lock is the kernel's: it ends with the process and leaves no file. File
// systems that cannot lock a folder are taken as they are.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		f.Close()
		return nil, fault.Hint(fault.New(fault.Busy, "another run writes its checkpoints into %s", dir),
			"wait for it to end, or name another --out")
	}
	return func() { f.Close() }, nil
}
