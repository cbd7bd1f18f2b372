package cli

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// doorway is a door with room as a test says, and what it logged.
func doorway(places int64) (d *door, room *atomic.Int64, said *bytes.Buffer) {
	room, said = new(atomic.Int64), new(bytes.Buffer)
	room.Store(places)
	return &door{room: func() int { return int(room.Load()) }, log: slog.New(slog.NewTextHandler(said, nil))}, room, said
}

// enter enters in a goroutine; in is what came of it, once it has come.
func enter(ctx context.Context, d *door) (in chan func()) {
	in = make(chan func(), 1)
	go func() {
		leave, err := d.enter(ctx)
		if err != nil {
			leave = nil
		}
		in <- leave
	}()
	return in
}

func TestSlidesBeginAsMemoryHasRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, room, said := doorway(2)
		first, second := enter(t.Context(), d), enter(t.Context(), d)
		leaveFirst, leaveSecond := <-first, <-second
		room.Store(0)
		third := enter(t.Context(), d)
		time.Sleep(time.Hour) // however long: their ends give memory back
		room.Store(1)
		time.Sleep(time.Hour)
		leaveFirst()
		time.Sleep(time.Hour) // one is at work yet
		if len(third) != 0 {
			t.Error("a slide was begun where there was no room")
		}
		leaveSecond()
		time.Sleep(time.Second)
		if len(third) != 1 {
			t.Error("there is room, and the slide was not begun")
		}
		(<-third)()
		if said.Len() > 0 {
			t.Errorf("it said %s", said)
		}
	})
}

func TestAListGoesOnWhereNothingWouldMakeRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, room, said := doorway(0)
		var given int
		d.give = func(context.Context) { given++ }
		begun := time.Now()
		leave := <-enter(t.Context(), d)
		if took := time.Since(begun); took < doorPatience || took > doorPatience+time.Second {
			t.Errorf("it waited %v, want %v", took, doorPatience)
		}
		next := enter(t.Context(), d)
		time.Sleep(time.Hour)
		if len(next) != 0 {
			t.Error("two slides at once")
		}
		begun = time.Now()
		leave()
		leave = <-next
		if took := time.Since(begun); took > time.Second {
			t.Errorf("the second one waited %v in vain again", took)
		}
		if n := strings.Count(said.String(), "going on, one slide at a time"); n != 1 {
			t.Errorf("said %d times, want once:\n%s", n, said)
		}
		if given != 2 {
			t.Errorf("memory was given back %d times before 2 slides", given)
		}
		room.Store(1) // there was some
		again := enter(t.Context(), d)
		time.Sleep(time.Second)
		leave()
		(<-again)()
		room.Store(0)
		begun = time.Now()
		(<-enter(t.Context(), d))()
		if took := time.Since(begun); took < doorPatience {
			t.Errorf("it waited %v for what may come again, want %v", took, doorPatience)
		}
	})
}

func TestWhoWaitsForRoomEndsWithTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, _, _ := doorway(0)
		ctx, stop := context.WithCancel(t.Context())
		in := enter(ctx, d)
		time.Sleep(time.Second)
		stop()
		if leave := <-in; leave != nil {
			t.Error("it was begun")
		}
	})
}
