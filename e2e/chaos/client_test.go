//go:build e2e

package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// client submits slides and cohorts as somebody does who repeats what was not
// answered, and remembers what was.
type client struct {
	d    *diary
	base string
	http *http.Client

	mu      sync.Mutex
	cohorts map[string]order // by id: what the server has answered for
	late    int              // orders that are on their way
}

func newClient(d *diary, base string) *client {
	return &client{d: d, base: base, http: &http.Client{Timeout: 60 * time.Second}, cohorts: map[string]order{}}
}

// counts is where a cohort's slides stand.
type counts struct {
	Submitted, Pending, Running, Done, Failed, Quarantined, Cancelled int
}

func (c counts) sum() int {
	return c.Pending + c.Running + c.Done + c.Failed + c.Quarantined + c.Cancelled
}

// cohort is a cohort as the server tells of it.
type cohort struct {
	ID, Name, State string
	Counts          counts
	Slides          []slide
	Next            *int
}

// slide is a slide of it.
type slide struct {
	ID, Name, State, SHA256 string
	Degraded                []string
	Error                   *struct{ Message string }
}

// refusal is an answer that says no.
type refusal struct {
	status int
	body   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s", r.status, r.body) }

// call asks once.
func (c *client) call(ctx context.Context, method, path, kind string, body []byte, v any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return &refusal{res.StatusCode, string(b)}
	}
	return json.Unmarshal(b, v)
}

