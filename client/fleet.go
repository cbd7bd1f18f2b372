package client

import "context"

// Fleet returns what is to be done by when, and which workers are there.
func (c *Client) Fleet(ctx context.Context) (f Fleet, err error) {
	err = c.ask(ctx, request{method: "GET", path: "/autoscale"}, &f)
	if err == nil && f.Timestamp.IsZero() {
		err = c.stranger("it says nothing of its fleet")
	}
	return f, err
}

// Want tells the server how many workers there should be, so that its page and metrics
// show it. The server forgets it after some minutes, and does nothing about it.
func (c *Client) Want(ctx context.Context, w Wish) error {
	r, err := request{method: "PUT", path: "/autoscale"}.withJSON(w)
	if err != nil {
		return err
	}
	return c.ask(ctx, r, nil)
}
