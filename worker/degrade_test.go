package worker

import (
	"testing"
	"time"
)

func TestDegradingGoesUpSlowlyAndDownWithHysteresis(t *testing.T) {
	t.Parallel()
	d := DefaultConfig().Degrade
	type at struct {
		second int
		drain  time.Duration
		want   int
	}
	for name, steps := range map[string][]at{
		"nothing":             {{0, 0, 0}, {1000, 29 * time.Minute, 0}},
		"a peak":              {{0, 40 * time.Minute, 0}, {59, 40 * time.Minute, 0}, {60, 30 * time.Minute, 0}, {70, 40 * time.Minute, 0}, {129, 40 * time.Minute, 0}},
		"lasting":             {{0, 31 * time.Minute, 0}, {60, 31 * time.Minute, 1}, {61, 16 * time.Minute, 1}, {62, 14 * time.Minute, 0}},
		"at once to two":      {{0, 3 * time.Hour, 0}, {60, 3 * time.Hour, 2}},
		"two, one, none":      {{0, 3 * time.Hour, 0}, {60, 3 * time.Hour, 2}, {61, 61 * time.Minute, 2}, {62, 59 * time.Minute, 1}, {63, 16 * time.Minute, 1}, {64, 0, 0}},
		"two, none":           {{0, 3 * time.Hour, 0}, {60, 3 * time.Hour, 2}, {61, 0, 0}},
		"one, then two":       {{0, time.Hour, 0}, {60, time.Hour, 1}, {70, 3 * time.Hour, 1}, {129, 3 * time.Hour, 1}, {130, 3 * time.Hour, 2}},
		"down and up again":   {{0, time.Hour, 0}, {60, time.Hour, 1}, {61, time.Minute, 0}, {62, time.Hour, 0}, {121, time.Hour, 0}, {122, time.Hour, 1}},
		"a dip below a bound": {{0, 3 * time.Hour, 0}, {59, 2 * time.Hour, 0}, {60, 3 * time.Hour, 1}, {118, 3 * time.Hour, 1}, {120, 3 * time.Hour, 2}},
	} {
		var p pressed
		begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, s := range steps {
			if p = d.next(p, begun.Add(time.Duration(s.second)*time.Second), s.drain); p.level != s.want {
				t.Errorf("%s: after %d s with a backlog of %v: level %d, want %d", name, s.second, s.drain, p.level, s.want)
			}
		}
	}
}

func TestALevelThatIsSwitchedOffIsNeverReached(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d    Degrade
		want int
	}{{Degrade{}, 0}, {Degrade{Overlap: time.Minute}, 1}, {Degrade{Coarse: time.Minute}, 2}} {
		p := c.d.next(pressed{}, time.Now(), time.Hour)
		if p.level != c.want {
			t.Errorf("%+v: level %d, want %d", c.d, p.level, c.want)
		}
		if p = c.d.next(p, time.Now(), 0); p.level != 0 {
			t.Errorf("%+v: level %d without a backlog", c.d, p.level)
		}
	}
}
