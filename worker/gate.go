package worker

import (
	"context"
	"time"
)

// gateEvery is how often a slot that waits for a job asks whether memory has room for
// one: a decoder fills some hundred MiB in a second.
const gateEvery = 250 * time.Millisecond

// gate waits until the slot at that place may take a job, and returns a context that
// ends when it may not any more, or when ctx does. What is in hand goes on. shut must
// be called.
func (w *Worker) gate(ctx context.Context, place int) (open context.Context, shut context.CancelFunc) {
	if w.cfg.Room == nil {
		return ctx, func() {}
	}
	for place >= w.cfg.Room() && ctx.Err() == nil {
		sleep(ctx, gateEvery)
	}
	open, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for open.Err() == nil {
			if sleep(open, gateEvery); place >= w.cfg.Room() {
				cancel()
			}
		}
	}()
	return open, func() {
		cancel()
		<-watched
	}
}
