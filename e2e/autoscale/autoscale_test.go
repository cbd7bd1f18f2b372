//go:build e2e

// Package autoscale drives the built program through what a laboratory's day asks of an
// autoscaler: waves of slides, and an autoscaler that dies in between.
package autoscale

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

const (
	most = 3               // workers that there may be
	long = 4 * time.Minute // on a machine that does much else
)

func TestAutoscale(t *testing.T) {
	h := newHouse(t)
	w := h.watch(t)

	first := h.autoscaler(t, "first", 0)
	first.says(t, "msg=leads")
	t.Log("a wave of routine slides")
	h.submit(t, "wave-1", "routine", h.wave)
	w.until(t, "several workers are at work", func(n int) bool { return n >= 2 })

	t.Log("the autoscaler is killed; another on the same folder finds its workers, a third stands by")
	first.kill(t)
	before := h.workers(t)
	second := h.autoscaler(t, "second", 0)
	second.says(t, "workers found")
	second.says(t, "msg=leads")
	third := h.autoscaler(t, "third", 0)
	third.says(t, "msg=autoscaler")
	for id := range before {
		if now, ok := h.workers(t)[id]; ok && now != before[id] {
			t.Errorf("worker %s is another process now", id)
		}
	}

	t.Log("slides come one by one while the fleet shrinks: one may reach a worker in the moment in which it is ended")
	h.wait(t)
	for i := range 6 {
		h.submit(t, fmt.Sprint("one-", i), "routine", 1)
		time.Sleep(700 * time.Millisecond)
	}
	h.wait(t)
	w.until(t, "no worker is left", func(n int) bool { return n == 0 })
	if third.said("worker started") || third.said("worker asked to end") {
		t.Error("who stood by did something")
	}

	t.Log("a wave of urgent slides; the leader is killed, who stood by goes on")
	h.submit(t, "wave-2", "urgent", h.wave)
	w.until(t, "several workers are at work", func(n int) bool { return n >= 2 })
	second.kill(t)
	third.says(t, "msg=leads")
	h.wait(t)
	w.until(t, "no worker is left", func(n int) bool { return n == 0 })
	if code := third.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("the autoscaler ended with %d", code)
	}

	t.Log("workers end with their autoscaler where that is asked for")
	last := h.autoscaler(t, "last", 1, "--stop-workers")
	w.until(t, "a worker is there for nothing", func(n int) bool { return n == 1 })
	if code := last.end(t, syscall.SIGTERM); code != 0 || len(h.workers(t)) != 0 {
		t.Errorf("the autoscaler ended with %d and left %d workers", code, len(h.workers(t)))
	}

	w.stop()
	h.check(t)
	t.Logf("workers over time: %s", w.story())
}
