package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bcc/cohort"
)

// events answers GET /cohorts/{id}/events: what happens to a cohort, as server-sent
// events. Each stream tells of every slide's end once, those before it began
// included, and closes with the event end. One that is cut off before can be opened
// anew, here or at another server of the ledger: with the last id that came as
// Last-Event-ID it begins where the other was, and leaves out no end.
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
	t := &stream{c: c, id: id, w: writer{c}, next: lastEvent(c.Request)}
	if err := t.run(happens); err != nil {
		return nil // the client went away, or is too slow: nobody is there to be told
	}
	return nil
}

// lastEvent reads the id of the last event that a client has; 0: none. Ids of others
// are none, as the standard has it that a client sends back what it was given.
func lastEvent(r *http.Request) int {
	n, err := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// stream writes one client's events. The id of an event is next: it holds of every
// server, needs nothing kept, and an end is told twice rather than never.
type stream struct {
	c    *call
	id   string
	w    writer
	next int          // the ends of all slides before this index are told
	told map[int]bool // by index, from next on: the slide's end
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
	for at := t.next; at < slides; {
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
	if st.Index < t.next || t.told[st.Index] {
		return nil
	}
	if t.told == nil {
		t.told = map[int]bool{}
	}
	for t.told[st.Index] = true; t.told[t.next]; t.next++ {
		delete(t.told, t.next)
	}
	return t.event("slide", newSlide(st), "id: "+strconv.Itoa(t.next)+"\n")
}

// end says that nothing comes any more, where that is so.
func (t *stream) end() error {
	sum, err := t.c.s.cfg.Ledger.Summary(t.c.Context(), t.id)
	if err != nil || sum.Counts.Pending+sum.Counts.Running > 0 {
		return t.raw(": the server is shutting down\n\n")
	}
	return t.event("end", newCohort(sum))
}

func (t *stream) event(name string, v any, lines ...string) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.raw("event: " + name + "\n" + strings.Join(lines, "") + "data: " + string(data) + "\n\n")
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
