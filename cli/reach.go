package cli

import (
	"context"
	"log/slog"
	"time"

	"bcc/blob"
	"bcc/fault"
)

// How long a command waits for a store that does not answer when it starts: as long
// as machines of one rack take to come up after each other.
const (
	reachFor   = 30 * time.Second
	reachAgain = 3 * time.Second
)

// reach asks the store anything until it answers, with a line in the log each time it
// does not. Unavailable: it did not within half a minute, or refuses, which is not asked
// again.
func reach(ctx context.Context, store blob.Store, address string, log *slog.Logger) error {
	begun := time.Now()
	for {
		err := answers(ctx, store)
		if err == nil || fault.Of(err) != fault.Unavailable || ctx.Err() != nil {
			return err
		}
		if fault.HintOf(err) != "" { // it answers: keys, a bucket or a folder are not as they should be
			return fault.New(fault.Unavailable, "store %s: %w", address, err)
		}
		if time.Since(begun) > reachFor {
			return fault.Hint(fault.New(fault.Unavailable, "store %s: no answer for %v: %w", address, reachFor, err),
				"is the address right, and does it answer from this machine?")
		}
		log.Warn("the store does not answer; asked again", "after", reachAgain, "error", err)
		select {
		case <-time.After(reachAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// answers asks for the first of what lies there.
func answers(ctx context.Context, store blob.Store) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for _, err := range store.List(ctx, "ledger/open/") {
		return err
	}
	return nil
}
