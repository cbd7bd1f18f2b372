package report

import "os"

// passing is a disk that waits for nothing: of a folder that is soon taken away no file
// has to outlive a power cut, and often none ever reaches the plates.
type passing struct{ disk }

func (p passing) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o777) }
func (p passing) SyncDir(string) error      { return nil }

func (p passing) CreateTemp(dir, pattern string) (tempFile, error) {
	f, err := p.disk.CreateTemp(dir, pattern)
	return passingFile{f}, err
}

type passingFile struct{ tempFile }

func (passingFile) Sync() error { return nil }
