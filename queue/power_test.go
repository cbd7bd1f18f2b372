package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/disk/powertest"
	"bcc/fault"
	"bcc/queue"
)

// How many cuts of a run are looked at, each by a server that is started on what is
// left: a few hundred milliseconds. BCC_CUTS sets another number.
func cuts() int {
	if n, err := strconv.Atoi(os.Getenv("BCC_CUTS")); err == nil {
		return n
	}
	return 4
}

// promised is a job that Put acknowledged.
type promised struct {
	id          string
	from, until int // operations of the disk after which it was, and after which it was to end; 0: never
}

// day puts, takes, hands back and ends jobs, and returns what was promised.
func day(t *testing.T, d *powertest.Disk, cfg queue.Config) []*promised {
	t.Helper()
	cfg.Dir = filepath.Join(d.Dir(), "data", "queue")
	q, err := queue.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var all []*promised
	byID := map[string]*promised{}
	for round := range 4 {
		var jobs []queue.Job
		for i := range 5 {
			lane := []queue.Lane{queue.Routine, queue.Urgent}[i%2]
			jobs = append(jobs, queue.Job{ID: fmt.Sprintf("%d-%d", round, i), Lane: lane, Row: i % 3, Data: make([]byte, 300)})
		}
		if err := q.Put(t.Context(), jobs...); err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			byID[j.ID] = &promised{id: j.ID, from: d.Now()}
			all = append(all, byID[j.ID])
		}
		if err := take(t, q).Return(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			l := take(t, q)
			byID[l.ID].until = d.Now()
			if err := l.Done(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// errLost is returned where something promised is not there after a cut.
var errLost = errors.New("lost")

// reopen opens the queue on what is left after n operations. All that was promised has
// to be given, nothing may be counted that is not given, and new jobs have to pass;
// or the folder is Corrupt, with a hint: then the ledger fills another.
func reopen(t *testing.T, n int, s powertest.State, all []*promised) error {
	dir := powertest.Memory(t)
	defer os.RemoveAll(dir) // one for each cut
	if err := s.WriteTo(dir); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	q, err := queue.Open(ctx, queue.Config{Dir: filepath.Join(dir, "data", "queue")})
	if fault.Of(err) == fault.Corrupt && fault.HintOf(err) != "" {
		return nil
	}
	if err != nil {
		return err
	}
	defer q.Close()
	b, err := q.Backlog(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	next := func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		l, err := q.Take(ctx)
		if err != nil {
			return "", fmt.Errorf("%d jobs counted, %d given: %w", b.Urgent+b.Routine+b.Leased, len(there), err)
		}
		return l.ID, l.Done(ctx)
	}
	for range b.Urgent + b.Routine + b.Leased {
		id, err := next()
		if err != nil {
			return err
		}
		there[id] = true
	}
	for _, p := range all {
		if p.from <= n && (p.until == 0 || p.until > n) && !there[p.id] {
			return fmt.Errorf("%w: %s, %d are there", errLost, p.id, len(there))
		}
	}
	for i := range 3 {
		fresh := queue.Job{ID: fmt.Sprint("fresh", i), Lane: queue.Routine, Row: i}
		if err := q.Put(ctx, fresh); err != nil {
			return err
		}
		if id, err := next(); err != nil || id != fresh.ID {
			return fmt.Errorf("a job that is put after the cut: %q, %v", id, err)
		}
	}
	return nil
}

// The server inside the process does not sync all folders: on a disk as hard as POSIX
// allows a cut may cost the queue as a whole. See docs/durability.md; cohort's tests
// say why that loses no slide.
func TestNoCutLosesWhatAQueueAcknowledged(t *testing.T) {
	t.Parallel()
	d := powertest.Mount(t)
	all := day(t, d, queue.Config{})
	run := d.Record()
	var eg errgroup.Group
	eg.SetLimit(2)
	for i, loss := range []powertest.Loss{powertest.Drop, powertest.Keep, powertest.Mix(1), powertest.Mix(2)} {
		for _, n := range run.Moments(cuts()) {
			eg.Go(func() error {
				if err := reopen(t, n, run.Cut(n, powertest.Kinder, loss, ""), all); err != nil {
					return fmt.Errorf("loss %d, cut %d, after %s: %w", i, n, run.Op(n), err)
				}
				return nil
			})
		}
	}
	if err := eg.Wait(); err != nil {
		t.Error(err)
	}
}

// Without SyncAlways, and without the syncs of blocks of jobs that it brings, jobs that
// were acknowledged are lost.
func TestAQueueNeedsItsSyncs(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(d *powertest.Disk) (without string, all []*promised){
		"the switch": func(d *powertest.Disk) (string, []*promised) {
			return "", day(t, d, queue.SyncedLater(queue.Config{}))
		},
		"blocks of jobs": func(d *powertest.Disk) (string, []*promised) {
			return "sync data/queue/jetstream/$G/streams/BCC_ROUTINE_*/msgs/*.blk", day(t, d, queue.Config{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := powertest.Mount(t)
			without, all := run(d)
			r := d.Record()
			if _, made := r.Syncs()[without]; without != "" && !made {
				t.Fatalf("there is no %q, but %q", without, r.Calls())
			}
			for _, n := range r.Moments(3) {
				if err := reopen(t, n, r.Cut(n, powertest.Kinder, powertest.Drop, without), all); errors.Is(err, errLost) {
					return
				} else if err != nil {
					t.Fatal(err)
				}
			}
			t.Error("nothing was lost")
		})
	}
}

// A cut between the two files in which the server notes the end of a job: the job lies
// there, and the server takes it for done. It is given once more, not counted for ever.
func TestAJobThatSeemedDoneIsGivenOnceMore(t *testing.T) {
	t.Parallel()
	dir, earlier := powertest.Memory(t), filepath.Join(powertest.Memory(t), "earlier")
	q := open(t, queue.Config{Dir: dir})
	put(t, q, "a", "b")
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(earlier, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	q = open(t, queue.Config{Dir: dir})
	if err := errors.Join(take(t, q).Done(t.Context()), q.Close()); err != nil {
		t.Fatal(err)
	}
	streams := filepath.Join("jetstream", "$G", "streams")
	entries, err := os.ReadDir(filepath.Join(dir, streams))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		jobs := filepath.Join(streams, e.Name(), "msgs")
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, jobs)), os.CopyFS(filepath.Join(dir, jobs), os.DirFS(filepath.Join(earlier, jobs)))); err != nil {
			t.Fatal(err)
		}
	}
	q = open(t, queue.Config{Dir: dir})
	for range 2 {
		if err := take(t, q).Done(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := q.Backlog(t.Context()); err != nil || b != (queue.Backlog{}) {
		t.Errorf("%+v, %v: want nothing left", b, err)
	}
}

// A bit that turned in a job: the server counts it and cannot give it. It goes, and can
// be put again.
func TestAJobThatCannotBeReadCanBePutAgain(t *testing.T) {
	t.Parallel()
	dir := powertest.Memory(t)
	q := open(t, queue.Config{Dir: dir})
	put(t, q, "a", "harmed-job", "c")
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", "*", "msgs", "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	turned := 0
	for _, name := range blocks {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.LastIndex(data, []byte("harmed-job")); i >= 0 { // what it holds: its name comes before
			data[i] ^= 4
			turned++
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if turned != 1 {
		t.Fatalf("%d blocks hold the job", turned)
	}
	q = open(t, queue.Config{Dir: dir})
	// Whoever keeps the truth puts jobs again when there are fewer than it knows of.
	known := 3
	for until := time.Now().Add(30 * time.Second); known > 0; {
		if time.Now().After(until) {
			t.Fatalf("%d jobs are counted and not given", known)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if l, err := q.Take(ctx); err == nil {
			known--
			if err := l.Done(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		b, err := q.Backlog(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b.Routine+b.Leased < known {
			put(t, q, "harmed-job")
		}
	}
}
