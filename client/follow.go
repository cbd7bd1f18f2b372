package client

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bcc/fault"
)

// Event is one thing that happened to a cohort: one of the fields is set.
type Event struct {
	Cohort *Cohort // has changed; without its slides
	Slide  *Slide  // has come to its end; once a slide
}

// Follow tells of a cohort until it is over, and returns it as it stands then: of the
// cohort as it changes, and of each slide's end once, those before it began included.
// It listens to the server's events. A stream that breaks off is opened anew with the
// last event's id (Last-Event-ID), at whichever server of the queue answers, and goes on
// where it was; what comes twice all the same is told once. Where no stream can be had
// (a proxy that keeps events back, too many streams) the cohort is looked at every few
// seconds. An error of tell ends it.
func (c *Client) Follow(ctx context.Context, id string, tell func(Event) error) (Cohort, error) {
	f := &following{c: c, id: id, tell: tell}
	var tried time.Time // a stream that said nothing
	for {
		if time.Since(tried) > c.waits.stream {
			heard, err := f.listen(ctx)
			if f.over || err != nil {
				return f.last, err
			}
			if !heard {
				tried = time.Now()
			}
		} else if err := f.look(ctx); f.over || err != nil {
			return f.last, err
		}
		select {
		case <-time.After(c.waits.poll/4 + rand.N(c.waits.poll/2)): // the streams of a server that goes end in one moment
		case <-ctx.Done():
			return f.last, context.Cause(ctx)
		}
	}
}

// following is what one Follow has heard and told.
type following struct {
	c     *Client
	id    string
	tell  func(Event) error
	last  Cohort
	told  []bool // by index: the slide's end
	ended int    // slides with an end, when they were looked at last
	event string // id of the last event
	over  bool
}

// told wraps an error of the caller's own function, which is not tried again.
type tellError struct{ error }

func (e tellError) Unwrap() error { return e.error }

// listen reads one stream to its end. heard says whether anything came.
func (f *following) listen(ctx context.Context) (heard bool, err error) {
	r := request{method: "GET", path: "/cohorts/" + url.PathEscape(f.id) + "/events", header: [][2]string{{"Accept", "text/event-stream"}}}
	if f.event != "" {
		r.header = append(r.header, [2]string{"Last-Event-ID", f.event})
	}
	err = f.c.again(ctx, func() error {
		ctx, cut := context.WithCancelCause(ctx)
		defer cut(nil)
		res, stop, err := f.c.send(ctx, r)
		if e, busy := errors.AsType[*away](err); busy && e.busy {
			return nil // too many streams: the cohort can be looked at all the same
		}
		if err != nil {
			return err
		}
		defer stop()
		body := newMoving(res.Body, f.c.cfg.Silence, func() { cut(errStalled) })
		defer body.Close()
		if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
			return f.c.stranger("its events are none")
		}
		err = readEvents(body, func(name, id string, data []byte) error {
			heard = true
			err := f.take(name, data)
			if err == nil && id != "" {
				f.event = id
			}
			return err
		})
		if e, ok := errors.AsType[tellError](err); ok {
			return e.error
		}
		return nil // it broke off: whoever asks next hears whether the server is there
	})
	return heard, err
}

// take tells one event of the stream.
func (f *following) take(name string, data []byte) error {
	switch name {
	case "cohort", "end":
		var c Cohort
		if err := json.Unmarshal(data, &c); err != nil {
			return err
		}
		if f.last = c; name == "end" {
			f.over = true
		}
		return f.say(Event{Cohort: &c})
	case "slide":
		var s Slide
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		return f.slide(s)
	}
	return nil
}

// look asks for the cohort, and for its slides where more have ended.
func (f *following) look(ctx context.Context) error {
	now, err := f.c.Cohort(ctx, f.id)
	if err != nil {
		return err
	}
	changed := now.Counts != f.last.Counts || now.Patches != f.last.Patches
	ended := now.Counts.Submitted - now.Counts.Pending - now.Counts.Running
	f.last = now
	if ended > f.ended {
		for s, err := range f.c.Slides(ctx, f.id) {
			if err == nil && s.Final() {
				err = f.slide(s)
			}
			if e, ok := errors.AsType[tellError](err); ok {
				return e.error
			} else if err != nil {
				return err
			}
		}
		f.ended = ended
	}
	f.over = now.Over()
	if changed || f.over {
		if e, ok := errors.AsType[tellError](f.say(Event{Cohort: &now})); ok {
			return e.error
		}
	}
	return nil
}

// slide tells of a slide's end, once.
func (f *following) slide(s Slide) error {
	_, digits, _ := strings.Cut(s.ID, "-")
	i, err := strconv.Atoi(digits)
	if err != nil || i < 0 || i > maxIndex {
		return fault.New(fault.Unsupported, "the server speaks of a slide that is none")
	}
	for len(f.told) <= i {
		f.told = append(f.told, make([]bool, i+1-len(f.told))...)
	}
	if f.told[i] {
		return nil
	}
	f.told[i] = true
	return f.say(Event{Slide: &s})
}

const maxIndex = 1 << 24 // far above any cohort: an answer must not fill the memory

func (f *following) say(e Event) error {
	if err := f.tell(e); err != nil {
		return tellError{err}
	}
	return nil
}
