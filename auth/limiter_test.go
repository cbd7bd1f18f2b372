package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"bcc/fault"
)

func newLimiter(t *testing.T, l Limits, path string) *Limiter {
	t.Helper()
	limiter, err := NewLimiter(l, path)
	if err != nil {
		t.Fatal(err)
	}
	return limiter
}

// refused returns the wait of a refusal, 0 where there was none.
func refused(t *testing.T, err error) time.Duration {
	t.Helper()
	if err == nil {
		return 0
	}
	e, ok := errors.AsType[*Exceeded](err)
	if !ok || fault.Of(err) != fault.Busy || e.RetryAfter <= 0 {
		t.Fatalf("%v: want Exceeded with a wait, of the kind busy", err)
	}
	return e.RetryAfter
}

func TestAMinuteSlides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, p := newLimiter(t, Limits{PerMinute: 3}, ""), Principal{ID: "a"}
		var taken []time.Time
		for range 400 { // asks every half second
			if l.Take(p) == nil {
				taken = append(taken, time.Now())
			}
			time.Sleep(500 * time.Millisecond)
		}
		for i := 3; i < len(taken); i++ {
			if d := taken[i].Sub(taken[i-3]); d < time.Minute {
				t.Errorf("four requests within %v", d)
			}
		}
		if len(taken) < 9 { // 200 s
			t.Errorf("%d requests were let through, want 9 or more", len(taken))
		}
	})
}

func TestWhoWaitsAsToldIsLetThrough(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]Limits{
		"minute": {PerMinute: 5}, "day": {PerDay: 5}, "patches": {PatchesPerDay: 5},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, p := newLimiter(t, limits, ""), Principal{ID: "a"}
			for i := range 5 {
				if err := l.Take(p); err != nil {
					t.Fatalf("%s: request %d: %v", name, i, err)
				}
				l.Spend(p, 1)
				time.Sleep(300 * time.Millisecond)
			}
			wait := refused(t, l.Take(p))
			if wait == 0 {
				t.Fatalf("%s: the sixth was let through", name)
			}
			if err := l.Take(Principal{ID: "b"}); err != nil {
				t.Errorf("%s: another one pays for it: %v", name, err)
			}
			time.Sleep(wait - 10*time.Millisecond)
			if refused(t, l.Take(p)) == 0 {
				t.Errorf("%s: let through before the wait of %v was over", name, wait)
			}
			time.Sleep(10 * time.Millisecond)
			if err := l.Take(p); err != nil {
				t.Errorf("%s: after the wait of %v: %v", name, wait, err)
			}
		})
	}
}

func TestAnybodyAndZeroAreNotLimited(t *testing.T) {
	t.Parallel()
	l, free := newLimiter(t, Limits{PerMinute: 1}, ""), newLimiter(t, Limits{}, "")
	for range 1000 {
		if err := errors.Join(l.Take(Principal{}), free.Take(Principal{ID: "a"})); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.used) != 0 {
		t.Error("anybody is counted")
	}
}

func TestUsageLastsOverARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usage.json")
	p := Principal{ID: "a"}
	l := newLimiter(t, Limits{PerDay: 2, PatchesPerDay: 10}, path)
	if err := l.Take(p); err != nil {
		t.Fatal(err)
	}
	l.Spend(p, 10)
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	l = newLimiter(t, Limits{PerDay: 2, PatchesPerDay: 10}, path)
	if refused(t, l.Take(p)) == 0 {
		t.Error("a restart gave the patches back")
	}
	l = newLimiter(t, Limits{PerDay: 2}, path)
	if err := l.Take(p); err != nil {
		t.Errorf("the second of two: %v", err)
	}
	if refused(t, l.Take(p)) == 0 {
		t.Error("a restart gave a request back")
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewLimiter(Limits{}, path); fault.Of(err) != fault.Corrupt || fault.HintOf(err) == "" {
		t.Errorf("%v: want a damaged file told, with what to do", err)
	}
}

func TestMemoryIsBoundedAndTheBusyAreRemembered(t *testing.T) {
	t.Parallel()
	l, busy := newLimiter(t, Limits{PerDay: 3}, ""), Principal{ID: "busy"}
	for i := range maxKnown + maxKnown/5 {
		if i == maxKnown/2 || i == maxKnown-1 {
			l.Take(busy)
		}
		if err := l.Take(Principal{ID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(l.used); n > maxKnown {
		t.Errorf("%d are remembered, want %d at most", n, maxKnown)
	}
	if u := l.used["busy"]; u == nil || u.Day[0][1] != 2 {
		t.Errorf("%+v: what the busy one has used is forgotten", u)
	}
}
