package slide

import (
	"context"
	"errors"

	"bcc/fault"
)

// ErrNoMPP is returned where neither the file nor the caller says how large a pixel is.
var ErrNoMPP = fault.Hint(
	fault.New(fault.Invalid, "the slide does not say how many micrometres a pixel spans"),
	"give the scale of level 0 with --mpp, for example --mpp 0.5")

// ErrTooLarge is in the error of a picture that has more pixels than are held whole.
var ErrTooLarge = errors.New("too large to be held whole")

var errClosed = fault.New(fault.Invalid, "the slide is closed")

func isCancelled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// wrap adds what was being done to err and keeps its kind.
func wrap(err error, format string, args ...any) error {
	return fault.New(fault.Of(err), format+": %w", append(args, err)...)
}
