package server

import (
	"encoding/json"
	"net/http"
	"time"

	"bcc/cohort"
)

// events answers GET /cohorts/{id}/events: what happens to a cohort, as server-sent
// events. Each stream tells of every slide's end once, those before it began
// included, and closes with the event end; one that is cut off before can be opened
// anew.
func (s *Server) events(c *call) error {
	id, err := c.cohortID()
	if err != nil {
		return err
	}
	if !s.streams.take(1) {
		s.metrics.refused.WithLabelValues("streams").Inc()
		return later(5*time.Second, "", "too many open event streams")
	}
	defer s.streams.give(1)
	happens, err := s.cfg.Ledger.Follow(c.Context(), id)
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	if c.Method == http.MethodHead {
		writer{c}.WriteHeader(http.StatusOK)
		return nil
	}
	t := &stream{c: c, id: id, w: writer{c}}
	if err := t.run(happens); err != nil {
		return nil // the client went away, or is too slow: nobody is there to be told
	}
	return nil
}

// stream writes one client's events.
type stream struct {
	c    *call
	id   string
	w    writer
	told []bool // by index: the slide's end
}

func (t *stream) run(happens <-chan cohort.Event) error {
	beat := time.NewTicker(t.c.s.cfg.Heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case e, more := <-happens:
			if !more {
				return t.end()
			}
			err = t.tell(e)
		case <-beat.C:
			err = t.raw(": still here\n\n")
		case <-t.c.s.draining:
			return t.raw(": the server is shutting down\n\n")
		case <-t.c.Context().Done():
			return t.c.Context().Err()
		}
		if err != nil {
			return err
		}
	}
}

func (t *stream) tell(e cohort.Event) error {
	switch {
	case e.Kind == cohort.EventSnapshot && e.Summary != nil:
		if err := t.event("cohort", newCohort(*e.Summary)); err != nil {
			return err
		}
		return t.catchUp(e.Summary.Counts.Submitted)
	case e.Kind == cohort.EventCohort && e.Summary != nil:
		return t.event("cohort", newCohort(*e.Summary))
	case e.Kind == cohort.EventProgress && e.Slide != nil:
		return t.event("progress", progressJSON{e.Slide.ID, e.Slide.State, e.Slide.Planned, e.Slide.Scored})
	case e.Kind == cohort.EventSlide && e.Slide != nil:
		return t.slide(*e.Slide)
	}
	return nil
}

type progressJSON struct {
	ID          string       `json:"id"`
	State       cohort.State `json:"state"`
	Patches     int          `json:"patches"`
	PatchesDone int          `json:"patches_done"`
}

// catchUp tells the ends that single events left out.
func (t *stream) catchUp(slides int) error {
	for at := 0; at < slides; {
		page, err := t.c.s.cfg.Ledger.Slides(t.c.Context(), t.id, at, defaultPage)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		for _, st := range page {
			if st.State.Final() {
				if err := t.slide(st); err != nil {
					return err
				}
			}
		}
		at += len(page)
	}
	return nil
}

func (t *stream) slide(st cohort.Status) error {
	for len(t.told) <= st.Index {
		t.told = append(t.told, make([]bool, st.Index+1-len(t.told))...)
	}
	if t.told[st.Index] {
		return nil
	}
	t.told[st.Index] = true
	return t.event("slide", newSlide(st))
}

// end says that nothing comes any more, where that is so.
func (t *stream) end() error {
	sum, err := t.c.s.cfg.Ledger.Summary(t.c.Context(), t.id)
	if err != nil || sum.Counts.Pending+sum.Counts.Running > 0 {
		return t.raw(": the server is shutting down\n\n")
	}
	return t.event("end", newCohort(sum))
}

func (t *stream) event(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b := make([]byte, 0, len(data)+32)
	b = append(append(append(b, "event: "...), name...), "\ndata: "...)
	b = append(append(b, data...), "\n\n"...)
	return t.raw(string(b))
}

func (t *stream) raw(s string) error {
	if t.c.status == 0 {
		t.w.WriteHeader(http.StatusOK)
	}
	if _, err := t.w.Write([]byte(s)); err != nil {
		return err
	}
	return t.c.rc.Flush()
}
