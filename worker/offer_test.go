package worker

import (
	"slices"
	"testing"
	"time"

	"bcc/chunk"
)

func TestShardsAreOfferedWhenSomebodyMayBeIdle(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	var (
		free  = shard{}
		there = shard{there: true, offers: 1}
		mine  = shard{mine: true, since: ago(time.Second)}
		slow  = shard{mine: true, since: ago(time.Minute)}
		half  = shard{mine: true, since: ago(4 * time.Second), begun: ago(4 * time.Second), told: 50}
		soon  = shard{mine: true, since: ago(4 * time.Second), begun: ago(4 * time.Second), told: 80}
		out   = shard{offers: 1, taken: true, since: ago(time.Second)}
		late  = shard{offers: 1, taken: true, since: ago(time.Minute)}
		given = shard{offers: maxOffers, taken: true, since: ago(time.Minute)}
		old   = shard{offers: 1, since: ago(time.Minute)}
	)
	type policy struct {
		urgent, idle bool
		dry          bool
		shards       []shard
		offer        []int
		next         int // -1: none
	}
	for name, c := range map[string]policy{
		"slides wait":              {false, false, false, []shard{mine, free, late}, nil, 1},
		"nothing waits":            {false, true, false, []shard{mine, free, there, free}, []int{1, 3}, 1},
		"one is kept for the hand": {false, true, false, []shard{there, free, free}, []int{2}, 1},
		"a single one":             {false, true, false, []shard{free}, nil, 0},
		"urgent":                   {true, false, false, []shard{free, free, free}, []int{1, 2}, 0},
		"out and in time":          {false, true, false, []shard{mine, out}, nil, -1},
		"late elsewhere":           {false, true, false, []shard{mine, late, out}, []int{1}, 1},
		"late here":                {false, true, false, []shard{slow, there}, []int{0}, -1},
		"faster ones may take it":  {false, true, false, []shard{half, out, there}, []int{0}, -1},
		"through in a moment":      {false, true, false, []shard{soon, out, there}, nil, -1},
		"others are free yet":      {false, true, false, []shard{half, free}, []int{1}, 1},
		"slow, but slides wait":    {false, false, false, []shard{half, there}, nil, -1},
		"on the queue for long":    {false, true, false, []shard{mine, old, late}, nil, -1},
		"lost on the queue":        {false, true, true, []shard{mine, old, late}, nil, 1},
		"offered often enough":     {false, true, false, []shard{mine, given}, nil, 1},
		"all there":                {true, true, false, []shard{there, there}, nil, -1},
	} {
		for i := range c.shards {
			c.shards[i].Range = chunk.Range{From: 100 * i, To: 100 * (i + 1)}
		}
		s := standing{now: now, urgent: c.urgent, idle: c.idle, dry: c.dry, patch: 100 * time.Millisecond, shards: c.shards}
		if got := s.offer(); !slices.Equal(got, c.offer) {
			t.Errorf("%s: %v is offered, want %v", name, got, c.offer)
		}
		i, ok := s.next()
		if !ok {
			i = -1
		}
		if i != c.next {
			t.Errorf("%s: %d is next, want %d", name, i, c.next)
		}
	}
}

func TestWhoBeginsElsewhereGoesRound(t *testing.T) {
	t.Parallel()
	s := standing{idle: true, first: 2, shards: []shard{{}, {there: true}, {there: true}, {}}}
	if i, ok := s.next(); !ok || i != 3 {
		t.Errorf("%d is next, want 3", i)
	}
	if got := s.offer(); !slices.Equal(got, []int{0}) {
		t.Errorf("%v is offered, want what comes after the next", got)
	}
}

func TestAShardIsLateAgainstItsNeighbours(t *testing.T) {
	t.Parallel()
	s := standing{shards: []shard{{Range: chunk.Range{To: 100}, offers: 1}}}
	at := func(after, patch time.Duration) bool {
		s.now, s.patch = s.shards[0].since.Add(after), patch
		return s.late(0)
	}
	if at(15*time.Second, 100*time.Millisecond) || !at(17*time.Second, 100*time.Millisecond) {
		t.Error("neighbours took 10 s: late after 16 s")
	}
	if at(900*time.Millisecond, time.Microsecond) || !at(1100*time.Millisecond, time.Microsecond) {
		t.Error("however fast the neighbours were, a second is not late")
	}
	if at(29*time.Second, 0) || !at(31*time.Second, 0) {
		t.Error("without neighbours it is late after 30 s")
	}
}
