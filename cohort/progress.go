package cohort

import "time"

// tellEvery is how often a slide's progress is told at most: four times a second.
const tellEvery = 250 * time.Millisecond

// told is how far a slide is, and when that was told last.
type told struct {
	task    Task
	planned int // -1: not known yet
	scored  int
	at      time.Time
}

func (t *told) word() word { return word{Index: t.task.Index, Planned: t.planned, Scored: t.scored} }

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

// retell tells of every slide being worked on how far it is.
func (d *Desk) retell() {
	d.mu.Lock()
	all := make([]told, 0, len(d.tasks))
	for _, s := range d.tasks {
		s.at = time.Now()
		all = append(all, *s)
	}
	d.mu.Unlock()
	for _, s := range all {
		d.say(s.task, wordProgress, s.word())
	}
}
