package report

import (
	"errors"

	folder "bcc/disk"
	"bcc/fault"
)

// Lock takes the folder for one writer until unlock; Busy where another has it.
func (osDisk) Lock(dir string) (unlock func(), err error) {
	unlock, err = folder.Lock(dir)
	if errors.Is(err, folder.ErrLocked) {
		return nil, fault.Hint(fault.New(fault.Busy, "another run writes into this folder"),
			"wait for it to end, or name another folder")
	}
	return unlock, err
}
