package cohort

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"bcc/blob"
	"bcc/fault"
	"bcc/queue"
)

// Desk is where workers report: on this machine or, over the same store and queue,
// on another. It is safe for concurrent use.
type Desk struct {
	shelf shelf
	wire  Wire

	mu    sync.Mutex
	tasks map[string]*told // being worked on, by slide
	home  map[string]bool  // cohorts that this store has
	below below
}

// NewDesk returns a desk over the ledger's store and queue.
func NewDesk(store blob.Store, wire Wire) *Desk {
	return &Desk{
		shelf: shelf{store: store}, wire: wire,
		tasks: map[string]*told{}, home: map[string]bool{}, below: below{memory: capMemory},
	}
}

// ErrOver says that there is nothing to be done: the slide has its end, or its
// cohort was cancelled.
var ErrOver = errors.New("the slide has come to its end")

// Task is what a job asks for.
type Task struct {
	SlideID  string     `json:"-"`
	Cohort   string     `json:"cohort"`
	Index    int        `json:"index"`
	Owner    string     `json:"owner"`
	Priority queue.Lane `json:"priority"`
	Model    string     `json:"model,omitempty"` // Manifest.Model
	Slide    Slide      `json:"slide"`

	// Manifest.Trace: what is done belongs below it, or, of a large cohort, has a trace of
	// its own that names it.
	Trace     string `json:"trace,omitempty"`
	TraceLink string `json:"trace_link,omitempty"`
}

// tracedTogether is the most slides of a cohort that stand in one trace: some twenty
// spans each are what a person can look through.
const tracedTogether = 16

// jobData is what the queue carries: all that a worker has to know, so that it need
// not read a manifest of 30,000 slides for each of them.
type jobData struct {
	FormatVersion int `json:"format_version"`
	Task
}

// newJob returns the job of a slide of which so many ends are void: another ID each
// time, for the queue drops one that it had a short while ago.
func newJob(m *Manifest, i, void int) queue.Job {
	t := Task{Cohort: m.ID, Index: i, Owner: m.Owner, Priority: m.Priority, Model: m.Model, Slide: m.Slides[i], Trace: m.Trace}
	if len(m.Slides) > tracedTogether {
		t.Trace, t.TraceLink = "", m.Trace
	}
	data, err := json.Marshal(jobData{FormatVersion, t})
	if err != nil {
		panic(err) // nothing in it can fail to be encoded
	}
	id := SlideID(m.ID, i)
	if void > 0 {
		id += "_" + strconv.Itoa(void)
	}
	return queue.Job{ID: id, Lane: m.Priority, Row: max(m.Row, 0) % queue.Rows, Data: data}
}

// Begin reads a job. ErrOver: there is nothing to do. Corrupt: it is no job of this
// program, and may be dropped. Unsupported: another version of the program wrote it,
// which may still run elsewhere; the job is to be handed back for a good while (some
// minutes: Lease.Again), never dropped. ErrCapped: it is to be taken off the queue. ErrElsewhere, ErrTakenAway: the job
// belongs to another store, or its cohort is in none.
// The ledger hears that the slide is being worked on.
func (d *Desk) Begin(ctx context.Context, data []byte) (Task, error) {
	var j jobData
	if err := json.Unmarshal(data, &j); err != nil {
		return Task{}, fault.New(fault.Corrupt, "read job: %w", err)
	}
	if j.FormatVersion != FormatVersion {
		return Task{}, fault.New(fault.Unsupported, "read job: format version %d, this program reads %d", j.FormatVersion, FormatVersion)
	}
	t := j.Task
	if !ValidID(t.Cohort) || t.Index < 0 {
		return Task{}, fault.New(fault.Corrupt, "read job: it names no slide")
	}
	if err := t.Slide.validate(); err != nil {
		return Task{}, fault.New(fault.Corrupt, "read job: %w", err)
	}
	t.SlideID = SlideID(t.Cohort, t.Index)
	if over, err := d.Over(ctx, t); err != nil {
		return Task{}, err
	} else if over {
		return t, ErrOver
	}
	if reached, err := d.capped(ctx, t.Cohort); err != nil {
		return Task{}, err
	} else if reached {
		d.say(t, wordHeld, word{Index: t.Index, Planned: -1})
		return t, ErrCapped
	}
	d.mu.Lock()
	d.tasks[t.SlideID] = &told{task: t, planned: -1, at: time.Now()}
	d.mu.Unlock()
	d.say(t, wordBegun, word{Index: t.Index, Planned: -1})
	return t, nil
}

// Back says that the slide waits again.
func (d *Desk) Back(t Task) {
	d.forget(t)
	d.say(t, wordBack, word{Index: t.Index, Planned: -1})
}

// Leave says nothing: somebody else has the slide now.
func (d *Desk) Leave(t Task) { d.forget(t) }

func (d *Desk) forget(t Task) {
	d.mu.Lock()
	delete(d.tasks, t.SlideID)
	d.mu.Unlock()
}

// End keeps how a slide ended: in the store first, then it is told. Where the slide
// has an end already that one stays, and is told again. FormatVersion and, where it
// is zero, Ended are filled in.
func (d *Desk) End(ctx context.Context, t Task, e End) error {
	e.FormatVersion = FormatVersion
	if e.Ended.IsZero() {
		e.Ended = time.Now().UTC().Truncate(time.Millisecond)
	}
	if e.Degraded == nil {
		e.Degraded = []string{}
	}
	e, err := d.shelf.createEnd(ctx, t.Cohort, t.Index, e)
	if err != nil {
		return err
	}
	d.forget(t)
	d.say(t, wordEnd, word{Index: t.Index, End: &e, Generation: e.generation})
	return nil
}

// Listen calls cancelled for each cohort that is cancelled from now on, one after the
// other, and has Begin hear at once of caps that are reached. A word may be lost: Begin
// asks the store too.
func (d *Desk) Listen(cancelled func(cohort string)) (stop func(), err error) {
	first, err := d.listen(topicCancels, cancelled)
	if err != nil {
		return nil, err
	}
	second, err := d.listen(topicCaps, d.forgetCap)
	if err != nil {
		first()
		return nil, err
	}
	return func() { first(); second() }, nil
}

func (d *Desk) listen(topic string, f func(cohort string)) (stop func(), err error) {
	return d.wire.Listen(topic, func(topic string, _ []byte) {
		if id := topic[strings.LastIndexByte(topic, '.')+1:]; ValidID(id) {
			f(id)
		}
	})
}

// Hello tells how the worker is, and of each slide that it works on that it still
// does. Every few seconds is enough.
func (d *Desk) Hello(w WorkerState) error {
	data, err := json.Marshal(w)
	if err != nil {
		return err
	}
	d.retell()
	return d.wire.Tell(workerTopic(topicWord(w.ID)), data)
}

// Bye tells that the worker is gone. Where the word is lost that is noticed a while later.
func (d *Desk) Bye(id string) error {
	data, err := json.Marshal(WorkerState{ID: id, Gone: true})
	if err != nil {
		return err
	}
	return d.wire.Tell(workerTopic(topicWord(id)), data)
}

// topicWord returns s with what may not stand in a topic left out.
func topicWord(s string) string {
	clean := bytes.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, []byte(s))
	return "w" + string(clean)
}

// say tells a word about a slide. It may be lost: the ledger looks into the store.
func (d *Desk) say(t Task, what string, w word) {
	data, err := json.Marshal(w)
	if err == nil {
		_ = d.wire.Tell(cohortTopic(t.Cohort, what), data)
	}
}
