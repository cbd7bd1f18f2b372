package lifeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"bcc/fault"
	"bcc/train"
	"bcc/train/lifeline"
	"bcc/train/traintest"
)

// config beats fast. Only tests of silence make it short: elsewhere a loaded
// machine must not look like a dead one.
func config(rank, size int) lifeline.Config {
	cfg := lifeline.DefaultConfig(rank, size)
	cfg.Host = fmt.Sprintf("host%d", rank)
	cfg.Key = "the run"
	cfg.Beat = 20 * time.Millisecond
	cfg.Silence = 30 * time.Second
	cfg.Join = 30 * time.Second
	return cfg
}

// listen makes rank 0's listener.
func listen(t *testing.T, cfg lifeline.Config) (*lifeline.Listener, string) {
	t.Helper()
	l, err := lifeline.Listen(cfg, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, l.Addr().String()
}

// joined is a rank's line, or why it has none.
type joined struct {
	line *lifeline.Line
	err  error
}

// meet brings ranks together at rank 0's listener. The configurations are those of
// the ranks from 1 on.
func meet(t *testing.T, l *lifeline.Listener, addr string, others ...lifeline.Config) []joined {
	t.Helper()
	all := make([]joined, len(others)+1)
	var wg sync.WaitGroup
	wg.Go(func() { all[0].line, all[0].err = l.Gather(t.Context()) })
	for i, cfg := range others {
		wg.Go(func() { all[i+1].line, all[i+1].err = lifeline.Dial(t.Context(), cfg, addr) })
	}
	wg.Wait()
	return all
}

// lines are n ranks that have met.
func lines(t *testing.T, n int) []*lifeline.Line {
	t.Helper()
	l, addr := listen(t, config(0, n))
	var others []lifeline.Config
	for rank := 1; rank < n; rank++ {
		others = append(others, config(rank, n))
	}
	var all []*lifeline.Line
	for rank, j := range meet(t, l, addr, others...) {
		if j.err != nil {
			t.Fatalf("rank %d: %v", rank, j.err)
		}
		t.Cleanup(func() { j.line.Close() })
		all = append(all, j.line)
	}
	return all
}

// expectLost waits until a rank knows of the loss, and compares its words.
func expectLost(t *testing.T, who string, l *lifeline.Line, want string) {
	t.Helper()
	select {
	case <-l.Lost():
	case <-time.After(20 * time.Second):
		t.Errorf("%s has not heard of any loss", who)
		return
	}
	if err := l.Err(); !strings.Contains(err.Error(), want) || fault.Of(err) != fault.Unavailable {
		t.Errorf("%s hears %q (%v), want %q", who, err, fault.Of(err), want)
	}
}

func TestOneOfThoseThatAreLeftSpeaks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ dead, speaker int }{{0, 1}, {1, 0}, {2, 0}} {
		t.Run(fmt.Sprintf("dead=%d", c.dead), func(t *testing.T) {
			t.Parallel()
			heard := make(chan string, 10)
			of := func(rank int) lifeline.Config {
				cfg := config(rank, 3)
				cfg.Tell = func(lost error) { heard <- fmt.Sprintf("%d: %v", rank, lost) }
				return cfg
			}
			l, addr := listen(t, of(0))
			all := meet(t, l, addr, of(1), of(2))
			for _, j := range all {
				if j.err != nil {
					t.Fatal(j.err)
				}
			}
			all[c.dead].line.Die()
			for rank, j := range all {
				if rank != c.dead {
					<-j.line.Lost()
				}
			}
			for _, j := range all {
				j.line.Close() // waits for whoever is still speaking
			}
			close(heard)
			var said []string
			for s := range heard {
				said = append(said, s)
			}
			if len(said) != 1 || !strings.HasPrefix(said[0], fmt.Sprintf("%d: rank %d of 3 on host%d died", c.speaker, c.dead, c.dead)) {
				t.Errorf("said: %q", said)
			}
		})
	}
}

