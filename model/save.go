package model

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"bcc/disk"
	"bcc/fault"
)

// Save writes the bundle into the folder dir, which it makes, in place of an older
// one. Until every file lies on the disk under a temporary name, the older one
// stands; then its card goes first and the new one comes last, so that a kill at any
// moment leaves a whole bundle or a folder without a card.
func (b *Bundle) Save(dir string) error {
	if err := b.save(dir); err != nil {
		return fault.New(fault.Unavailable, "write model %s into %s: %w", b.Card.Name, dir, err)
	}
	return nil
}

func (b *Bundle) save(dir string) (err error) {
	if err := disk.MakeDir(dir, 0o777); err != nil {
		return err
	}
	temps := map[string]string{} // file to where it lies until all are there
	defer func() {
		if err != nil {
			for _, temp := range temps {
				os.Remove(temp)
			}
		}
	}()
	names := append(slices.Sorted(maps.Keys(b.Card.Files)), CardFile)
	for _, name := range names {
		data := b.RawCard
		if name != CardFile {
			if data, err = b.File(name); err != nil {
				return err
			}
		}
		if temps[name], err = disk.Stage(filepath.Join(dir, name), disk.Bytes(data)); err != nil {
			return err
		}
	}
	if err := os.Remove(filepath.Join(dir, CardFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := disk.Sync(dir); err != nil { // after a power cut, too
		return err
	}
	for _, name := range names {
		if name == CardFile { // the last
			if err := disk.Sync(dir); err != nil {
				return err
			}
		}
		if err := os.Rename(temps[name], filepath.Join(dir, name)); err != nil {
			return err
		}
		delete(temps, name)
	}
	return disk.Sync(dir)
}
