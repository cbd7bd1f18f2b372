package cohort_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"bcc/blob"
	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
)

// world is a store and a queue, as one machine has them.
type world struct {
	store blob.Store
	queue *queue.Queue
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	store, err := blob.Folder(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	return &world{store: store, queue: openQueue(t, filepath.Join(dir, "queue"))}
}

func openQueue(t testing.TB, dir string) *queue.Queue {
	t.Helper()
	q, err := queue.Open(t.Context(), queue.Config{Dir: dir, Lease: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// ledger opens a ledger that looks into the store often.
func (w *world) ledger(t *testing.T, change ...func(*cohort.Config)) *cohort.Ledger {
	t.Helper()
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue, cfg.Rescan = w.store, w.queue, 50*time.Millisecond
	for _, c := range change {
		c(&cfg)
	}
	l, err := cohort.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// slides returns so many that were uploaded.
func slides(n int) []cohort.Slide {
	s := make([]cohort.Slide, n)
	for i := range s {
		s[i] = cohort.Slide{Name: fmt.Sprintf("s%d.tif", i), SHA256: fmt.Sprintf("%064x", i)}
	}
	return s
}

func submit(t *testing.T, l *cohort.Ledger, n int) cohort.Manifest {
	t.Helper()
	m, err := l.Submit(t.Context(), cohort.Manifest{Owner: "k1", Name: "n", Slides: slides(n)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// begin takes the next job, which has to be there.
func begin(t *testing.T, w *world, d *cohort.Desk) (cohort.Task, *queue.Lease, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	lease, err := w.queue.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	task, err := d.Begin(t.Context(), lease.Data)
	return task, lease, err
}

// counts is Counts in one line: pending, running, done, failed, cancelled.
func counts(c cohort.Counts) [5]int {
	return [5]int{c.Pending, c.Running, c.Done, c.Failed, c.Cancelled}
}

// eventually waits until the cohort's slides stand as wanted; on the way every
// summary has to add up.
func eventually(t *testing.T, l *cohort.Ledger, id string, want [5]int) cohort.Summary {
	t.Helper()
	until := time.Now().Add(30 * time.Second)
	for {
		s, err := l.Summary(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		adds(t, s)
		if counts(s.Counts) == want {
			return s
		}
		if time.Now().After(until) {
			t.Fatalf("%v pending, running, done, failed, cancelled: want %v", counts(s.Counts), want)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// adds checks the equation that every summary has to hold.
func adds(t *testing.T, s cohort.Summary) {
	t.Helper()
	if c := s.Counts; c.Submitted != c.Pending+c.Running+c.Done+c.Failed+c.Quarantined+c.Cancelled {
		t.Fatalf("%+v do not add up", c)
	}
	if s.Patches.Done > s.Patches.Planned {
		t.Fatalf("%+v patches", s.Patches)
	}
}

// over waits until the cohort has been closed in the store.
func over(t *testing.T, w *world, id string) {
	t.Helper()
	until(t, "the cohort is closed", func() bool {
		is, err := blob.Exists(t.Context(), w.store, "ledger/closed/"+id+".json")
		open, err2 := blob.Exists(t.Context(), w.store, "ledger/open/"+id)
		return err == nil && err2 == nil && is && !open
	})
}

// until waits for a condition.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func errOf(_ cohort.Manifest, err error) error { return err }

func kind(err error) string {
	if err == nil {
		return ""
	}
	return fault.Of(err).String()
}

func done(patches int) cohort.End {
	return cohort.End{State: cohort.Done, Patches: patches, Result: "r", Prediction: "BCC", TookS: 1, ComputeS: 1}
}
