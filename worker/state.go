package worker

import (
	"context"
	"os"
	"sync"
	"time"

	"bcc/cohort"
)

// helloEvery is how often a worker says that it is there; after 15 s without a word
// it counts as gone.
const helloEvery = 5 * time.Second

// State is how the worker is now.
func (w *Worker) State() cohort.WorkerState {
	host, _ := os.Hostname() // a machine without a name has none to tell
	s := cohort.WorkerState{
		ID: w.cfg.ID, Kind: w.cfg.Kind, Host: host,
		Devices: append([]string{}, w.model.Devices...), Runners: w.model.Runners,
		Jobs: int(w.slots.Load()), Busy: w.share.walking(), PatchesPerS: w.pace.rate(),
		CapacityPatchesPerS: w.capacity.rate(), Draining: w.draining.Load(),
		Started: w.started, Seen: time.Now().UTC(),
		Degraded: append([]string{}, w.model.words()...),
		Version:  w.model.Detect.Program.Version,
		Model:    w.model.Detect.Model.Name + " " + w.model.Detect.Model.Version, ModelSHA256: w.model.Detect.Model.SHA256,
	}
	if w.cfg.RSS != nil {
		s.RSSBytes = w.cfg.RSS()
	}
	if w.cfg.CPU != nil {
		s.CPUPercent = w.cfg.CPU()
	}
	if time.Since(time.Unix(0, w.away.Load())) < awayFor {
		s.Degraded = append(s.Degraded, awayWords)
	}
	if time.Since(time.Unix(0, w.astray.Load())) < awayFor {
		s.Degraded = append(s.Degraded, astrayWords)
	}
	if w.cfg.Room != nil {
		switch room := w.cfg.Room(); {
		case room == 0:
			s.Degraded = append(s.Degraded, "memory is nearly full: nothing new is taken until there is more")
		case room < s.Jobs:
			s.Degraded = append(s.Degraded, "memory is tight: fewer patches and slides at a time")
		}
	}
	switch w.level(time.Now()) {
	case levelOverlap:
		s.Degraded = append(s.Degraded, "overload: patches of routine slides do not overlap")
	case levelCoarse:
		s.Degraded = append(s.Degraded, "overload: routine slides are looked at by a coarse pass first")
	}
	return s
}

// greet says how the worker is, until ctx ends; and at once when it takes nothing new.
func (w *Worker) greet(ctx context.Context, draining <-chan struct{}) {
	tick := time.NewTicker(helloEvery)
	defer tick.Stop()
	for {
		w.pace.mark(time.Now(), w.patches.Load(), w.share.walking() > 0)
		w.capacity.mark(w.patches.Load(), w.share.spent())
		if err := w.desk.Hello(w.State()); err != nil {
			w.log.Debug("say that the worker is there", "error", err)
		}
		select {
		case <-tick.C:
		case <-draining:
			draining = nil // once
			w.draining.Store(true)
		case <-ctx.Done():
			return
		}
	}
}

// level is what routine slides give up now.
func (w *Worker) level(now time.Time) int {
	if w.cfg.Pressure == nil {
		return levelFull
	}
	drain := w.cfg.Pressure()
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.pressed.level
	w.pressed = w.cfg.Degrade.next(w.pressed, now, drain)
	if after := w.pressed.level; after != before {
		w.log.Warn("what routine slides give up has changed", "level_before", before, "level", after, "drain", drain)
	}
	w.metrics.level.Set(float64(w.pressed.level))
	return w.pressed.level
}

// paceMarks × helloEvery is the time over which patches a second are measured.
const paceMarks = 13

// pace measures patches a second of the time in which anything was walked. The zero
// value is ready.
type pace struct {
	mu    sync.Mutex
	marks [paceMarks]struct {
		patches int64
		busy    time.Duration
	}
	n    int // marks made
	last time.Time
	busy time.Duration
	was  bool
}

// mark takes down how many patches there were up to now.
func (p *pace) mark(now time.Time, patches int64, walking bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.was {
		p.busy += now.Sub(p.last)
	}
	if p.was || p.n == 0 { // idle time is left out
		p.marks[p.n%paceMarks].patches, p.marks[p.n%paceMarks].busy = patches, p.busy
		p.n++
	}
	p.last, p.was = now, walking
}

func (p *pace) rate() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n < 2 {
		return 0
	}
	last, first := p.marks[(p.n-1)%paceMarks], p.marks[max(p.n-paceMarks, 0)%paceMarks]
	if last.busy <= first.busy {
		return 0
	}
	return float64(last.patches-first.patches) / (last.busy - first.busy).Seconds()
}
