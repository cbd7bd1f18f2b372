package cohort_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bcc/blob"
	"bcc/cohort"
)

// flip changes one byte in the middle of an object.
func flip(t *testing.T, w *world, key string) {
	t.Helper()
	b, err := blob.Read(t.Context(), w.store, key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/3] ^= 4
	write(t, w, key, string(b))
}

func write(t *testing.T, w *world, key, text string) {
	t.Helper()
	if err := w.store.Put(t.Context(), key, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
}

// work does what lies on the queue until the cohort's slides stand as wanted.
func work(t *testing.T, w *world, l *cohort.Ledger, id string, want [5]int) {
	t.Helper()
	until(t, fmt.Sprint("slides end as ", want), func() bool {
		if s, err := l.Summary(t.Context(), id); err != nil {
			t.Fatal(err)
		} else if adds(t, s); counts(s.Counts) == want {
			return true
		}
		doOne(t, w, l)
		return false
	})
}

// doOne does a job, if there is one, and waits until the ledger knows.
func doOne(t *testing.T, w *world, l *cohort.Ledger) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	lease, err := w.queue.Take(ctx)
	if err != nil {
		return
	}
	d := cohort.NewDesk(w.store, w.queue)
	task, err := d.Begin(t.Context(), lease.Data)
	if err == nil {
		if err = d.End(t.Context(), task, done(1)); err == nil {
			_, err = l.Wait(t.Context(), task.SlideID)
		}
	} else if errors.Is(err, cohort.ErrOver) {
		err = nil
	}
	if err := errors.Join(err, lease.Done(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func endKey(id string, i int) string { return fmt.Sprintf("cohorts/%s/ends/%d.json", id, i) }

func TestADamagedEndIsNoEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	m := submit(t, l, 3)
	work(t, w, l, m.ID, [5]int{1, 0, 2, 0, 0})
	l.Close()
	flip(t, w, endKey(m.ID, 0))

	l = w.ledger(t) // it has never known that end
	eventually(t, l, m.ID, [5]int{2, 0, 1, 0, 0})
	work(t, w, l, m.ID, [5]int{0, 0, 3, 0, 0})
	over(t, w, m.ID)
	for _, name := range []string{"ends/0.1.json", "voids/0.json"} {
		if is, err := blob.Exists(t.Context(), w.store, "cohorts/"+m.ID+"/"+name); !is || err != nil {
			t.Errorf("%s is not there: %v", name, err)
		}
	}
	// The damaged one never counts again, not even where it can be read by now.
	flip(t, w, endKey(m.ID, 0))
	l.Close()
	for _, copies := range []string{"there", "gone"} {
		if copies == "gone" {
			for _, key := range []string{"cohorts/" + m.ID + "/ends.json", "ledger/closed/" + m.ID + ".json"} {
				if err := w.store.Delete(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
			write(t, w, "ledger/open/"+m.ID, "")
		}
		l = w.ledger(t)
		eventually(t, l, m.ID, [5]int{0, 0, 3, 0, 0})
		over(t, w, m.ID)
		l.Close()
	}
}

func TestAWorkerThatMeetsADamagedEndWritesAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t, func(c *cohort.Config) { c.Queue = deaf{w.queue} })
	m := submit(t, l, 1)
	d := cohort.NewDesk(w.store, deaf{w.queue})
	task, lease, err := begin(t, w, d)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, endKey(m.ID, 0), "{}")
	if over, err := d.Over(t.Context(), task); over || err != nil {
		t.Errorf("over: %v, %v", over, err)
	}
	if _, err := d.Begin(t.Context(), lease.Data); err != nil {
		t.Errorf("begun: %v", err)
	}
	if err := d.End(t.Context(), task, done(7)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Begin(t.Context(), lease.Data); !errors.Is(err, cohort.ErrOver) {
		t.Errorf("begun after its end: %v", err)
	}
	if s := eventually(t, l, m.ID, [5]int{0, 0, 1, 0, 0}); s.Patches.Done != 7 {
		t.Errorf("%+v", s.Patches)
	}
}

func TestADamagedCancellingStillCancels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	m := submit(t, l, 3)
	work(t, w, l, m.ID, [5]int{2, 0, 1, 0, 0})
	l.Close()
	write(t, w, "cohorts/"+m.ID+"/cancelled.json", "{\x00")
	for range 2 {
		l = w.ledger(t)
		if s := eventually(t, l, m.ID, [5]int{0, 0, 1, 0, 2}); s.State != cohort.Cancelled {
			t.Errorf("%+v", s)
		}
		l.Close()
	}
}

func TestACohortThatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	bad, strange := submit(t, l, 1), submit(t, l, 1)
	l.Close()
	flip(t, w, "cohorts/"+bad.ID+"/manifest.json")
	write(t, w, "cohorts/"+strange.ID+"/manifest.json", `{"format_version":9}`)
	for range 2 { // its mark is not taken away
		l = w.ledger(t)
		sums, err := l.Summaries(t.Context(), "", true)
		if err != nil || len(sums) != 2 {
			t.Fatalf("%+v, %v", sums, err)
		}
		for _, s := range sums {
			want := map[string]string{bad.ID: "damaged", strange.ID: "another version"}[s.ID]
			if len(s.Degraded) != 1 || !strings.Contains(s.Degraded[0], want) || s.Submitted.IsZero() {
				t.Errorf("%+v, want %q", s, want)
			}
		}
		if of, _ := l.Summaries(t.Context(), "", false); len(of) != 0 {
			t.Errorf("shown to anybody: %+v", of)
		}
		_, errBad := l.Summary(t.Context(), bad.ID)
		_, errStrange := l.Summary(t.Context(), strange.ID)
		if kind(errBad) != "corrupt" || kind(errStrange) != "unsupported" {
			t.Errorf("%v, %v", errBad, errStrange)
		}
		l.Close()
	}
}

