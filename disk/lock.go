package disk

import (
	"context"
	"errors"
	"time"
)

// ErrLocked is returned by Lock where another has the folder.
var ErrLocked = errors.New("another process has the folder")

// WaitLock is Lock for short work: it waits until the other is through, or ctx ends.
func WaitLock(ctx context.Context, dir string) (unlock func(), err error) {
	for {
		if unlock, err = Lock(dir); !errors.Is(err, ErrLocked) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
