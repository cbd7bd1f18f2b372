// Package traintest is the conformance suite of train.Collective, and a world of
// ranks inside one process for the tests of whoever needs several.
//
// Exercise is what one rank does, so that it also runs where each rank is a process
// of its own.
package traintest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"bcc/train"
)

// ExerciseCollective runs the suite on worlds of one to four ranks, a goroutine a
// rank. worldOf returns the n ranks of a fresh world; the suite closes them.
func ExerciseCollective(t *testing.T, worldOf func(t *testing.T, n int) []train.Collective) {
	for n := 1; n <= 4; n++ {
		t.Run(fmt.Sprintf("ranks=%d", n), func(t *testing.T) {
			t.Parallel()
			each(t, worldOf(t, n), Exercise)
		})
	}
	t.Run("a rank does not come", func(t *testing.T) {
		t.Parallel()
		each(t, worldOf(t, 3), Abandon)
	})
}

// each runs f on all ranks at once.
func each(t *testing.T, ranks []train.Collective, f func(context.Context, train.Collective) error) {
	var wg sync.WaitGroup
	for _, c := range ranks {
		wg.Go(func() {
			if err := f(t.Context(), c); err != nil {
				t.Errorf("rank %d of %d: %v", c.Rank(), c.Size(), err)
			}
		})
	}
	wg.Wait()
}

// Exercise is one rank's part of the suite. Every rank of a world calls it; it
// closes c.
func Exercise(ctx context.Context, c train.Collective) error {
	if c.Size() < 1 || c.Rank() < 0 || c.Rank() >= c.Size() {
		return errors.Join(fmt.Errorf("rank %d of %d", c.Rank(), c.Size()), c.Close())
	}
	for _, check := range []struct {
		name string
		run  func(context.Context, train.Collective) error
	}{
		{"broadcast", broadcasts},
		{"all-reduce", sums},
		{"all-reduce of fractions", sameBits},
		{"barrier", waits},
	} {
		if err := check.run(ctx, c); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", check.name, err), c.Close())
		}
	}
	return c.Close()
}

// Lengths around what libraries change their algorithms at, and none.
var lengths = []int{0, 1, 7, 1000, 100_003}

func broadcasts(ctx context.Context, c train.Collective) error {
	for root := range c.Size() {
		for _, n := range lengths {
			data, want := make([]byte, n), make([]byte, n)
			for i := range want {
				want[i] = byte(i*7 + root*31 + n)
			}
			if c.Rank() == root {
				copy(data, want)
			}
			if err := c.Broadcast(ctx, data, root); err != nil {
				return err
			}
			if !bytes.Equal(data, want) {
				return fmt.Errorf("%d bytes from rank %d arrived changed", n, root)
			}
		}
	}
	return nil
}

// sums adds whole numbers, whose sums are exact in any order.
func sums(ctx context.Context, c train.Collective) error {
	for _, n := range lengths {
		data := make([]float64, n)
		for i := range data {
			data[i] = float64((i%97 + 1) * (c.Rank() + 1))
		}
		if err := c.AllReduce(ctx, data); err != nil {
			return err
		}
		ranks := c.Size() * (c.Size() + 1) / 2
		for i, got := range data {
			if want := float64((i%97 + 1) * ranks); got != want {
				return fmt.Errorf("%d floats: element %d is %v, want %v", n, i, got, want)
			}
		}
	}
	return nil
}

// sameBits adds numbers whose sum depends on the order: whatever it is, all ranks
// must see the same, or their weights drift apart.
func sameBits(ctx context.Context, c train.Collective) error {
	for _, n := range lengths {
		data := make([]float64, n)
		rng := rand.New(rand.NewPCG(uint64(c.Rank()), uint64(n)))
		for i := range data {
			data[i] = rng.NormFloat64() * math.Exp(10*rng.Float64())
		}
		if err := c.AllReduce(ctx, data); err != nil {
			return err
		}
		var mine bytes.Buffer
		if err := binary.Write(&mine, binary.LittleEndian, data); err != nil {
			return err
		}
		first := bytes.Clone(mine.Bytes())
		if err := c.Broadcast(ctx, first, 0); err != nil {
			return err
		}
		if !bytes.Equal(first, mine.Bytes()) {
			return fmt.Errorf("%d floats: rank %d has other bits than rank 0", n, c.Rank())
		}
	}
	return nil
}

// waits has the ranks come to a barrier one after the other and compares when each
// came and left. The ranks share a clock: they are on one machine.
func waits(ctx context.Context, c train.Collective) error {
	const apart = 40 * time.Millisecond
	time.Sleep(time.Duration(c.Rank()) * apart)
	var times [16]byte
	came := time.Now().UnixNano()
	if err := c.Barrier(ctx); err != nil {
		return err
	}
	left := time.Now().UnixNano()
	for root := range c.Size() {
		binary.LittleEndian.PutUint64(times[:], uint64(came))
		if err := c.Broadcast(ctx, times[:], root); err != nil {
			return err
		}
		if theirs := int64(binary.LittleEndian.Uint64(times[:])); left < theirs {
			return fmt.Errorf("rank %d left %v before rank %d came", c.Rank(), time.Duration(theirs-left), root)
		}
	}
	return nil
}

// Abandon is one rank's part of a world whose last rank does not come to an
// all-reduce: the others must return when their context ends. It closes c.
func Abandon(ctx context.Context, c train.Collective) error {
	const patience, limit = 100 * time.Millisecond, 5 * time.Second
	if err := c.Barrier(ctx); err != nil {
		return errors.Join(err, c.Close())
	}
	if c.Size() == 1 || c.Rank() == c.Size()-1 {
		time.Sleep(2 * patience)
		_ = c.Close() // the others are gone: an error is as good as none
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begun := time.Now()
	err := c.AllReduce(ctx, make([]float64, 100_003))
	took := time.Since(begun)
	_ = c.Close()
	switch {
	case !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("an all-reduce without rank %d returned %v, want the context's error", c.Size()-1, err)
	case took > limit:
		return fmt.Errorf("an all-reduce without rank %d returned %v after its context ended", c.Size()-1, took-patience)
	}
	return nil
}
