package cohort

import (
	"math"
	"testing"
	"time"
)

func TestWhatComesBeforeTheFirstPatchesDoesNotMakeTheFleetSlow(t *testing.T) {
	t.Parallel()
	var m meter
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	m.tick(now, true)
	now = now.Add(4 * time.Second) // the slide is fetched and opened
	for range 40 {
		m.scored(now, 25)
		now = now.Add(250 * time.Millisecond)
	}
	if r, _ := m.rate(); math.Abs(r-100) > 3 {
		t.Errorf("%.1f patches a second, want 100", r)
	}
	m.tick(now, false)
	if r, _ := m.rate(); math.Abs(r-100) > 3 {
		t.Errorf("%.1f patches a second when it is over, want 100", r)
	}
}

func TestASlideThatIsAloneCountsWithItsBeginning(t *testing.T) {
	t.Parallel()
	var m meter
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for range 20 {
		m.tick(now, true)
		now = now.Add(time.Second)
		m.scored(now, 50) // all of it, at its end
		m.tick(now, false)
		now = now.Add(time.Minute)
	}
	if r, _ := m.rate(); math.Abs(r-50) > 3 {
		t.Errorf("%.1f patches a second, want 50", r)
	}
}
