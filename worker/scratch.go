package worker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"bcc/disk"
)

// scratchMark begins the names of folders in Config.Scratch: one for each worker that
// runs. Its lock tells a worker at work from one that was killed.
const scratchMark = "bcc-worker-"

// openScratch makes a folder for this worker in dir, and clears away those that killed
// ones left: the disk of a machine whose workers are killed again and again must not
// fill up. release takes the folder away.
func openScratch(dir string) (own string, release func(), err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", nil, scratchError(err)
	}
	clearScratch(dir)
	for {
		if own, err = os.MkdirTemp(dir, scratchMark+"*"); err != nil {
			return "", nil, scratchError(err)
		}
		unlock, err := disk.Lock(own)
		if errors.Is(err, disk.ErrLocked) || errors.Is(err, fs.ErrNotExist) {
			continue // another one, just started, takes it for left behind
		}
		if err != nil {
			return "", nil, scratchError(errors.Join(err, os.Remove(own)))
		}
		return own, func() {
			os.RemoveAll(own) // before the lock ends: what is not there cannot be taken for left
			unlock()
		}, nil
	}
}

// clearScratch takes away the folders that nobody has locked.
func clearScratch(dir string) {
	left, err := filepath.Glob(filepath.Join(dir, scratchMark+"*"))
	if err != nil {
		return // nothing is lost but room
	}
	for _, path := range left {
		if info, err := os.Lstat(path); err != nil || !info.IsDir() {
			continue
		}
		if unlock, err := disk.Lock(path); err == nil {
			os.RemoveAll(path)
			unlock()
		}
	}
}
