package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"bcc/fault"
)

func TestItKeepsTheKindThroughWrapping(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("open slide: %w", fault.New(fault.Corrupt, "read header: %w", io.ErrUnexpectedEOF))
	if got := fault.Of(err); got != fault.Corrupt {
		t.Errorf("kind = %v, want corrupt", got)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if got, want := err.Error(), "open slide: read header: unexpected EOF"; got != want {
		t.Errorf("message = %q, want %q", got, want)
	}
}

func TestItFindsTheHintBelowAnErrorWithoutOne(t *testing.T) {
	t.Parallel()
	inner := fault.Hint(fault.New(fault.Invalid, "no mpp"), "pass --mpp %.2f", 0.5)
	err := fault.New(fault.Invalid, "slide: %w", inner)
	if got, want := fault.HintOf(err), "pass --mpp 0.50"; got != want {
		t.Errorf("hint = %q, want %q", got, want)
	}
	if fault.Hint(nil, "x") != nil {
		t.Error("a hint made an error out of nil")
	}
}

func TestItGivesEachKindItsExitCodeAndStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind         fault.Kind
		exit, status int
	}{
		{fault.Internal, 1, 500}, {fault.Invalid, 2, 400}, {fault.NotFound, 3, 404},
		{fault.Unsupported, 4, 415}, {fault.Corrupt, 5, 422}, {fault.Busy, 6, 429}, {fault.Unavailable, 7, 503},
	} {
		err := fault.New(c.kind, "x")
		if got := fault.Exit(err); got != c.exit {
			t.Errorf("%v: exit = %d, want %d", c.kind, got, c.exit)
		}
		if got := c.kind.Meaning().Status; got != c.status {
			t.Errorf("%v: status = %d, want %d", c.kind, got, c.status)
		}
	}
	if fault.Exit(nil) != 0 || fault.Exit(errors.New("plain")) != 1 {
		t.Error("nil must exit 0 and a plain error 1")
	}
}