func TestADeathIsToldToAll(t *testing.T) {
	t.Parallel()
	for _, dead := range []int{0, 2} {
		t.Run(fmt.Sprintf("rank=%d", dead), func(t *testing.T) {
			t.Parallel()
			all := lines(t, 4)
			all[dead].Die()
			for rank, l := range all {
				if rank != dead {
					expectLost(t, fmt.Sprintf("rank %d", rank), l, fmt.Sprintf("rank %d of 4 on host%d died", dead, dead))
				}
			}
		})
	}
}

func TestAnErrorIsToldToAll(t *testing.T) {
	t.Parallel()
	for _, bad := range []int{0, 1} {
		t.Run(fmt.Sprintf("rank=%d", bad), func(t *testing.T) {
			t.Parallel()
			all := lines(t, 3)
			all[bad].Fail(errors.New("disk\nfull"))
			for rank, l := range all {
				if rank != bad {
					expectLost(t, fmt.Sprintf("rank %d", rank), l, fmt.Sprintf("rank %d of 3 on host%d ended early: disk full", bad, bad))
				}
			}
		})
	}
}

func TestAnEndIsNoLoss(t *testing.T) {
	t.Parallel()
	all := lines(t, 3)
	for _, l := range all {
		l.Arrive(7)
	}
	for _, l := range all {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	for rank, l := range all {
		if err := l.Err(); err != nil {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}

func TestARankThatLeavesEarlyIsNamed(t *testing.T) {
	t.Parallel()
	all := lines(t, 3)
	all[2].Arrive(1)
	all[2].Close()
	all[0].Arrive(2)
	all[1].Arrive(2)
	for rank := range 2 {
		expectLost(t, fmt.Sprintf("rank %d", rank), all[rank], "rank 2 of 3 on host2 left the run before collective call 2")
	}
}

// handshake joins as a rank would and then says nothing: a process that hangs.
func handshake(addr string, rank, size int) (net.Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, `{"kind":"join","protocol":1,"key":"the run","rank":%d,"size":%d,"host":"asleep"}`+"\n", rank, size)
	return conn, err
}

func TestSilenceIsToldToAll(t *testing.T) {
	t.Parallel()
	short := func(rank int) lifeline.Config {
		cfg := config(rank, 3)
		cfg.Silence = 1500 * time.Millisecond
		return cfg
	}
	l, addr := listen(t, short(0))
	asleep, err := handshake(addr, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer asleep.Close()
	all := meet(t, l, addr, short(1))
	for rank, j := range all {
		if j.err != nil {
			t.Fatalf("rank %d: %v", rank, j.err)
		}
		defer j.line.Close()
	}
	for rank, j := range all {
		expectLost(t, fmt.Sprintf("rank %d", rank), j.line, "rank 2 of 3 on asleep has not been heard of for 1.5s")
	}
}

func TestWrongStartsAreToldToAll(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		ranks []lifeline.Config // from 1 on
		want  string
	}{
		{"another size", []lifeline.Config{config(1, 4), config(2, 3)}, "rank 1 of 4 on host1 was told of 4 ranks, rank 0 of 3"},
		{"a rank twice", []lifeline.Config{config(1, 3), config(1, 3)}, "rank 1 of 3 came twice, from host1 and from host1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, addr := listen(t, config(0, 3))
			wrong := c.ranks
			if c.name == "another size" { // the right one first: it must hear of it too
				wrong = c.ranks[:1]
			}
			for rank, j := range meet(t, l, addr, wrong...) {
				if j.err == nil || !strings.Contains(j.err.Error(), c.want) || fault.Of(j.err) != fault.Invalid || fault.HintOf(j.err) == "" {
					t.Errorf("rank %d: %v (%v), want %q", rank, j.err, fault.Of(j.err), c.want)
				}
			}
		})
	}
}

func TestARankThatDoesNotComeIsNamed(t *testing.T) {
	t.Parallel()
	hub := config(0, 4)
	hub.Join = 300 * time.Millisecond
	l, addr := listen(t, hub)
	all := meet(t, l, addr, config(1, 4))
	for rank, j := range all {
		if want := "rank 2, 3 of 4 did not come within 300ms"; j.err == nil || !strings.Contains(j.err.Error(), want) {
			t.Errorf("rank %d: %v, want %q", rank, j.err, want)
		}
	}
}

func TestNobodyAtTheDoorIsAnError(t *testing.T) {
	t.Parallel()
	cfg := config(1, 2)
	cfg.Join = 200 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free, and closed
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, err = lifeline.Dial(t.Context(), cfg, addr)
	if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "rank 0 was not found at "+addr) {
		t.Errorf("error = %v", err)
	}
}

