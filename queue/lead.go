package queue

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bcc/fault"
)

// Where the lease of each election lies.
const (
	leadStream   = "BCC_LEAD"
	leadSubject  = "bcc.lead." // NAME
	leadTopic    = "lead."     // NAME: told when a leader goes
	maxLeadBytes = 1 << 20
)

// Leader stands in an election: of all who do under one name on one queue, at most one
// leads at a time.
//
// The lease is a message that its holder writes anew three times a term, each time on
// the condition that nobody else did since. No clock is compared with another
// machine's: whoever wants the lead waits until the message has been the same for a
// whole term by its own clock, counted from when it saw it; whoever has the lead counts
// from when it began to write, which is earlier, and stops a tenth of a term before the
// end. So a leader who is cut off has stopped when the next one begins.
type Leader struct {
	q    *Queue
	name string
	id   string
	self string // of this Leader alone, whatever ids are given twice
	term time.Duration
	bell chan struct{} // somebody has gone

	mu     sync.Mutex
	until  time.Time // while we lead: when we have to stop
	holder string    // who leads, as last seen; "": nobody
	change chan struct{}
}

// lease is what lies on the server. The zero one: whoever led has gone.
type lease struct {
	ID    string  `json:"id"`
	Self  string  `json:"self"`
	TermS float64 `json:"term_s"`
}

// Lead stands for election under a name (letters, digits, - and _). id is who we are,
// different from everybody else's; term is how long a leader who has vanished is waited
// for, 100ms to an hour. Nothing happens before Run.
func (q *Queue) Lead(ctx context.Context, name, id string, term time.Duration) (*Leader, error) {
	var err error
	switch {
	case !word.MatchString(name):
		err = fault.New(fault.Invalid, "election %.80q: want letters, digits, - and _", name)
	case id == "" || len(id) > 200:
		err = fault.New(fault.Invalid, "election %s: who stands has a name of %d letters, want 1 to 200", name, len(id))
	case term < 100*time.Millisecond || term > time.Hour:
		err = fault.New(fault.Invalid, "election %s: a term of %v, want 100ms to 1h", name, term)
	}
	if err != nil {
		return nil, err
	}
	l := &Leader{q: q, name: name, id: id, self: rand.Text(), term: term, bell: make(chan struct{}, 1), change: make(chan struct{})}
	_, err = l.open(ctx)
	return l, err
}

// open finds the stream of all leases, or makes it.
func (l *Leader) open(ctx context.Context) (jetstream.Stream, error) {
	return l.q.openStream(ctx, jetstream.StreamConfig{
		Name:              leadStream,
		Subjects:          []string{leadSubject + "*"},
		MaxMsgsPerSubject: 1,
		MaxBytes:          maxLeadBytes,
		AllowDirect:       false, // a replica that lags would show a lease that is over
	})
}

// Run stands for election until ctx ends; then it gives the lead up, if it has it, so
// that the next one need not wait. It bears a queue that is away.
func (l *Leader) Run(ctx context.Context) error {
	stop, err := l.q.Listen(leadTopic+l.name, func(string, []byte) {
		select {
		case l.bell <- struct{}{}:
		default:
		}
	})
	if err == nil {
		defer stop()
	} // else: the lease of who has gone is found at the next look
	var s stand
	for {
		l.step(ctx, &s)
		if (pause{rung: l.bell, rest: l.term / 3}).sleep(ctx, l.q.closing) != nil {
			break
		}
	}
	l.resign(s)
	return nil
}

// stand is what one who stands for election knows of the lease.
type stand struct {
	revision uint64 // of the lease; 0: there is none
	held     lease
	since    time.Time // when we saw this revision first
	failing  bool
}

// step looks at the lease and writes it, if it is ours or free.
func (l *Leader) step(ctx context.Context, s *stand) {
	ctx, cancel := context.WithTimeout(ctx, max(l.term/3, time.Second))
	defer cancel()
	err := l.look(ctx, s)
	if err == nil && (s.held.Self == l.self || s.free()) {
		err = l.write(ctx, s)
	}
	switch {
	case err != nil && !s.failing && ctx.Err() != context.Canceled && !l.q.closed():
		l.q.log.Warn("the election cannot be held", "election", l.name, "err", err)
	case err == nil && s.failing:
		l.q.log.Info("the election is held again", "election", l.name)
	}
	s.failing = err != nil
}

