package cohort

import (
	"encoding/json"
	"strings"
	"time"
)

// Words over the queue, which may be lost:
//
//	cohort.<id>.new        a cohort was submitted
//	cohort.<id>.cancelled  it was cancelled
//	cohort.<id>.begun      a worker has taken the slide
//	cohort.<id>.progress   so many patches are planned and scored
//	cohort.<id>.back       the slide waits again
//	cohort.<id>.end        it has come to its end
//	cohort.<id>.held       its job is off the queue: the cohort's cap is reached
//	cohort.<id>.cap        the cohort has another cap, or its cap is reached
//	cancel.<id>            for workers: the cohort was cancelled
//	capped.<id>            for workers: as cohort.<id>.cap
//	worker.<id>            how a worker is
const (
	topicCohorts = "cohort.>"
	topicCancels = "cancel.>"
	topicCaps    = "capped.>"
	topicWorkers = "worker.>"

	wordNew       = "new"
	wordCancelled = "cancelled"
	wordBegun     = "begun"
	wordProgress  = "progress"
	wordBack      = "back"
	wordEnd       = "end"
	wordHeld      = "held"
	wordCap       = "cap"
)

func cohortTopic(id, word string) string { return "cohort." + id + "." + word }
func cancelTopic(id string) string       { return "cancel." + id }
func cappedTopic(id string) string       { return "capped." + id }
func workerTopic(id string) string       { return "worker." + id }

// word is what is said about one slide.
type word struct {
	Index   int `json:"i"`
	Planned int `json:"planned"` // -1: not known
	Scored  int `json:"scored"`
	// Of shards that are through, told since then: hand.
	Through int                `json:"through,omitempty"`
	Looked  int                `json:"looked,omitempty"`
	By      map[string]float64 `json:"compute_s_by_kind,omitempty"`
	End     *End               `json:"end,omitempty"`

	Generation int `json:"generation,omitempty"` // of End
}

// hear takes in a word about a cohort.
func (l *Ledger) hear(topic string, data []byte) {
	parts := strings.Split(topic, ".")
	if len(parts) < 3 || !ValidID(parts[len(parts)-2]) {
		return
	}
	id, what := parts[len(parts)-2], parts[len(parts)-1]
	if what == wordNew || what == wordCancelled || what == wordCap {
		l.wake(id)
		return
	}
	var w word
	if json.Unmarshal(data, &w) != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.open[id]
	if b == nil || w.Index < 0 || w.Index >= len(b.lines) {
		return // another server's, or over: the store is looked into soon enough
	}
	l.heard(b, what, w, time.Now())
}

// heard changes a slide's line as the word says. The caller holds mu.
func (l *Ledger) heard(b *book, what string, w word, now time.Time) {
	line := b.lines[w.Index]
	if line.state.Final() || b.cancelling {
		return
	}
	switch what {
	case wordBegun, wordProgress:
		if w.Planned >= 0 {
			line.planned = w.Planned
		}
		more := w.Scored - line.scored
		line.state, line.scored, line.heard = Running, max(min(w.Scored, line.planned), 0), now
		l.meter.tick(now, true)
		if more > 0 {
			l.meter.scored(now, more)
		}
	case wordBack:
		line.state, line.scored = Pending, 0
	case wordHeld:
		line.state, line.scored = Pending, 0
		if b.dropped[w.Index] = struct{}{}; !b.held() { // another server knows more, or less
			l.wake(b.ID)
		}
	case wordEnd:
		if w.End == nil || !w.End.State.Final() {
			return
		}
		w.End.generation = w.Generation
		l.finish(b, w.Index, w.End, now)
		return
	default:
		return
	}
	sized := line.planned != b.lines[w.Index].planned
	b.set(w.Index, line)
	if line.state == Running {
		b.running[w.Index] = hand{min(w.Through, max(line.planned, 0)), w.Looked, w.By}
	}
	l.meter.tick(now, l.busy())
	if (what == wordBegun || sized) && l.exceeds(b, l.like()) {
		l.wake(b.ID)
	}
}

// finish gives a slide its end and sees to what follows from it. The caller holds mu.
func (l *Ledger) finish(b *book, i int, e *End, now time.Time) {
	before := b.lines[i]
	if !b.finish(i, e) {
		return
	}
	if more := e.Patches - before.scored; e.State == Done && !e.Cached && before.state == Running && more > 0 {
		l.meter.scored(now, more)
	}
	l.meter.tick(now, l.busy())
	if b.over() || l.exceeds(b, l.like()) || b.held() && len(b.running) == 0 {
		l.wake(b.ID)
	}
}

// busy reports whether any slide is being walked. The caller holds mu.
func (l *Ledger) busy() bool {
	for _, b := range l.open {
		if len(b.running) > 0 {
			return true
		}
	}
	return false
}
