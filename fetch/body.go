package fetch

import (
	"context"
	"errors"
	"io"
	"time"

	"bcc/fault"
)

// copy writes what comes out of r, which says that it has size bytes, or less than 0
// where it does not say. It bounds the bytes, and how long the other end may be
// silent: then it ends ctx by cancel, and the reading with it.
func (f *Fetcher) copy(ctx context.Context, cancel context.CancelCauseFunc, w io.Writer, r io.Reader, size int64) (int64, error) {
	if size > f.cfg.MaxBytes {
		return 0, f.tooLarge()
	}
	idle := f.cfg.IdleTimeout
	timer := time.AfterFunc(idle, func() { cancel(fault.New(fault.Unavailable, "nothing came for %v", idle)) })
	defer timer.Stop()
	buf := make([]byte, 256<<10)
	var n int64
	for {
		timer.Reset(idle)
		m, err := r.Read(buf)
		timer.Stop() // writing may take its time
		if n+int64(m) > f.cfg.MaxBytes {
			return n, f.tooLarge()
		}
		if m > 0 {
			m, err := w.Write(buf[:m])
			n += int64(m)
			if err != nil {
				return n, err
			}
		}
		if stopped := ended(ctx, nil); stopped != nil {
			return n, stopped
		}
		if errors.Is(err, io.EOF) && (size < 0 || n == size) {
			return n, nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return n, fault.New(fault.Unavailable, "it ended after %d bytes of %d", n, size)
		}
		if err != nil {
			return n, fault.New(fault.Unavailable, "after %d bytes: %w", n, nameless(pathless(err)))
		}
	}
}

func (f *Fetcher) tooLarge() error {
	return fault.New(fault.Invalid, "more than %d bytes: %w", f.cfg.MaxBytes, ErrTooLarge)
}

// ended returns why ctx ended, else err.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
