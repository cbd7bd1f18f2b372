package cohort_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
)

func TestACohortIsFollowedFromSubmissionToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t), cohort.NewDesk(w.store, w.queue)
	m := submit(t, l, 3)
	if !cohort.ValidID(m.ID) || m.Priority != queue.Routine || m.Submitted.IsZero() || m.FormatVersion != 1 {
		t.Errorf("submitted as %+v", m)
	}
	if s := eventually(t, l, m.ID, [5]int{3, 0, 0, 0, 0}); s.State != cohort.Pending {
		t.Errorf("a cohort that nobody began is %s", s.State)
	}

	first, lease, err := begin(t, w, d)
	if err != nil || first.Slide.Name != "s0.tif" || first.Owner != "k1" {
		t.Fatalf("began %+v: %v", first, err)
	}
	d.Planned(first, 100)
	d.Scored(first, 40)
	eventually(t, l, m.ID, [5]int{2, 1, 0, 0, 0})
	if err := errors.Join(d.End(t.Context(), first, done(100)), lease.Done(t.Context())); err != nil {
		t.Fatal(err)
	}
	if s := eventually(t, l, m.ID, [5]int{2, 0, 1, 0, 0}); s.State != cohort.Running || s.Patches != (cohort.Patches{Done: 100, Planned: 100}) {
		t.Errorf("%s with %+v", s.State, s.Patches)
	}

	second, lease, _ := begin(t, w, d)
	d.Back(second)
	eventually(t, l, m.ID, [5]int{3 - 1, 0, 1, 0, 0})
	if err := lease.Return(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, e := range []cohort.End{
		{State: cohort.Failed, Problem: &cohort.Problem{Kind: "corrupt", Code: 422, Message: "x"}},
		done(50),
	} {
		task, lease, err := begin(t, w, d)
		if err != nil {
			t.Fatal(err)
		}
		e.Degraded = []string{"less overlap"}
		if err := errors.Join(d.End(t.Context(), task, e), lease.Done(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	s := eventually(t, l, m.ID, [5]int{0, 0, 2, 1, 0})
	if s.State != cohort.Done || s.Forecast != nil || len(s.Degraded) != 1 || s.Cost.Patches != 150 || s.Cost.ComputeS != 2 {
		t.Errorf("over as %+v", s)
	}
	status, _, err := l.Slide(t.Context(), cohort.SlideID(m.ID, 1))
	if err != nil || status.State != cohort.Failed || status.End.Problem.Code != 422 {
		t.Errorf("%+v, %v", status, err)
	}
}

func TestTheFirstEndOfASlideStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t), cohort.NewDesk(w.store, w.queue)
	m := submit(t, l, 1)
	task, lease, err := begin(t, w, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.End(t.Context(), task, done(7)); err != nil {
		t.Fatal(err)
	}
	if err := d.End(t.Context(), task, cohort.End{State: cohort.Failed}); err != nil {
		t.Fatal(err)
	}
	if s := eventually(t, l, m.ID, [5]int{0, 0, 1, 0, 0}); s.Patches.Done != 7 {
		t.Errorf("%+v", s)
	}
	if _, err := d.Begin(t.Context(), lease.Data); !errors.Is(err, cohort.ErrOver) {
		t.Errorf("a slide with an end is begun: %v", err)
	}
}

func TestCancelledStaysCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t), cohort.NewDesk(w.store, w.queue)
	m := submit(t, l, 4)
	heard := make(chan string, 1)
	stop, err := d.Listen(func(id string) { heard <- id })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	ended, _, _ := begin(t, w, d)
	late, _, _ := begin(t, w, d)
	if err := d.End(t.Context(), ended, done(7)); err != nil {
		t.Fatal(err)
	}
	if err := l.Cancel(t.Context(), m.ID); err != nil {
		t.Fatal(err)
	}
	if id := <-heard; id != m.ID {
		t.Errorf("workers were told of %s", id)
	}
	// The one that was being walked may not have heard of it.
	if err := d.End(t.Context(), late, done(9)); err != nil {
		t.Fatal(err)
	}
	want := [5]int{0, 0, 1, 0, 3}
	s := eventually(t, l, m.ID, want)
	if s.State != cohort.Cancelled || s.Patches.Done != 7 {
		t.Errorf("cancelled as %+v", s)
	}
	if _, _, err := begin(t, w, d); !errors.Is(err, cohort.ErrOver) {
		t.Errorf("a slide of a cancelled cohort is begun: %v", err)
	}
	if err := l.Cancel(t.Context(), m.ID); err != nil {
		t.Errorf("cancelled twice: %v", err)
	}
	time.Sleep(150 * time.Millisecond) // some rescans
	eventually(t, l, m.ID, want)
	l.Close()
	eventually(t, w.ledger(t), m.ID, want)
}

func TestAManifestThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	two, half, nan := 2, 0.5, math.NaN()
	past := time.Now().Add(-time.Hour)
	for name, m := range map[string]cohort.Manifest{
		"no slides":     {},
		"no place":      {Slides: []cohort.Slide{{Name: "x"}}},
		"two places":    {Slides: []cohort.Slide{{SHA256: strings.Repeat("a", 64), URL: "https://a/b"}}},
		"no digest":     {Slides: []cohort.Slide{{SHA256: "../../etc/passwd"}}},
		"no address":    {Slides: []cohort.Slide{{URL: "::"}}},
		"label":         {Slides: []cohort.Slide{{URL: "https://a/b", Label: &two}}},
		"scale":         {Slides: []cohort.Slide{{URL: "https://a/b", Parameters: cohort.Parameters{MPPUM: -1}}}},
		"no number":     {Slides: []cohort.Slide{{URL: "https://a/b", Parameters: cohort.Parameters{Threshold: &nan}}}},
		"priority":      {Priority: "soon", Slides: slides(1)},
		"passed":        {Deadline: &past, Slides: slides(1)},
		"name too long": {Name: strings.Repeat("x", 2000), Slides: slides(1)},
	} {
		if _, err := l.Submit(t.Context(), m); err == nil || fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	ok := cohort.Manifest{Slides: []cohort.Slide{{URL: "s3://a/b", Parameters: cohort.Parameters{Overlap: &half, MPPUM: 0.25}}}}
	if _, err := l.Submit(t.Context(), ok); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger(t)
	m := submit(t, l, 1)
	for _, id := range []string{"", "x", cohort.NewID(), "../" + m.ID, m.ID + "-0"} {
		_, errSummary := l.Summary(t.Context(), id)
		_, errManifest := l.Manifest(t.Context(), id)
		_, errFollow := l.Follow(t.Context(), id)
		for _, err := range []error{errSummary, errManifest, errFollow, l.Cancel(t.Context(), id)} {
			if err == nil || fault.Of(err) != fault.NotFound {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	for _, id := range []string{"", m.ID, m.ID + "-1", m.ID + "-00", m.ID + "--0", m.ID + "-+0", cohort.NewID() + "-0"} {
		_, _, err := l.Slide(t.Context(), id)
		_, errWait := l.Wait(t.Context(), id)
		if fault.Of(err) != fault.NotFound || fault.Of(errWait) != fault.NotFound {
			t.Errorf("%q: %v, %v", id, err, errWait)
		}
	}
}

func TestSummariesAreTheOwnersNewestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t), cohort.NewDesk(w.store, w.queue)
	var ids []string
	for i, owner := range []string{"a", "b", "a"} {
		m, err := l.Submit(t.Context(), cohort.Manifest{Owner: owner, Slides: slides(1)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
		if i == 0 { // one that is over counts too
			task, lease, _ := begin(t, w, d)
			if err := errors.Join(d.End(t.Context(), task, done(1)), lease.Done(t.Context())); err != nil {
				t.Fatal(err)
			}
			eventually(t, l, m.ID, [5]int{0, 0, 1, 0, 0})
		}
	}
	list := func(l *cohort.Ledger, owner string, all bool) string {
		sums, err := l.Summaries(t.Context(), owner, all)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range sums {
			got = append(got, s.ID)
		}
		return strings.Join(got, " ")
	}
	check := func(l *cohort.Ledger) {
		if got, want := list(l, "a", false), ids[2]+" "+ids[0]; got != want {
			t.Errorf("of a: %s, want %s", got, want)
		}
		if got, want := list(l, "", true), ids[2]+" "+ids[1]+" "+ids[0]; got != want {
			t.Errorf("of all: %s, want %s", got, want)
		}
		if got := list(l, "c", false); got != "" {
			t.Errorf("of c: %s", got)
		}
	}
	check(l)
	over(t, w, ids[0])
	l.Close()
	check(w.ledger(t))
}

func TestWaitReturnsAtTheEndAndNotBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, d := w.ledger(t), cohort.NewDesk(w.store, w.queue)
	m := submit(t, l, 1)
	id := cohort.SlideID(m.ID, 0)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.Wait(short, id); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v: want the deadline", err)
	}
	task, _, _ := begin(t, w, d)
	go func() { _ = d.End(t.Context(), task, done(3)) }()
	s, err := l.Wait(t.Context(), id)
	if err != nil || s.State != cohort.Done || s.End.Patches != 3 {
		t.Errorf("%+v, %v", s, err)
	}
}