func TestEndsOfAnotherVersionAreNeitherDroppedNorDoneAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	puts := &counting{Queue: w.queue}
	l := w.ledger(t, func(c *cohort.Config) { c.Queue = puts })
	m := submit(t, l, 3)
	submit(t, l, 9) // so that there is something that may be missing
	write(t, w, endKey(m.ID, 0), `{"format_version":2,"state":"failed","error":{"kind":"corrupt","message":"x"},"more":1}`)
	write(t, w, endKey(m.ID, 1), `{"format_version":2,"outcome":"unclear"}`)
	s := eventually(t, l, m.ID, [5]int{2, 0, 0, 1, 0}) // the second counts as waiting
	until(t, "it is said", func() bool {
		s, _ = l.Summary(t.Context(), m.ID)
		return len(s.Degraded) == 1 && strings.Contains(s.Degraded[0], "another version")
	})
	until(t, "its third slide is done", func() bool {
		doOne(t, w, l)
		s, _ = l.Summary(t.Context(), m.ID)
		return counts(s.Counts) == [5]int{1, 0, 1, 1, 0}
	})
	puts.of.Store(m.ID) // a job of the other may be put once more, which harms nothing
	before, looks := puts.puts.Load(), puts.looks.Load()
	until(t, "the ledger has looked for missing jobs", func() bool { return puts.looks.Load() > looks+2 || puts.puts.Load() > before })
	if n := puts.puts.Load() - before; n != 0 {
		t.Errorf("jobs were put %d times for a slide that has an end", n)
	}
	text, err := blob.Read(t.Context(), w.store, endKey(m.ID, 1), 1000)
	if err != nil || !strings.Contains(string(text), "unclear") {
		t.Errorf("the end is now %s, %v", text, err)
	}
}

func TestAJobOfAnotherVersionIsToldApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := cohort.NewDesk(w.store, w.queue)
	for job, want := range map[string]string{`{"format_version":2}`: "unsupported", `{"format`: "corrupt", `{"format_version":1}`: "corrupt"} {
		if _, err := d.Begin(t.Context(), []byte(job)); kind(err) != want {
			t.Errorf("%s: %v, want %s", job, err, want)
		}
	}
}
