package cohort_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bcc/blob"
	"bcc/cohort"
	"bcc/fault"
)

// result writes a set of results and returns the end that names it.
func result(t *testing.T, w *world, name string) cohort.End {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "result.json"), []byte(name), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := blob.WriteSet(t.Context(), w.store, "results/"+name, dir); err != nil {
		t.Fatal(err)
	}
	e := done(1)
	e.Result = name
	return e
}

// walked submits a cohort of n slides and does them, the i-th with the result ri.
func walked(t *testing.T, w *world, l *cohort.Ledger, n int) cohort.Manifest {
	t.Helper()
	m := submit(t, l, n)
	d := cohort.NewDesk(w.store, w.queue)
	for range n {
		task, lease, err := begin(t, w, d)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.End(t.Context(), task, result(t, w, fmt.Sprint("r", task.Index))), lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, l, m.ID, [5]int{0, 0, n, 0, 0})
	return m
}

// repair repairs and checks that a second time finds nothing left to do.
func repair(t *testing.T, l *cohort.Ledger) cohort.Repaired {
	t.Helper()
	checked, err := l.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, err := l.Repair(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if checked.Slides != first.Slides || checked.Records.Damaged != first.Records.Damaged || checked.Results.Mended != 0 || len(checked.Lost) != len(first.Lost) {
		t.Errorf("Check says\n%+v, Repair\n%+v", checked, first)
	}
	again, err := l.Repair(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again.Records.Damaged+again.Results.Damaged+again.Patches.Damaged+again.Slides+again.Jobs+again.Reopened != 0 || again.Manifests.Mended != 0 {
		t.Errorf("a second repair did %+v", again)
	}
	return first
}

func TestRepairFindsNothingWhereNothingIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	walked(t, w, l, 3)
	open := submit(t, l, 2)
	got := repair(t, l)
	if got.Results != (cohort.Checked{Checked: 3}) || got.Manifests.Checked != 2 || got.Records.Checked < 3 || got.Slides+got.Jobs != 0 {
		t.Errorf("%+v", got)
	}
	eventually(t, l, open.ID, [5]int{2, 0, 0, 0, 0})
}

func TestASlideWhoseResultIsGoneIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	here, there := w.ledger(t), w.ledger(t)
	m := walked(t, w, here, 4)
	over(t, w, m.ID)
	for _, l := range []*cohort.Ledger{here, there} {
		eventually(t, l, m.ID, [5]int{0, 0, 4, 0, 0})
	}
	flip(t, w, "results/r1/result.json")
	if err := blob.DropSet(t.Context(), w.store, "results/r2"); err != nil {
		t.Fatal(err)
	}
	got := repair(t, here)
	if got.Results != (cohort.Checked{Checked: 3, Damaged: 1, Mended: 1}) || got.Slides != 2 || got.Reopened != 1 || got.Jobs != 2 {
		t.Errorf("%+v", got)
	}
	want := [5]int{2, 0, 2, 0, 0}
	eventually(t, here, m.ID, want)
	eventually(t, there, m.ID, want)
	fresh := w.ledger(t)
	eventually(t, fresh, m.ID, want)

	d := cohort.NewDesk(w.store, w.queue)
	for range 2 {
		task, lease, err := begin(t, w, d)
		if err != nil || task.Index != 1 && task.Index != 2 {
			t.Fatalf("slide %d, %v", task.Index, err)
		}
		if err := errors.Join(d.End(t.Context(), task, result(t, w, fmt.Sprint("r", task.Index))), lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range []*cohort.Ledger{here, there, fresh} {
		eventually(t, l, m.ID, [5]int{0, 0, 4, 0, 0})
	}
	over(t, w, m.ID)
	repair(t, there)
}

func TestARepairThatBrokeOffIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	m := walked(t, w, l, 2)
	over(t, w, m.ID)
	put(t, w.store, "cohorts/"+m.ID+"/voids/1.json", map[string]any{"format_version": 1, "reason": "its result is gone"})
	got := repair(t, l)
	if got.Reopened != 1 || got.Jobs != 1 {
		t.Errorf("%+v", got)
	}
	eventually(t, l, m.ID, [5]int{1, 0, 1, 0, 0})
	work(t, w, l, m.ID, [5]int{0, 0, 2, 0, 0})
}

func TestRepairWritesAnewWhatIsOnlyACopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	m := walked(t, w, l, 2)
	over(t, w, m.ID)
	flip(t, w, "ledger/closed/"+m.ID+".json")
	flip(t, w, "cohorts/"+m.ID+"/ends.json")
	flip(t, w, "cohorts/"+m.ID+"/manifest.json") // this ledger has it in memory
	got := repair(t, l)
	if got.Records.Damaged != 2 || got.Records.Mended != 2 || got.Manifests != (cohort.Checked{Checked: 1, Damaged: 1, Mended: 1}) || len(got.Lost) != 0 {
		t.Errorf("%+v", got)
	}
	over(t, w, m.ID)
	l.Close()
	eventually(t, w.ledger(t), m.ID, [5]int{0, 0, 2, 0, 0})
}

