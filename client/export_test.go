package client

import "time"

// Brisk makes a client wait for hundredths of seconds where it would for seconds, but for
// what a server says.
func (c *Client) Brisk() {
	c.waits.first, c.waits.most, c.waits.poll = 20*time.Millisecond, 100*time.Millisecond, 40*time.Millisecond
}
