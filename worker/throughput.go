package worker

import (
	"math"
	"sync"
	"time"
)

// capacity is how many patches a second the worker scores while it has something to do:
// what another hour of such a worker is worth. Reading, surveys and writing are in that
// time, waiting for work or for other workers' shards is not. The zero value is ready.
type capacity struct {
	mu      sync.Mutex
	patches int64         // at the last mark
	busy    time.Duration // at the last mark
	mean    float64       // patches a second
	weight  float64       // seconds that stand behind the mean, the older ones less
}

// Of older time less and less counts; below capacityLeast nothing is said.
const (
	capacityTau   = 2 * time.Minute // of time in which there was something to do
	capacityLeast = time.Second
)

// mark takes down how many patches there were up to now, and in how much time.
func (c *capacity) mark(patches int64, busy time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	took := (busy - c.busy).Seconds()
	if took <= 0 {
		return
	}
	kept := c.weight * math.Exp(-took/capacityTau.Seconds())
	c.mean = (c.mean*kept + float64(patches-c.patches)) / (kept + took)
	c.weight = kept + took
	c.patches, c.busy = patches, busy
}

// rate returns it; 0 where nothing is known.
func (c *capacity) rate() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.weight < capacityLeast.Seconds() {
		return 0
	}
	return c.mean
}