func TestRepairNamesWhatIsLostAndFindsWhatIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	lost, hidden, tried := submit(t, l, 1), submit(t, l, 2), submit(t, l, 1)
	d := cohort.NewDesk(w.store, w.queue)
	for range 3 {
		task := cohort.Task{Cohort: tried.ID}
		if _, err := d.Tried(t.Context(), task, cohort.Problem{Kind: "internal"}); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	flip(t, w, "cohorts/"+lost.ID+"/manifest.json")
	flip(t, w, "cohorts/"+tried.ID+"/tries/0/2.json")
	if err := w.store.Delete(t.Context(), "ledger/open/"+hidden.ID); err != nil {
		t.Fatal(err)
	}
	l = w.ledger(t)
	got := repair(t, l)
	if len(got.Lost) != 1 || got.Lost[0] != lost.ID || got.Manifests.Damaged != 1 || got.Manifests.Mended != 0 || got.Records.Mended != 1 {
		t.Errorf("%+v", got)
	}
	eventually(t, l, hidden.ID, [5]int{2, 0, 0, 0, 0})
	if n, err := d.Tried(t.Context(), cohort.Task{Cohort: tried.ID}, cohort.Problem{}); n != 4 || err != nil {
		t.Errorf("tried %d times, %v", n, err)
	}
}

func TestRepairFillsALostQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	m := submit(t, l, 5)
	l.Close()
	w.queue.Close()
	w.queue = openQueue(t, filepath.Join(t.TempDir(), "another"))
	hidden := &counting{Queue: w.queue}
	l = w.ledger(t, func(c *cohort.Config) { c.Queue = hidden })
	if got, err := l.Repair(t.Context()); err != nil || got.Jobs != 0 { // opening has done it
		t.Errorf("%+v, %v", got, err)
	}
	if b, err := w.queue.Backlog(t.Context()); err != nil || b.Routine != 5 {
		t.Errorf("%+v, %v", b, err)
	}
	eventually(t, l, m.ID, [5]int{5, 0, 0, 0, 0})
}

func TestRepairDropsOutputsThatTheWorkerCannotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, text := range map[string]string{"whole": "ok", "bad": "damaged", "later": "of another version"} {
		write(t, w, "patches/"+name, text)
	}
	l := w.ledger(t, func(c *cohort.Config) {
		c.Check = func(ctx context.Context, key string) error {
			b, err := blob.Read(ctx, w.store, key, 100)
			switch {
			case err != nil:
				return err
			case strings.HasPrefix(string(b), "damaged"):
				return fault.New(fault.Corrupt, "x")
			case strings.HasPrefix(string(b), "of"):
				return fault.New(fault.Unsupported, "x")
			}
			return nil
		}
	})
	got := repair(t, l)
	if got.Patches != (cohort.Checked{Checked: 3, Damaged: 1, Mended: 1}) || got.Foreign != 1 {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]bool{"whole": true, "bad": false, "later": true} {
		if is, err := blob.Exists(t.Context(), w.store, "patches/"+name); is != want || err != nil {
			t.Errorf("%s is there: %v, %v", name, is, err)
		}
	}
}

func TestRepairHarmsNobodyAtWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	here, there := w.ledger(t), w.ledger(t)
	const n = 24
	m := submit(t, here, n)
	work := make(chan error, 1)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	go func() {
		d := cohort.NewDesk(w.store, w.queue)
		for range n {
			lease, err := w.queue.Take(ctx)
			if err != nil {
				work <- err
				return
			}
			task, err := d.Begin(t.Context(), lease.Data)
			if err == nil {
				err = d.End(t.Context(), task, result(t, w, fmt.Sprint("r", task.Index)))
			}
			if err = errors.Join(err, lease.Done(t.Context())); err != nil {
				work <- err
				return
			}
		}
		work <- nil
	}()
	for busy := true; busy; {
		select {
		case err := <-work:
			if err != nil {
				t.Fatal(err)
			}
			busy = false
		default:
		}
		for _, l := range []*cohort.Ledger{here, there} {
			got, err := l.Repair(t.Context())
			if err != nil || got.Slides+got.Results.Damaged+got.Records.Damaged+got.Manifests.Damaged != 0 {
				t.Fatalf("%+v, %v", got, err)
			}
		}
	}
	for _, l := range []*cohort.Ledger{here, there} {
		if s := eventually(t, l, m.ID, [5]int{0, 0, n, 0, 0}); s.State != cohort.Done {
			t.Errorf("%+v", s)
		}
	}
}
