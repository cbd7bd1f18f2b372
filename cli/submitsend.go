package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/client"
	"bcc/detect"
	"bcc/fault"
)

// sending is how many slides are read and sent at once: two would leave the line empty
// while digests are taken, more fill a disk's queue.
const sending = 4

// sender sends what a sieve passes on.
type sender struct {
	flags  *submitFlags
	client *client.Client
	order  client.Order // without slides
	plan   *sieve       // the list as it was counted
	show   *live
	out    io.Writer

	ids  []string
	left leftOut // refused, or gone since they were counted

	mu    sync.Mutex
	begun time.Time
	told  time.Time
	here  int   // slides that the server has
	bytes int64 // sent
}

// all sends the list, a cohort after the other, and prints their ids.
func (s *sender) all(ctx context.Context, args []string) error {
	s.begun, s.told = time.Now(), time.Now()
	s.left = leftOut{note: s.show.note, why: "the server did not take them, or they could not be read"}
	again := newSieve(args, nil)
	again.seen = s.plan.seen // its memory
	clear(again.seen)
	submitted := 0
	err := again.each(ctx, func(items []detect.Item) error {
		before := s.left.n
		o := s.order
		o.Name = s.flags.nameOf(len(s.ids), s.plan.cohorts)
		var kept []detect.Item
		var err error
		if kept, o.Slides, err = s.slides(ctx, items); err != nil {
			return sendError{err}
		}
		if s.flags.strict && s.left.n > before {
			return sendError{s.left.err()}
		}
		if len(o.Slides) == 0 {
			return nil
		}
		made, err := s.client.Submit(ctx, o)
		if err != nil {
			return sendError{named(err, kept)}
		}
		submitted += len(o.Slides)
		s.ids = append(s.ids, made.ID)
		return s.print(made, len(o.Slides))
	})
	if e, ok := errors.AsType[sendError](err); ok {
		if ctx.Err() == nil && s.plan.slides > submitted {
			return fault.New(fault.Of(e.error), "%d of %s not submitted: %w", s.plan.slides-submitted, slidesAre(s.plan.slides), e.error)
		}
		return e.error
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil // what is wrong with the list was told when it was counted
}

// sendError tells what the server says from what is wrong with the list.
type sendError struct{ error }

func (e sendError) Unwrap() error { return e.error }

// slides returns an order's slides in the order of items, after it has sent what has to
// be sent, and the items that they are.
func (s *sender) slides(ctx context.Context, items []detect.Item) (kept []detect.Item, out []client.OrderSlide, err error) {
	all := make([]client.OrderSlide, len(items))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(sending)
	for i, it := range items {
		if ctx.Err() != nil {
			break
		}
		if s.flags.upload == "never" || detect.IsAddress(it.Path) {
			all[i] = address(it)
			continue
		}
		eg.Go(func() (err error) {
			all[i], err = s.send(ctx, it)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, nil, err
	}
	for i, sl := range all {
		if sl.URL != "" || sl.Upload != "" {
			sl.MPPUM = items[i].MPP.X
			kept, out = append(kept, items[i]), append(out, sl)
		}
	}
	return kept, out, nil
}

// address is a slide that is not sent.
func address(it detect.Item) client.OrderSlide {
	if detect.IsAddress(it.Path) {
		return client.OrderSlide{URL: it.Path} // the server names it: what stands behind a path may be a secret
	}
	path := it.Path
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	return client.OrderSlide{URL: u.String(), Name: called(it)}
}

// called is a slide's name for lists, which a server takes up to 1024 bytes of.
func called(it detect.Item) string { return shorten(it.Name, 250) }

// send makes sure that the server has a file. Without an error and without an upload:
// it is left out.
func (s *sender) send(ctx context.Context, it detect.Item) (client.OrderSlide, error) {
	u, err := s.client.Upload(ctx, it.Path, s.flags.upload == "always")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if !ofSlide(err) || ctx.Err() != nil {
			return client.OrderSlide{}, err
		}
		why := err.Error()
		if hint := fault.HintOf(err); hint != "" {
			why += " (" + hint + ")"
		}
		s.left.add(it, why, fault.Of(err))
		return client.OrderSlide{}, nil
	}
	s.here++
	if u.Sent {
		s.bytes += u.Bytes
	}
	s.progress()
	return client.OrderSlide{Upload: u.SHA256, Name: called(it)}, nil
}

// ofSlide reports whether an error lies in the slide, so that the others may go well.
func ofSlide(err error) bool {
	if errors.Is(err, client.ErrFile) {
		return true
	}
	switch fault.Of(err) {
	case fault.Invalid, fault.Corrupt:
		return !errors.Is(err, client.ErrKey)
	case fault.Unsupported:
		return !errors.Is(err, client.ErrStranger)
	}
	return false
}

// How often is told how far the sending is: on a terminal, and elsewhere.
const (
	drawEvery = 200 * time.Millisecond
	lineEvery = 10 * time.Second
)

// progress tells how far the sending is. The caller holds mu.
func (s *sender) progress() {
	every := lineEvery
	if s.show.is() {
		every = drawEvery
	}
	now := time.Now()
	if now.Sub(s.told) < every {
		return
	}
	s.told = now
	line := fmt.Sprintf("%d of %s with the server, %s sent, %s/s", s.here, slidesAre(s.plan.slides), inBytes(s.bytes), inBytes(int64(float64(s.bytes)/now.Sub(s.begun).Seconds())))
	if s.show.is() {
		s.show.draw("bcc: " + line)
		return
	}
	s.show.note(line)
}

// inBytes is a size as people read it.
func inBytes(n int64) string {
	v, unit := float64(n), "B"
	for _, larger := range []string{"kB", "MB", "GB", "TB"} {
		if v < 1000 {
			break
		}
		v, unit = v/1000, larger
	}
	if unit == "B" || v >= 100 {
		return fmt.Sprintf("%.0f %s", v, unit)
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

// print says that a cohort is submitted: its id alone on standard output, for scripts.
func (s *sender) print(made client.Cohort, n int) error {
	s.show.draw()
	var err error
	if s.flags.json {
		made.Slides, made.Next = nil, nil
		err = json.NewEncoder(s.out).Encode(made)
	} else {
		_, err = fmt.Fprintln(s.out, made.ID)
	}
	if err != nil {
		return unwritten(err)
	}
	s.show.note(fmt.Sprintf("%s submitted as cohort %s", slidesAre(n), made.ID))
	return nil
}

// slideNumber is how a server names a slide of an order.
var slideNumber = regexp.MustCompile(`^slide (\d+): `)

// named adds to what a server says of a slide by its number which one that is.
func named(err error, items []detect.Item) error {
	m := slideNumber.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	i, wrong := strconv.Atoi(m[1])
	if wrong != nil || i >= len(items) {
		return err
	}
	return fault.New(fault.Of(err), "%s: %w", whereOf(items[i]), err)
}
