package worker

import (
	"testing"
	"testing/synctest"
	"time"
)

type gauge struct{}

func (gauge) Set(float64) {}

// serve lets pictures in as they come and through at so many a second, one after the
// other, and returns the longest time that one was inside.
func serve(r *room, perS float64, clients int, d time.Duration) (longest time.Duration, refused int) {
	var queue []time.Time
	one := time.Duration(float64(time.Second) / perS)
	for end := time.Now().Add(d); time.Now().Before(end); {
		for len(queue) < clients {
			if r.enter(1) != nil {
				refused++
				break
			}
			queue = append(queue, time.Now())
		}
		time.Sleep(one)
		longest = max(longest, time.Since(queue[0]))
		queue = queue[1:]
		r.leave(1, true)
	}
	for range queue {
		r.leave(1, true)
	}
	return longest, refused
}

func TestRoomFollowsTheMeasuredRate(t *testing.T) {
	t.Parallel()
	for _, perS := range []float64{20, 100, 1000} {
		synctest.Test(t, func(t *testing.T) {
			r := newRoom(250*time.Millisecond, 2, gauge{})
			serve(r, perS, 10_000, 5*time.Second) // it learns
			longest, refused := serve(r, perS, 10_000, 10*time.Second)
			want := max(int(perS*0.25), 2*leastLimit)
			if r.limit < want*8/10 || r.limit > want*12/10 || refused == 0 {
				t.Errorf("%v a second: room for %d, want %d; %d refused", perS, r.limit, want, refused)
			}
			if most := time.Duration(float64(want)*1.3/perS*float64(time.Second)) + 2*time.Millisecond; longest > most {
				t.Errorf("%v a second: one was inside for %v, want at most %v", perS, longest, most)
			}
			// A lone client does not make the room smaller: it says nothing of the rate.
			serve(r, 5, 1, 10*time.Second)
			if r.limit < want*8/10 {
				t.Errorf("%v a second: room for %d after a lone client", perS, r.limit)
			}
			if r.inside != 0 {
				t.Errorf("%d are left inside", r.inside)
			}
		})
	}
}

func TestALargePictureGetsInBesideSmallOnes(t *testing.T) {
	t.Parallel()
	r := newRoom(250*time.Millisecond, 2, gauge{}) // 16 to begin with
	for range 8 {
		if err := r.enter(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.enter(84); err != nil {
		t.Fatalf("beside eight of sixteen: %v", err)
	}
	if r.enter(1) == nil {
		t.Error("one more is let in beside it")
	}
	for range 8 {
		r.leave(1, false)
	}
	r.leave(84, false)
	if err := r.enter(1000); err != nil {
		t.Errorf("alone: %v", err)
	}
}

func TestPoisonedMemoryIsNeverAnAnswer(t *testing.T) {
	t.Parallel()
	r := newRecall(1 << 20)
	r.put("k", Look{Patches: []PatchLook{{W: 1}}})
	if _, ok, poisoned := r.get("k"); !ok || poisoned {
		t.Fatal("it is not remembered")
	}
	m := r.at["k"].Value.(*memory)
	m.data[len(m.data)/2] ^= 1
	if _, ok, poisoned := r.get("k"); ok || !poisoned {
		t.Error("a changed bit is not noticed")
	}
	if _, ok, poisoned := r.get("k"); ok || poisoned || r.bytes != 0 {
		t.Errorf("it is still there, %d bytes", r.bytes)
	}
}

func TestMemoryIsBoundedAndKeepsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	r := newRecall(64 << 10)
	look := Look{Patches: make([]PatchLook, 20)}
	r.put("hot", look)
	for i := range 1000 {
		r.put(string(rune('a'+i)), look)
		r.get("hot")
	}
	if _, ok, _ := r.get("hot"); !ok || r.bytes > 64<<10 || len(r.at) != r.order.Len() {
		t.Errorf("%d bytes, %d entries, the hot one there: %v", r.bytes, len(r.at), ok)
	}
	r.put("huge", Look{Patches: make([]PatchLook, 10_000)})
	if _, ok, _ := r.get("huge"); ok {
		t.Error("one answer drives out all others")
	}
}
