package train

import (
	"errors"
	"os"

	"bcc/disk"
	"bcc/fault"
)

// lock takes the folder of a checkpoint for one run, making it; Busy where another
// has it.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	unlock, err = disk.Lock(dir)
	if errors.Is(err, disk.ErrLocked) {
		return nil, fault.Hint(fault.New(fault.Busy, "another run writes its checkpoints into %s", dir),
			"wait for it to end, or name another --out")
	} else if err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	return unlock, nil
}
