package worker

import (
	"testing"
	"time"
)

func TestSlotsFollowTheEngineAndTheMemory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		u         usage
		now, want int
	}{
		"runners wait":                {usage{0.3, 0.5, true}, 2, 3},
		"runners work":                {usage{0.05, 0.5, true}, 3, 3},
		"there is nothing to do":      {usage{1, 0.1, false}, 2, 2},
		"memory is short":             {usage{0.3, 0.85, true}, 3, 3},
		"memory is nearly gone":       {usage{0.3, 0.95, true}, 3, 2},
		"the last slot stays":         {usage{0.3, 0.95, true}, 1, 1},
		"as many as may be":           {usage{0.9, 0.1, true}, 8, 8},
		"more than may be, by config": {usage{0.9, 0.1, true}, 9, 9},
	} {
		if got := c.u.slots(c.now, 8); got != c.want {
			t.Errorf("%s: %d after %d, want %d", name, got, c.now, c.want)
		}
	}
}

func TestUsageIsMeasuredBetweenTwoReadings(t *testing.T) {
	t.Parallel()
	busy := time.Hour
	m := meter{
		engine: func() (time.Duration, int) { return busy, 2 },
		memory: func() (used, limit uint64) { return 3, 4 },
	}
	if _, ok := m.read(time.Unix(0, 0), true); ok {
		t.Error("the first reading says something")
	}
	busy += 15 * time.Second
	u, ok := m.read(time.Unix(10, 0), true)
	if !ok || u.idle != 0.25 || u.memory != 0.75 || !u.full {
		t.Errorf("%+v, %v", u, ok)
	}
}
