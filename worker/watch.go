package worker

import (
	"context"
	"encoding/json"
	"time"

	"bcc/queue"
)

// watch offers shards to others and learns of those that are made, until all are
// there.
func (c *conductor) watch(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		c.mu.Lock()
		changed, failed := c.changed, c.failed
		c.mu.Unlock()
		if failed != nil {
			return failed
		}
		if err := c.look(ctx); err != nil {
			return err
		}
		if c.left() == 0 {
			return nil
		}
		c.offer(ctx)
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// hear takes down what others say about the slide's shards.
func (c *conductor) hear(_ string, data []byte) {
	var word partWord
	if json.Unmarshal(data, &word) != nil {
		return
	}
	c.mu.Lock()
	c.said[word.Key] = word.What
	c.mu.Unlock()
	c.change()
}

// look reads the shards that are said to be made, and now and then asks for those
// that are out: a word may be lost.
func (c *conductor) look(ctx context.Context) error {
	var read []int
	now := time.Now()
	c.mu.Lock()
	for i := range c.shards {
		sh := &c.shards[i]
		if sh.there {
			continue
		}
		switch what := c.said[sh.key]; {
		case what == partDone, sh.out() && now.Sub(sh.asked) >= askEvery:
			sh.asked = now
			read = append(read, i)
		case what == partBegun && !sh.mine: // maybe offered by the conductor before us
			sh.since, sh.asked, sh.offers, sh.taken = now, now, max(sh.offers, 1), true
		}
		delete(c.said, sh.key)
	}
	c.mu.Unlock()
	for _, i := range read {
		r, err := c.w.lookUp(ctx, c.shards[i].key, c.shards[i].Len())
		if err != nil {
			return err
		}
		if r != nil {
			c.there(i, r, true)
		}
	}
	return nil
}

// offer puts shards on the queue for others where the standing says so. What cannot
// be put is made here.
func (c *conductor) offer(ctx context.Context) {
	if time.Now().Before(c.quiet) {
		return
	}
	c.mu.Lock()
	s := c.standing()
	s.idle = true
	some := len(s.offer()) > 0
	c.mu.Unlock()
	if !some {
		return
	}
	idle := c.urgent() || c.w.nothingWaits(ctx)

	c.mu.Lock()
	s = c.standing()
	s.idle = idle
	out := s.offer()
	jobs := make([]queue.Job, 0, len(out))
	for _, i := range out {
		jobs = append(jobs, c.partJob(i, s.remains(i)))
	}
	c.mu.Unlock()
	if len(jobs) == 0 {
		return
	}
	if err := c.w.queue.Put(ctx, jobs...); err != nil {
		c.log.Warn("offer shards to other workers", "shards", len(jobs), "error", err)
		c.quiet = time.Now().Add(lateUnknown)
		return
	}
	c.w.metrics.offers.WithLabelValues(string(jobs[0].Lane)).Add(float64(len(jobs)))
	now := time.Now()
	c.mu.Lock()
	c.dry = false
	for _, i := range out {
		c.shards[i].offers++
		c.shards[i].since = now // asked stays: who makes it here after all looks first whether it is there
	}
	c.mu.Unlock()
}

// help takes one thing that was offered, of whatever slide, and does it. It waits no
// longer than until this slide needs the hand again. An error is one of this slide.
func (c *conductor) help(ctx context.Context) error {
	if c.w.draining.Load() { // what it has offered it makes itself, where nobody has begun it
		c.mu.Lock()
		c.dry = true
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-time.After(lookEvery):
		case <-ctx.Done():
		}
		return nil
	}
	take, stop := context.WithTimeout(ctx, lookEvery)
	defer stop()
	l, err := c.w.queue.Take(take, c.job.parts...)
	c.mu.Lock()
	c.dry = err != nil
	c.mu.Unlock()
	if err != nil {
		if take.Err() == nil {
			c.log.Warn("take a shard of another", "error", err)
			sleep(take, lookEvery)
		}
		return nil
	}
	if i, ours := c.ours(l.Data); ours { // a hint that reached whom it came from
		c.w.told(c.log, l.Done(c.job.slot))
		c.mu.Lock()
		claimed := c.claim(i)
		c.mu.Unlock()
		if claimed {
			return c.make(ctx, i)
		}
		return nil
	}
	c.w.part(c.job.slot, l) // to its end, also when this slide is through
	return nil
}

// ours returns which shard of this slide a part job asks for.
func (c *conductor) ours(data []byte) (i int, ok bool) {
	var p struct {
		Key string `json:"key"`
	}
	if json.Unmarshal(data, &p) != nil {
		return 0, false
	}
	for i := range c.shards {
		if c.shards[i].key == p.Key { // keys do not change: no lock
			return i, true
		}
	}
	return 0, false
}
