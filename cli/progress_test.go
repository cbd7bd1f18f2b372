package cli

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTheTimeLeftCountsWhatIsPlannedAndGuessesTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tally := newTally(5)
		if left := tally.left(); left != 0 {
			t.Errorf("nothing is known and %v are left", left)
		}
		tally.end("skipped")
		tally.plan("a", 100)
		tally.plan("b", 300)
		tally.scored("a", 100)
		time.Sleep(10 * time.Second) // 10 patches a second
		tally.end("a")
		// 300 of b, and twice 200 of the slides not opened yet.
		if left, want := tally.left(), 70*time.Second; left != want {
			t.Errorf("%v left, want %v", left, want)
		}
		tally.end("b") // it failed: its patches are not waited for
		if left, want := tally.left(), 40*time.Second; left != want {
			t.Errorf("%v left, want %v", left, want)
		}
	})
}
