package worker

import (
	"math"
	"testing"
	"time"
)

func TestWhatAWorkerIsWorthIsKnownWhileItIsIdle(t *testing.T) {
	t.Parallel()
	var c capacity
	c.mark(10, 100*time.Millisecond)
	if r := c.rate(); r != 0 {
		t.Errorf("%v patches a second of a tenth of a second of work", r)
	}
	busy, patches := 100*time.Millisecond, int64(10)
	for range 60 { // five minutes at 100 a second
		busy, patches = busy+5*time.Second, patches+500
		c.mark(patches, busy)
		c.mark(patches, busy) // idle: no time in which there was anything
	}
	if r := c.rate(); math.Abs(r-100) > 1 {
		t.Errorf("%.1f patches a second, want 100", r)
	}
	for range 120 { // ten minutes at half of it: a neighbour has come
		busy, patches = busy+5*time.Second, patches+250
		c.mark(patches, busy)
	}
	if r := c.rate(); math.Abs(r-50) > 2 {
		t.Errorf("%.1f patches a second, want 50", r)
	}
}

func TestTheTimeOfWorkIsCountedOnceHoweverManySlidesShareIt(t *testing.T) {
	t.Parallel()
	var s share
	first, second := s.begin(), s.begin()
	time.Sleep(20 * time.Millisecond)
	a, b := first(), second()
	if all := s.spent(); all < 20*time.Millisecond || all < a+b-time.Millisecond || all > a+b+time.Millisecond {
		t.Errorf("%v spent, of which the slides say %v and %v", all, a, b)
	}
	if before := s.spent(); s.spent() != before {
		t.Error("idle time counts")
	}
}