// TestARankPassesByOtherDoors: torchrun's own store may hold MASTER_PORT, and another
// run the port behind it.
func TestARankPassesByOtherDoors(t *testing.T) {
	t.Parallel()
	store, err := net.Listen("tcp", "127.0.0.1:0") // it waits for the other side to speak
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	go func() {
		for {
			conn, err := store.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()
	other := config(0, 2)
	other.Key = "another run"
	otherListener, otherAddr := listen(t, other)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = otherListener.Gather(ctx)
	}()
	l, addr := listen(t, config(0, 2))
	var zero joined
	var wg sync.WaitGroup
	wg.Go(func() { zero.line, zero.err = l.Gather(t.Context()) })
	one, err := lifeline.Dial(t.Context(), config(1, 2), store.Addr().String(), otherAddr, addr)
	wg.Wait()
	cancel()
	<-gone
	if err != nil || zero.err != nil {
		t.Fatal(err, zero.err)
	}
	one.Close()
	zero.line.Close()
}

func TestStrangersDoNotEndTheGathering(t *testing.T) {
	t.Parallel()
	l, addr := listen(t, config(0, 2))
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, words := range []string{"GET / HTTP/1.1\r\n\r\n", "{}\n", `{"kind":"join","protocol":1,"key":"wrong","rank":1,"size":2}` + "\n", strings.Repeat("x", 1<<20), ""} {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.Write([]byte(words))
			conn.Close()
		}
	})
	wg.Wait() // they queue; Gather takes them first
	for rank, j := range meet(t, l, addr, config(1, 2)) {
		if j.err != nil {
			t.Fatalf("rank %d: %v", rank, j.err)
		}
		defer j.line.Close()
	}
}