// free reports whether nobody has the lease: it was given up, or has been the same for
// a term of its holder's, by both clocks, of which one stands still while a machine
// sleeps and the other may be set.
func (s *stand) free() bool {
	term, now := time.Duration(s.held.TermS*float64(time.Second)), time.Now()
	return s.revision == 0 || s.held.Self == "" || now.Sub(s.since) > term && now.Round(0).Sub(s.since.Round(0)) > term
}

// look reads the lease.
func (l *Leader) look(ctx context.Context, s *stand) error {
	stream, err := l.open(ctx) // each time: the queue may have been lost whole, and made anew
	if err != nil {
		return err
	}
	m, err := stream.GetLastMsgForSubject(ctx, leadSubject+l.name)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		*s = stand{failing: s.failing}
		l.saw(lease{})
		return nil
	}
	if err != nil {
		return unavailable(err, "read who leads in "+l.name)
	}
	if m.Sequence != s.revision || s.since.IsZero() {
		s.revision, s.since, s.held = m.Sequence, time.Now(), lease{}
		if err := json.Unmarshal(m.Data, &s.held); err != nil {
			s.held = lease{ID: "?", Self: "?", TermS: l.term.Seconds()} // a newer version's: its term is ours
		}
	}
	l.saw(s.held)
	return nil
}

// write takes the lease for another term. That somebody else was first is no error.
func (l *Leader) write(ctx context.Context, s *stand) error {
	ours := lease{ID: l.id, Self: l.self, TermS: l.term.Seconds()}
	data, err := json.Marshal(ours)
	if err != nil {
		return err
	}
	begun := time.Now()
	ack, err := l.q.js.Publish(ctx, leadSubject+l.name, data, jetstream.WithExpectLastSequencePerSubject(s.revision))
	if isThere(err) {
		return nil
	}
	if err != nil {
		return unavailable(err, "stand for election in "+l.name) // it may be written or not: the next look tells
	}
	s.revision, s.since, s.held = ack.Sequence, begun, ours
	l.lead(begun.Add(l.term - l.term/10))
	return nil
}

// resign gives the lead up where it is ours.
func (l *Leader) resign(s stand) {
	l.mu.Lock()
	ours := !l.until.IsZero()
	l.end()
	l.mu.Unlock()
	if !ours || l.q.closed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// An error costs the next one a term.
	if _, err := l.q.js.Publish(ctx, leadSubject+l.name, []byte("{}"), jetstream.WithExpectLastSequencePerSubject(s.revision)); err == nil {
		_ = l.q.Tell(leadTopic+l.name, nil)
	}
}

// Leads reports whether we lead at this moment.
func (l *Leader) Leads() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leads()
}

// Who returns the id of who leads, as far as was seen; "": nobody.
func (l *Leader) Who() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder
}

// While returns a context that ends as soon as we do not lead any more, and whether we
// lead now. What is done because one leads is done under it.
func (l *Leader) While(ctx context.Context) (context.Context, context.CancelFunc, bool) {
	l.mu.Lock()
	leads := l.leads()
	l.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	if !leads {
		cancel(errLead)
		return ctx, func() {}, false
	}
	go func() {
		for {
			l.mu.Lock()
			leads, left, change := l.leads(), time.Until(l.until), l.change
			l.mu.Unlock()
			if !leads {
				cancel(errLead)
				return
			}
			select {
			case <-change:
			case <-time.After(min(left, l.term/10)): // the wall clock may run while the other stands still
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled) }, true
}

var errLead = fault.New(fault.Unavailable, "the lead is lost")

// leads is Leads for who has the lock. It notices when the term is over.
func (l *Leader) leads() bool {
	now := time.Now()
	if !l.until.IsZero() && (now.After(l.until) || now.Round(0).After(l.until.Round(0))) {
		l.q.log.Warn("the lead is lost", "election", l.name)
		l.end()
	}
	return !l.until.IsZero()
}

// lead leads until a moment.
func (l *Leader) lead(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until.IsZero() {
		l.q.log.Info("leads", "election", l.name)
	}
	l.until, l.holder = until, l.id
	l.turn()
}

// end ends our lead.
func (l *Leader) end() {
	l.until = time.Time{}
	l.turn()
}

// turn tells those who wait for a change.
func (l *Leader) turn() {
	close(l.change)
	l.change = make(chan struct{})
}

// saw notes who leads. Our own lease, found again, is not the lead: that counts from
// when it is written.
func (l *Leader) saw(held lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holder = held.ID
	if held.Self != l.self && !l.until.IsZero() { // can only be where the server lost what it had
		l.q.log.Warn("the lead is lost", "election", l.name)
		l.end()
	}
}