// patiently asks until there is an answer: while the server or what stands behind it
// is away.
func (c *client) patiently(ctx context.Context, what string, f func() error) error {
	for tries := 1; ; tries++ {
		err := f()
		if err == nil {
			return nil
		}
		no := (*refusal)(nil)
		if errors.As(err, &no) && no.status != http.StatusServiceUnavailable && no.status != http.StatusTooManyRequests && no.status != http.StatusBadGateway {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ctx.Err() != nil || tries > 2000 {
			return fmt.Errorf("%s, tried %d times: %w", what, tries, err)
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// submit sends the slides of an order and then the order.
func (c *client) submit(ctx context.Context, o order) error {
	c.mu.Lock()
	c.late++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.late--
		c.mu.Unlock()
	}()
	begun := time.Now()
	var sending errgroup.Group
	sending.SetLimit(4)
	for _, it := range o.items {
		sending.Go(func() error { return c.upload(ctx, it) })
	}
	if err := sending.Wait(); err != nil {
		return err
	}
	type one struct {
		Upload string `json:"upload"`
		Name   string `json:"name"`
	}
	sent := struct {
		Name     string `json:"name"`
		Priority string `json:"priority"`
		Slides   []one  `json:"slides"`
	}{Name: o.name, Priority: o.priority}
	for _, it := range o.items {
		sent.Slides = append(sent.Slides, one{it.sha256, it.name})
	}
	body, err := json.Marshal(sent)
	if err != nil {
		return err
	}
	var made cohort
	err = c.patiently(ctx, "submit "+o.name, func() error {
		// A server that was killed has forgotten whom it did not answer: it may have done
		// what it was asked for.
		var all struct{ Cohorts []cohort }
		if err := c.call(ctx, "GET", "/cohorts", "", nil, &all); err != nil {
			return err
		}
		for _, there := range all.Cohorts {
			if there.Name == o.name && there.State != "cancelled" { // what it could not keep it has withdrawn
				made = there
				return nil
			}
		}
		return c.call(ctx, "POST", "/cohorts", "application/json", body, &made)
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.cohorts[made.ID] = o
	c.mu.Unlock()
	c.d.note("%s (%s, %d slides) is submitted after %.1f s", o.name, o.priority, len(o.items), time.Since(begun).Seconds())
	if !o.cancel {
		return nil
	}
	pause(ctx, time.Second)
	err = c.patiently(ctx, "cancel "+o.name, func() error { return c.call(ctx, "DELETE", "/cohorts/"+made.ID, "", nil, &made) })
	c.d.note("%s is cancelled: %+v", o.name, made.Counts)
	return err
}

func (c *client) upload(ctx context.Context, it item) error {
	b, err := os.ReadFile(it.path)
	if err != nil {
		return err
	}
	var answer struct{ Upload string }
	err = c.patiently(ctx, "upload "+it.name, func() error {
		return c.call(ctx, "POST", "/slides", "application/octet-stream", b, &answer)
	})
	if err == nil && answer.Upload != it.sha256 {
		err = fmt.Errorf("upload %s: the server took it for %s", it.name, answer.Upload)
	}
	return err
}

// known returns what was answered for.
func (c *client) known() map[string]order {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]order{}
	for id, o := range c.cohorts {
		all[id] = o
	}
	return all
}

// wait waits until all that was submitted is over.
func (c *client) wait(ctx context.Context) error {
	for {
		open, err := c.open(ctx)
		if err == nil && len(open) == 0 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("open: %v (%w)", open, errors.Join(err, ctx.Err()))
		}
		pause(ctx, 500*time.Millisecond)
	}
}

// open returns the cohorts that are not over, in words.
func (c *client) open(ctx context.Context) (open []string, err error) {
	for id, o := range c.known() {
		var now cohort
		if err := c.call(ctx, "GET", "/cohorts/"+id+"?limit=0", "", nil, &now); err != nil {
			return open, err
		}
		if now.Counts.Pending+now.Counts.Running > 0 {
			open = append(open, fmt.Sprintf("%s %+v", o.name, now.Counts))
		}
	}
	return open, nil
}

// account returns every cohort with its slides.
func (c *client) account(t *testing.T) map[string]cohort {
	t.Helper()
	all := map[string]cohort{}
	for id := range c.known() {
		var now cohort
		err := until(t.Context(), 30*time.Second, func() error {
			now = cohort{}
			return c.call(t.Context(), "GET", "/cohorts/"+id+"?limit=10000", "", nil, &now)
		})
		if err != nil {
			t.Fatalf("cohort %s was answered for and cannot be had: %v", id, err)
		}
		all[id] = now
	}
	return all
}

// watch looks at the account every second, whenever the server answers: each cohort's
// sum is what was submitted, and what has ended has ended. It ends by stop; then what
// was wrong comes.
func watch(ctx context.Context, d *diary, c *client) (wrong <-chan []string, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan []string, 1)
	go func() {
		var found []string
		say := func(format string, args ...any) {
			found = append(found, fmt.Sprintf(format, args...))
			d.note("WRONG: "+format, args...)
		}
		before := map[string]counts{}
		looks, last := 0, time.Time{}
		for ctx.Err() == nil {
			var all struct{ Cohorts []cohort }
			known := c.known() // before the question: all of these have to be in the answer
			if c.call(ctx, "GET", "/cohorts", "", nil, &all) == nil {
				looks++
				seen := map[string]bool{}
				var total counts
				for _, now := range all.Cohorts {
					seen[now.ID] = true
					n, was := now.Counts, before[now.ID]
					total.Pending, total.Running, total.Done = total.Pending+n.Pending, total.Running+n.Running, total.Done+n.Done
					total.Failed, total.Quarantined, total.Cancelled = total.Failed+n.Failed, total.Quarantined+n.Quarantined, total.Cancelled+n.Cancelled
					if o, ok := known[now.ID]; n.sum() != n.Submitted || ok && n.Submitted != len(o.items) {
						say("cohort %s does not add up: %+v", now.Name, n)
					}
					if n.Done < was.Done || n.Failed < was.Failed || n.Quarantined < was.Quarantined || n.Cancelled < was.Cancelled {
						say("cohort %s: ends are taken back: %+v, then %+v", now.Name, was, n)
					}
					before[now.ID] = n
				}
				for id, o := range known {
					if !seen[id] {
						say("cohort %s (%s) was answered for and is not there", o.name, id)
					}
				}
				if time.Since(last) > 5*time.Second && len(all.Cohorts) > 0 {
					last = time.Now()
					d.note("  %d pending, %d running, %d done, %d failed, %d quarantined, %d cancelled", total.Pending, total.Running, total.Done, total.Failed, total.Quarantined, total.Cancelled)
				}
			}
			pause(ctx, time.Second)
		}
		d.note("the account was looked at %d times", looks)
		out <- found
	}()
	return out, cancel
}