func TestRankZeroTakesTheNextPortWhenOneIsTaken(t *testing.T) {
	t.Parallel()
	_, taken := listen(t, config(0, 2))
	l, err := lifeline.Listen(config(0, 2), taken, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := lifeline.Listen(config(0, 2), taken); fault.Of(err) != fault.Unavailable || fault.HintOf(err) == "" {
		t.Errorf("a taken port gives %v", err)
	}
}

func TestItSharesWhatRankZeroHas(t *testing.T) {
	t.Parallel()
	id := bytes.Repeat([]byte{0, 255, '\n', 7}, 32)
	var wg sync.WaitGroup
	for rank, l := range lines(t, 3) {
		wg.Go(func() {
			var mine []byte
			if rank == 0 {
				mine = id
			}
			got, err := l.Share(t.Context(), mine)
			if err != nil || !bytes.Equal(got, id) {
				t.Errorf("rank %d has %v, %v", rank, got, err)
			}
		})
	}
	wg.Wait()
}

func TestAGuardedCollectiveConforms(t *testing.T) {
	t.Parallel()
	traintest.ExerciseCollective(t, func(t *testing.T, n int) []train.Collective {
		ranks := traintest.World(n)
		if n == 1 {
			return []train.Collective{lifeline.Guard(ranks[0], nil, time.Minute)}
		}
		for rank, l := range lines(t, n) {
			ranks[rank] = lifeline.Guard(ranks[rank], l, time.Minute)
		}
		return ranks
	})
}

func TestALossEndsACallThatWaits(t *testing.T) {
	t.Parallel()
	world, all := traintest.World(3), lines(t, 3)
	var wg sync.WaitGroup
	for rank := range 2 {
		wg.Go(func() {
			err := lifeline.Guard(world[rank], all[rank], time.Minute).AllReduce(t.Context(), make([]float64, 5))
			if err == nil || !strings.Contains(err.Error(), "rank 2 of 3 on host2 died") {
				t.Errorf("rank %d: %v", rank, err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond) // mostly, they wait by then
	all[2].Die()
	wg.Wait()
}

func TestALossEndsTheWorkBetweenCalls(t *testing.T) {
	t.Parallel()
	all := lines(t, 2)
	ctx, cancel := all[0].Context(t.Context())
	defer cancel()
	all[1].Die()
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the context goes on")
	}
	if err := context.Cause(ctx); !strings.Contains(err.Error(), "rank 1 of 2 on host1 died") {
		t.Errorf("cause = %v", err)
	}
}

func TestACallThatWaitsTooLongNamesWhoIsLate(t *testing.T) {
	t.Parallel()
	const limit = 300 * time.Millisecond
	world, all := traintest.World(3), lines(t, 3)
	all[1].Arrive(1)
	for len(all[0].Late(1)) > 2 { // until its beat has come: rank 0 itself and rank 2 remain
		time.Sleep(time.Millisecond)
	}
	err := lifeline.Guard(world[0], all[0], limit).Barrier(t.Context())
	// Rank 1 has come as far as anyone can see, rank 2 has not.
	if want := "collective call 1 (barrier): waited 300ms for rank 2 of 3 on host2 (at call 0)"; err == nil || err.Error() != want || fault.Of(err) != fault.Unavailable {
		t.Errorf("error = %v, want %q", err, want)
	}
	err = lifeline.Guard(traintest.World(2)[0], nil, limit).Barrier(t.Context())
	if want := "waited 300ms it is not known for whom"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("without a line: %v, want %q", err, want)
	}
}

func TestItMeetsOverACollective(t *testing.T) {
	t.Parallel()
	all := make([]joined, 3)
	var wg sync.WaitGroup
	for rank, c := range traintest.World(3) {
		wg.Go(func() { all[rank].line, all[rank].err = lifeline.Over(t.Context(), c, config(rank, 3)) })
	}
	wg.Wait()
	for rank, j := range all {
		if j.err != nil {
			t.Fatalf("rank %d: %v", rank, j.err)
		}
	}
	all[1].line.Die()
	expectLost(t, "rank 2", all[2].line, "rank 1 of 3 on host1 died")
	all[0].line.Close()
	all[2].line.Close()
}

// deaf is a rank that cannot find rank 0: its key arrives changed.
type deaf struct{ train.Collective }

func (d deaf) Broadcast(ctx context.Context, data []byte, root int) error {
	err := d.Collective.Broadcast(ctx, data, root)
	copy(data, bytes.Replace(data, []byte(`"key":"`), []byte(`"kex":"`), 1))
	return err
}

func TestAllGoWithoutALineWhenOneCannotJoin(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for rank, c := range traintest.World(3) {
		if rank == 2 {
			c = deaf{c}
		}
		cfg := config(rank, 3)
		cfg.Join = 500 * time.Millisecond
		wg.Go(func() {
			if line, err := lifeline.Over(t.Context(), c, cfg); err == nil || line != nil {
				t.Errorf("rank %d has a line", rank)
			}
		})
	}
	wg.Wait()
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"kind":"join","protocol":1,"key":"k","rank":1,"size":2,"host":"h"}`))
	f.Add([]byte(`{"kind":"beat","call":7,"calls":[7,6]}`))
	f.Add([]byte(`{"kind":"lost","rank":-1,"why":"` + strings.Repeat("é", 600) + `"}`))
	f.Add([]byte("GET / HTTP/1.1"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if ok, fits := lifeline.Parse(line); ok && !fits {
			t.Error("a message grows beyond what can be sent on")
		}
	})
}
