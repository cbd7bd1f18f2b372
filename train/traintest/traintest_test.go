package traintest_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"bcc/train"
	"bcc/train/traintest"
)

func TestTheWorldInMemoryConforms(t *testing.T) {
	t.Parallel()
	traintest.ExerciseCollective(t, func(t *testing.T, n int) []train.Collective { return traintest.World(n) })
}

func TestTheWorldOfOneConforms(t *testing.T) {
	t.Parallel()
	if err := traintest.Exercise(t.Context(), train.Alone{}); err != nil {
		t.Error(err)
	}
}

// lazy forgets to do one of the calls.
type lazy struct {
	train.Collective
	forgets string
}

func (l lazy) AllReduce(ctx context.Context, data []float64) error {
	if l.forgets == "all-reduce" && l.Rank() == 1 {
		return l.Collective.AllReduce(ctx, slices.Clone(data))
	}
	return l.Collective.AllReduce(ctx, data)
}

func (l lazy) Broadcast(ctx context.Context, data []byte, root int) error {
	if l.forgets == "broadcast" && l.Rank() == 1 {
		return l.Collective.Broadcast(ctx, slices.Clone(data), root)
	}
	return l.Collective.Broadcast(ctx, data, root)
}

func (l lazy) Barrier(ctx context.Context) error {
	if l.forgets == "barrier" {
		return nil
	}
	return l.Collective.Barrier(ctx)
}

func TestTheSuiteFindsACallThatDoesNothing(t *testing.T) {
	t.Parallel()
	for _, forgets := range []string{"all-reduce", "broadcast", "barrier"} {
		t.Run(forgets, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			found := make(chan error, 2)
			for _, c := range traintest.World(2) {
				go func() {
					err := traintest.Exercise(ctx, lazy{c, forgets})
					if err != nil {
						cancel() // the other rank would wait for this one
					}
					found <- err
				}()
			}
			errs := []error{<-found, <-found}
			if !slices.ContainsFunc(errs, func(err error) bool { return err != nil && strings.Contains(err.Error(), forgets) }) {
				t.Errorf("nothing is wrong with a %s that does nothing: %v", forgets, errs)
			}
		})
	}
}
