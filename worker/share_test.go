package worker

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTimeIsSharedAmongWhatIsWalkedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s share
		long := s.begin()
		time.Sleep(10 * time.Second) // alone
		short := s.begin()
		time.Sleep(10 * time.Second) // two
		if got := short(); got != 5*time.Second {
			t.Errorf("the short one took %v", got)
		}
		time.Sleep(10 * time.Second)
		if got := long(); got != 25*time.Second {
			t.Errorf("the long one took %v", got)
		}
		time.Sleep(time.Hour) // nobody's
		next := s.begin()
		if got := next(); got != 0 || s.walking() != 0 {
			t.Errorf("the next one took %v", got)
		}
	})
}

func TestThePaceIsThatOfWork(t *testing.T) {
	t.Parallel()
	var p pace
	now, patches := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), int64(0)
	for i := range 100 {
		working := i%20 < 10
		p.mark(now, patches, working)
		now = now.Add(5 * time.Second)
		if working {
			patches += 50
		}
	}
	if got := p.rate(); got != 10 {
		t.Errorf("%v patches a second, want 10", got)
	}
}

func TestPausesGrowUpToAMinuteAndDiffer(t *testing.T) {
	t.Parallel()
	for attempt, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 4: 16 * time.Second, 6: time.Minute, 1000: time.Minute} {
		seen := map[time.Duration]bool{}
		for range 50 {
			d := pause(2*time.Second, attempt)
			if d < want/2 || d > want {
				t.Errorf("after attempt %d: %v, want %v to %v", attempt, d, want/2, want)
			}
			seen[d] = true
		}
		if len(seen) < 10 {
			t.Errorf("after attempt %d: only %d different pauses", attempt, len(seen))
		}
	}
}
