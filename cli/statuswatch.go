package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"bcc/client"
	"bcc/fault"
)

// watching shows one cohort, once or to its end.
type watching struct {
	client *client.Client
	json   bool
	std    Streams
	show   *live

	mu      sync.Mutex
	now     statusJSON
	machine bool     // is known
	wanted  int      // workers, by an autoscaler
	unwell  []string // what is not as it should be with server and workers, in words
	said    client.Counts
	at      time.Time // when something was said last
}

// statusJSON is a line of --json: a cohort, and those of its slides that came to no
// result.
type statusJSON struct {
	client.Cohort
	PatchesPerS float64        `json:"patches_per_s"` // of all workers, for all cohorts
	Workers     int            `json:"workers"`
	Lost        []client.Slide `json:"lost"`      // the first toldSlides
	LostMore    int            `json:"lost_more"` // beyond them
	worst       *client.Slide  // of those that came to no result, the first of the cohort
}

// once prints how the cohort stands.
func (w *watching) once(ctx context.Context, id string) error {
	c, err := w.client.Cohort(ctx, id)
	if err != nil {
		return err
	}
	w.take(c)
	w.ask(ctx)
	if want := c.Counts.Failed + c.Counts.Quarantined; want > 0 {
		for s, err := range w.client.Slides(ctx, id) {
			if err != nil {
				return err
			}
			w.lost(s)
			if have := len(w.now.Lost); have == want || have == toldSlides {
				w.now.LostMore = want - have
				break
			}
		}
	}
	return w.print(w.std.Out)
}

// wait follows the cohort to its end. Its error is that of the first slide that is not
// done.
func (w *watching) wait(ctx context.Context, id string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop()
	beside.Go(func() { w.askOn(ctx) })
	_, err := w.client.Follow(ctx, id, func(e client.Event) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case e.Slide != nil:
			if w.lost(*e.Slide) && !w.json && !w.show.is() && len(w.now.Lost) <= toldSlides && w.now.LostMore == 0 {
				w.show.note(lostLine(*e.Slide))
			}
		case e.Cohort != nil:
			w.take(*e.Cohort)
			return w.tell()
		}
		return nil
	})
	w.show.draw()
	if ctx.Err() != nil {
		w.show.note(fmt.Sprintf("the cohort %s goes on without you; bcc cancel %s ends it", id, id))
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.json {
		if err := w.print(w.std.Out); err != nil {
			return err
		}
	}
	return w.verdict()
}

// take puts what the server says of the cohort in place of what it said before.
func (w *watching) take(c client.Cohort) {
	c.Slides, c.Next = nil, nil
	w.now.Cohort = c
}

// lost notes a slide that came to no result, and reports whether it did.
func (w *watching) lost(s client.Slide) bool {
	if s.State != "failed" && s.State != "quarantined" {
		return false
	}
	if w.now.worst == nil || byIndex(s, *w.now.worst) < 0 {
		w.now.worst = &s
	}
	if len(w.now.Lost) == toldSlides {
		w.now.LostMore++
		return true
	}
	w.now.Lost = append(w.now.Lost, s)
	return true
}

// byIndex is the order of the cohort: its slides' ids end in their numbers.
func byIndex(a, b client.Slide) int {
	return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
}

// How often the machine is asked for, and lines are written that nobody waits for.
const (
	askEvery  = 2 * time.Second
	sayEvery  = 10 * time.Second
	barLength = 40
)

// ask asks how many workers there are and how fast they work. What a server of another
// version does not say is left away.
func (w *watching) ask(ctx context.Context) {
	m, err := w.client.Once().Machine(ctx)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.machine, w.now.PatchesPerS, w.now.Workers, w.unwell = true, m.PatchesPerS, m.Workers.Present, m.Degraded
	w.wanted = m.Workers.Wanted
}

func (w *watching) askOn(ctx context.Context) {
	for {
		w.ask(ctx)
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return
		}
	}
}

// tell says what has changed: a block on a terminal, a line now and then elsewhere.
func (w *watching) tell() error {
	switch {
	case w.json:
		return w.print(w.std.Out)
	case w.show.is():
		w.show.draw(w.block()...)
	case w.now.Counts != w.said && (time.Since(w.at) > sayEvery || w.said == client.Counts{}):
		w.said, w.at = w.now.Counts, time.Now()
		w.show.note(w.progress())
	}
	return nil
}

// print prints all that is known.
func (w *watching) print(out io.Writer) error {
	if w.json {
		v := w.now
		if v.Lost == nil {
			v.Lost = []client.Slide{}
		}
		if err := json.NewEncoder(out).Encode(v); err != nil {
			return unwritten(err)
		}
		return nil
	}
	for _, line := range w.block() {
		if _, err := io.WriteString(out, fitted(line+"\n", columnsOf(out))); err != nil {
			return unwritten(err)
		}
	}
	return nil
}

// verdict is the error of a cohort that is over: nil where all is done.
func (w *watching) verdict() error {
	n := w.now.Counts
	if n.Done == n.Submitted {
		return nil
	}
	kind := fault.Internal
	if s := w.now.worst; s != nil && s.State == "failed" && s.Error != nil {
		kind = client.KindOf(s.Error.Code)
	}
	err := fault.New(kind, "%d of %s not done", n.Submitted-n.Done, slides(n.Submitted))
	if n.Failed+n.Quarantined == 0 {
		return fault.Hint(err, "the cohort was cancelled; bcc retry --cancelled %s takes them up again", w.now.ID)
	}
	return fault.Hint(err, "bcc retry %s tries them again, when what is wrong is mended", w.now.ID)
}

// lostFirst are the slides to show, those of the cohort's beginning first.
func (w *watching) lostFirst() []client.Slide {
	return slices.SortedFunc(slices.Values(w.now.Lost), byIndex)
}
