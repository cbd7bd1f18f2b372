package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bcc/fault"
	"bcc/train"
)

// The ranks of a run ask each other whether all are through with work that takes each
// a time of its own: often at first, for there may be none, then twice a second. A
// rank that waited in one call for the slowest would look lost after
// --collective-timeout, and keep a core busy with waiting.
const (
	firstBeat   = 5 * time.Millisecond
	longestBeat = 500 * time.Millisecond
)

// together does work on this rank and returns when all ranks are through with theirs.
// The context that work is given ends when the run does.
func together(ctx context.Context, world train.Collective, work func(ctx context.Context)) error {
	if world.Size() == 1 {
		work(ctx)
		return ctx.Err()
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(ctx)
	}()
	for beat := firstBeat; ; beat = min(2*beat, longestBeat) {
		select {
		case <-time.After(beat):
		case <-ctx.Done():
		}
		busy := []float64{1}
		select {
		case <-done:
			busy[0] = 0
		default:
		}
		if err := world.AllReduce(ctx, busy); err != nil {
			stop()
			<-done
			return err
		}
		if busy[0] == 0 {
			return nil
		}
	}
}

// gather returns what each rank gives, in the order of the ranks, on all of them.
func gather[T any](ctx context.Context, world train.Collective, mine T) ([]T, error) {
	text, err := json.Marshal(mine)
	if err != nil {
		return nil, err
	}
	lengths := make([]float64, world.Size())
	lengths[world.Rank()] = float64(len(text))
	if err := world.AllReduce(ctx, lengths); err != nil {
		return nil, err
	}
	all := make([]T, world.Size())
	for rank := range all {
		data := text
		if rank != world.Rank() {
			data = make([]byte, int(lengths[rank]))
		}
		if err := world.Broadcast(ctx, data, rank); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, &all[rank]); err != nil {
			return nil, fmt.Errorf("what rank %d says: %w", rank, err)
		}
	}
	return all, nil
}

// told is an error on its way to the other ranks.
type told struct {
	Kind fault.Kind `json:"kind"`
	Text string     `json:"text"`
	Hint string     `json:"hint,omitempty"`
}

// tell puts err into words; nil stays nil.
func tell(err error) *told {
	if err == nil {
		return nil
	}
	return &told{fault.Of(err), err.Error(), fault.HintOf(err)}
}

// err is the error that was told.
func (t *told) err() error {
	if t == nil {
		return nil
	}
	err := fault.New(t.Kind, "%w", errors.New(t.Text))
	if t.Hint == "" {
		return err
	}
	return fault.Hint(err, "%s", t.Hint)
}
