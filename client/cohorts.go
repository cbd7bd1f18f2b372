package client

import (
	"context"
	"crypto/rand"
	"iter"
	"net/url"
	"strconv"
)

// Submit submits a cohort. It is sent again where no answer came, under one
// Idempotency-Key, so that the server makes one cohort of it.
func (c *Client) Submit(ctx context.Context, o Order) (Cohort, error) {
	r, err := request{method: "POST", path: "/cohorts", header: once()}.withJSON(o)
	if err != nil {
		return Cohort{}, err
	}
	return c.cohort(ctx, r)
}

// Retry submits the slides of a cohort anew that ended in one of the states; none
// named: failed and quarantined. It returns the new cohort.
func (c *Client) Retry(ctx context.Context, id string, states ...string) (Cohort, error) {
	body := struct {
		States []string `json:"states,omitempty"`
	}{states}
	r, err := request{method: "POST", path: "/cohorts/" + url.PathEscape(id) + "/retry", header: once()}.withJSON(body)
	if err != nil {
		return Cohort{}, err
	}
	return c.cohort(ctx, r)
}

// once is the header of a request that is done once however often it is sent.
func once() [][2]string { return [][2]string{{"Idempotency-Key", rand.Text()}} }

// Cohort returns a cohort without its slides.
func (c *Client) Cohort(ctx context.Context, id string) (Cohort, error) {
	return c.page(ctx, id, 0, 0)
}

// Cancel ends a cohort: what has not come to its end does not any more.
func (c *Client) Cancel(ctx context.Context, id string) (Cohort, error) {
	return c.cohort(ctx, request{method: "DELETE", path: "/cohorts/" + url.PathEscape(id)})
}

// SetCap says what a cohort may cost, USD; nil: whatever it does.
func (c *Client) SetCap(ctx context.Context, id string, usd *float64) (Cohort, error) {
	body := struct {
		CapUSD *float64 `json:"cap_usd"`
	}{usd}
	r, err := request{method: "PATCH", path: "/cohorts/" + url.PathEscape(id)}.withJSON(body)
	if err != nil {
		return Cohort{}, err
	}
	return c.cohort(ctx, r)
}

// Cohorts returns the caller's cohorts without their slides, the newest first, a
// thousand at most.
func (c *Client) Cohorts(ctx context.Context) ([]Cohort, error) {
	var all struct {
		Cohorts []Cohort `json:"cohorts"`
	}
	err := c.ask(ctx, request{method: "GET", path: "/cohorts"}, &all)
	return all.Cohorts, err
}

// pageSlides is how many slides are asked for at once.
const pageSlides = 1000

// Slides yields the slides of a cohort in its order, read page by page.
func (c *Client) Slides(ctx context.Context, id string) iter.Seq2[Slide, error] {
	return func(yield func(Slide, error) bool) {
		for at := 0; ; {
			page, err := c.page(ctx, id, at, pageSlides)
			if err != nil {
				yield(Slide{}, err)
				return
			}
			for _, s := range page.Slides {
				if !yield(s, nil) {
					return
				}
			}
			if page.Next == nil || *page.Next <= at {
				return
			}
			at = *page.Next
		}
	}
}

func (c *Client) page(ctx context.Context, id string, offset, limit int) (Cohort, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if offset > 0 {
		q.Set("offset", strconv.Itoa(offset))
	}
	return c.cohort(ctx, request{method: "GET", path: "/cohorts/" + url.PathEscape(id), query: q})
}

func (c *Client) cohort(ctx context.Context, r request) (out Cohort, err error) {
	err = c.ask(ctx, r, &out)
	if err == nil && out.ID == "" {
		err = c.stranger("its answer is no cohort")
	}
	return out, err
}

// Health returns nil where the server answers.
func (c *Client) Health(ctx context.Context) error {
	var h struct {
		Status string `json:"status"`
	}
	if err := c.ask(ctx, request{method: "GET", path: "/health"}, &h); err != nil {
		return err
	}
	if h.Status != "healthy" {
		return c.stranger("it says nothing of its health")
	}
	return nil
}

// Machine returns how many workers there are and how fast they work.
func (c *Client) Machine(ctx context.Context) (m Machine, err error) {
	err = c.ask(ctx, request{method: "GET", path: "/machine"}, &m)
	return m, err
}
