package tiff

import (
	"errors"
	"io"

	"bcc/fault"
)

// source reads within the file and within a budget.
type source struct {
	r    io.ReaderAt
	size int64
	left int64 // bytes that may still be read
}

// read returns n bytes at an offset, after checking that the file can hold them.
func (s *source) read(at, n int64) ([]byte, error) {
	switch {
	case at < 0 || n < 0 || n > s.size || at > s.size-n:
		return nil, fault.New(fault.Corrupt, "%d bytes at offset %d lie beyond the end of the file (%d bytes)", n, at, s.size)
	case n > s.left:
		return nil, fault.New(fault.Corrupt, "the directories need more than %d bytes", readBudget)
	}
	s.left -= n
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(s.r, at, n), b); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fault.New(fault.Corrupt, "read %d bytes at offset %d: the file ends before its size: %w", n, at, err)
		}
		return nil, fault.New(fault.Of(err), "read %d bytes at offset %d: %w", n, at, err)
	}
	return b, nil
}
