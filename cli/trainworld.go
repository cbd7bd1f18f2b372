package cli

import (
	"context"
	"io"

	"bcc/fault"
	"bcc/train"
)

// openWorld joins the processes of a run.
func openWorld(ctx context.Context, how string, notes io.Writer) (train.Collective, error) {
	switch how {
	case "auto", "none":
		return train.Alone{}, nil
	}
	return nil, fault.New(fault.Unsupported, "--collective %q: not in this build", how)
}

// leaveWorld closes the world after the run ended with err.
func leaveWorld(world train.Collective, err error) error {
	if e := world.Close(); err == nil {
		err = e
	}
	return err
}
