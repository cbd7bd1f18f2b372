package chunk_test

import (
	"fmt"
	"math"
	"testing"
	"testing/quick"

	"bcc/chunk"
)

// properties returns what is wrong with a division of n items among workers.
func properties(n, workers int) error {
	cuts := chunk.Cut(n, workers)
	if want := max(min(n, workers), 0); len(cuts) != want {
		return fmt.Errorf("%d chunks, want %d", len(cuts), want)
	}
	next, shortest, longest := 0, math.MaxInt, 0
	for i, c := range cuts {
		if c.From != next {
			return fmt.Errorf("chunk %d begins at %d, the last ended at %d", i, c.From, next)
		}
		if c.Len() < 1 {
			return fmt.Errorf("chunk %d is empty", i)
		}
		if of := chunk.Of(n, workers, i); of != c {
			return fmt.Errorf("chunk %d is %v alone, %v among all", i, of, c)
		}
		next = c.To
		shortest, longest = min(shortest, c.Len()), max(longest, c.Len())
	}
	if len(cuts) > 0 && next != n {
		return fmt.Errorf("%d items are left over", n-next)
	}
	if len(cuts) > 0 && longest-shortest > 1 {
		return fmt.Errorf("chunks of %d to %d items", shortest, longest)
	}
	for i := len(cuts); i < workers && i < len(cuts)+10; i++ {
		if of := chunk.Of(n, workers, i); of.Len() != 0 {
			return fmt.Errorf("worker %d of %d gets %v of %d items", i, workers, of, n)
		}
	}
	return nil
}

func TestEveryItemIsInOneChunkAndNoneIsMuchLonger(t *testing.T) {
	t.Parallel()
	for n := -2; n < 70; n++ {
		for workers := -2; workers < 70; workers++ {
			if err := properties(n, workers); err != nil {
				t.Fatalf("%d items, %d workers: %v", n, workers, err)
			}
		}
	}
	any := func(n uint16, workers uint16) bool {
		err := properties(int(n), int(workers))
		if err != nil {
			t.Logf("%d items, %d workers: %v", n, workers, err)
		}
		return err == nil
	}
	if err := quick.Check(any, &quick.Config{MaxCount: 300}); err != nil {
		t.Error(err)
	}
}

func TestNothingOverflows(t *testing.T) {
	t.Parallel()
	n := math.MaxInt
	if got, want := chunk.Of(n, 2, 1), (chunk.Range{From: n/2 + 1, To: n}); got != want {
		t.Errorf("second half of %d: %v, want %v", n, got, want)
	}
	for _, i := range []int{-1, 2, math.MinInt} {
		if got := chunk.Of(10, 2, i); got.Len() != 0 {
			t.Errorf("worker %d of 2 gets %v", i, got)
		}
	}
}
