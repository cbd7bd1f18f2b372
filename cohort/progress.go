package cohort

import (
	"maps"
	"time"
)

// tellEvery is how often a slide's progress is told at most: four times a second.
const tellEvery = 250 * time.Millisecond

// told is how far a slide is, and when that was told last.
type told struct {
	task    Task
	planned int // -1: not known yet
	scored  int
	hand    hand
	at      time.Time
}

// word is told by whoever does not hold the desk's lock any more.
func (t *told) word() word {
	return word{
		Index: t.task.Index, Planned: t.planned, Scored: t.scored,
		Through: t.hand.through, Looked: t.hand.looked, By: maps.Clone(t.hand.by),
	}
}

// Planned says how many patches the slide has. It is told at once.
func (d *Desk) Planned(t Task, patches int) {
	d.mu.Lock()
	s := d.tasks[t.SlideID]
	if s == nil {
		d.mu.Unlock()
		return
	}
	s.planned, s.scored, s.at = patches, 0, time.Now()
	w := s.word()
	d.mu.Unlock()
	d.say(t, wordProgress, w)
}

// Scored says that n more patches are through. It is told now and then.
func (d *Desk) Scored(t Task, n int) {
	d.mu.Lock()
	s := d.tasks[t.SlideID]
	if s == nil {
		d.mu.Unlock()
		return
	}
	s.scored += n
	now := time.Now()
	due := now.Sub(s.at) >= tellEvery
	if due {
		s.at = now
	}
	w := s.word()
	d.mu.Unlock()
	if due {
		d.say(t, wordProgress, w)
	}
}

// Spent says that a shard of n patches is through and took so many seconds of a worker of
// a kind; none where its outputs were kept from before. It is told with the next progress.
func (d *Desk) Spent(t Task, n int, kind string, seconds float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.tasks[t.SlideID]
	if s == nil {
		return
	}
	s.hand.through += n
	if seconds > 0 {
		s.hand.looked += n
		if s.hand.by == nil {
			s.hand.by = map[string]float64{}
		}
		s.hand.by[kind] += seconds
	}
}

// retell tells of every slide being worked on how far it is.
func (d *Desk) retell() {
	d.mu.Lock()
	words := make(map[Task]word, len(d.tasks))
	for _, s := range d.tasks {
		s.at = time.Now()
		words[s.task] = s.word()
	}
	d.mu.Unlock()
	for t, w := range words {
		d.say(t, wordProgress, w)
	}
}
