package worker_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"bcc/blob"
	"bcc/cohort"
	"bcc/queue"
	"bcc/report"
	"bcc/worker"
)

// chaosSlides returns slides of which some are damaged, and some the same.
func chaosSlides(t *testing.T, w *world) (all []cohort.Slide, bad map[int]bool) {
	bad = map[int]bool{}
	for i := range 12 {
		data := paint(t, i%10)
		if i%5 == 4 {
			data, bad[i] = data[:len(data)-len(data)/(i+2)], true
		}
		all = append(all, w.upload(t, "x", data))
	}
	return all, bad
}

// results returns result.json of each slide that is done, by its content.
func results(t *testing.T, w *world, m cohort.Manifest) map[string][]byte {
	t.Helper()
	list, err := w.ledger.Slides(t.Context(), m.ID, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for _, s := range list {
		if s.State != cohort.Done {
			continue
		}
		if err := blob.CheckSet(t.Context(), w.store, "results/"+s.End.Result); err != nil {
			t.Errorf("slide %d: %v", s.Index, err)
		}
		b, err := blob.Read(t.Context(), w.store, "results/"+s.End.Result+"/"+report.ResultFile, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		found[s.Slide.SHA256] = b
	}
	return found
}

func TestUnderChaosEverySlideEndsOnceAndAsInAQuietRun(t *testing.T) {
	t.Parallel()
	quiet := newWorld(t)
	slides, _ := chaosSlides(t, quiet)
	quiet.start(t)
	m := quiet.submit(t, queue.Routine, slides...)
	for i := range slides {
		quiet.wait(t, m, i)
	}
	want := results(t, quiet, m)

	w := newWorld(t)
	slides, bad := chaosSlides(t, w)
	w.before = func(ctx context.Context, _ int) error { // so that stops meet slides on their way
		time.Sleep(time.Duration(rand.IntN(4)) * time.Millisecond)
		return nil
	}
	routine, urgent := w.submit(t, queue.Routine, slides...), w.submit(t, queue.Urgent, slides[:5]...)
	dropped := w.submit(t, queue.Routine, slides...)
	events, err := w.ledger.Follow(t.Context(), routine.ID)
	if err != nil {
		t.Fatal(err)
	}

	calm := make(chan struct{})
	down := make(chan struct{}, 3)
	for range 3 { // workers that come and go
		go func() {
			defer func() { down <- struct{}{} }()
			for range 4 {
				stop := w.start(t, func(c *worker.Config) { c.Jobs = 1 + rand.IntN(2) })
				time.Sleep(time.Duration(20+rand.IntN(80)) * time.Millisecond)
				stop()
			}
			w.start(t)
			<-calm
		}()
	}
	time.Sleep(60 * time.Millisecond)
	if err := w.ledger.Cancel(t.Context(), dropped.ID); err != nil {
		t.Fatal(err)
	}

	ended := map[int]int{}
	for e := range events {
		switch e.Kind {
		case cohort.EventSlide:
			ended[e.Slide.Index]++
		case cohort.EventCohort, cohort.EventSnapshot:
			if c := e.Summary.Counts; c.Submitted != c.Pending+c.Running+c.Done+c.Failed+c.Quarantined+c.Cancelled || c.Submitted != len(slides) {
				t.Errorf("%+v do not add up", c)
			}
		}
	}
	for i := range slides {
		if ended[i] != 1 {
			t.Errorf("slide %d ended %d times", i, ended[i])
		}
	}
	for i := range urgent.Slides {
		w.wait(t, urgent, i)
	}
	close(calm)
	for range 3 {
		<-down
	}

	for _, m := range []cohort.Manifest{routine, urgent} {
		list, err := w.ledger.Slides(t.Context(), m.ID, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if (s.State == cohort.Failed) != bad[s.Index] || s.State != cohort.Failed && s.State != cohort.Done {
				t.Errorf("slide %d: %s %+v", s.Index, s.State, s.End.Problem)
			}
		}
	}
	got := results(t, w, routine)
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%d results, %d in a quiet run", len(got), len(want))
	}
	for sha, b := range want {
		if !bytes.Equal(got[sha], b) {
			t.Errorf("result.json of %.8s differs from a quiet run", sha)
		}
	}
	s, err := w.ledger.Summary(t.Context(), dropped.ID)
	if err != nil || s.State != cohort.Cancelled || s.Counts.Pending+s.Counts.Running != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	// Read anew from the store, all is the same.
	before, _ := w.ledger.Summaries(t.Context(), "", true)
	w.ledger.Close()
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue = w.store, w.queue
	again, err := cohort.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	after, _ := again.Summaries(t.Context(), "", true)
	for i := range before {
		if len(after) != len(before) || after[i].ID != before[i].ID || after[i].Counts != before[i].Counts {
			t.Errorf("before %+v, after %+v", before[i].Counts, after[i].Counts)
		}
	}
}
