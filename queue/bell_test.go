package queue

import (
	"testing"
	"testing/synctest"
	"time"
)

// belled is a bell over the rows of one lane, all of which have just been rung.
func belled() (*bell, *lane, *row) {
	b, l := newBell(), newLanes()[1]
	for _, r := range l.rows {
		b.ring(r, 0)
	}
	return b, l, l.rows[2]
}

// nothing asks all rows that are due, and returns how many were.
func nothing(b *bell, l *lane) (asked int) {
	for _, r := range l.rows {
		if rings, due := b.due(r); due {
			asked++
			b.foundNothing(r, rings)
		}
	}
	return asked
}

func TestRestsGrowUntilTheBellRings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, l, r := belled()
		questions := 0
		for begun := time.Now(); time.Since(begun) < 10*time.Second; {
			if n := nothing(b, l); n != Rows {
				t.Fatalf("%d rows were asked, want all", n)
			}
			questions++
			p := b.pause([]*lane{l})
			if p.rest < shortestRest || p.rest > longestRest {
				t.Fatalf("a rest of %v", p.rest)
			}
			if err := p.sleep(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if questions < 12 || questions > 20 {
			t.Errorf("%d looks in ten seconds", questions)
		}
		nothing(b, l)
		b.ring(r, 7)
		if p := b.pause([]*lane{l}); p.rest != 0 {
			t.Errorf("a rest of %v after a ring", p.rest)
		}
		if n := nothing(b, l); n != 1 {
			t.Errorf("%d rows were asked, want the one that was rung", n)
		}
		other := newLanes()[2]
		if p := b.pause([]*lane{other}); p.rest != 0 {
			t.Errorf("a rest of %v in a lane that nobody asked", p.rest)
		}
	})
}

func TestARingDuringAQuestionIsNotLost(t *testing.T) {
	t.Parallel()
	b, _, r := belled()
	rings, _ := b.due(r)
	b.ring(r, 0)
	b.foundNothing(r, rings)
	if _, due := b.due(r); !due {
		t.Error("the row rests, and what was put meanwhile waits")
	}
}

func TestAJobIsOwedUntilItIsGiven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _, r := belled()
		if b.owed(r) {
			t.Error("owed before anything was put")
		}
		b.gave(r, 8)
		b.ring(r, 8)
		if b.owed(r) {
			t.Error("owed what was given before its Put returned")
		}
		b.ring(r, 9)
		b.ring(r, 0)
		if !b.owed(r) {
			t.Error("not owed what was put")
		}
		b.gave(r, 9)
		if b.owed(r) {
			t.Error("owed what another was given")
		}
		b.ring(r, 1000) // of a stream that was made anew since
		time.Sleep(owedFor + time.Millisecond)
		if b.owed(r) {
			t.Error("owed for ever")
		}
		b.gave(r, 2)
		b.ring(r, 3)
		if !b.owed(r) {
			t.Error("the numbers of the new stream are not believed")
		}
	})
}
