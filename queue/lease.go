package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bcc/fault"
)

// Lease is a job that is ours until the lease ends without a Beat. Every method but
// Done returns NotFound and does nothing when it has ended; after Done, Again or
// Return the lease must not be used.
//
// Whether another has the job is not asked of the server, it is known from the time:
// a lease counts from when the job was asked for, by both the clock that stops while
// the machine sleeps and the one that does not. What cannot be known: whether a word
// that left in time arrived in time. A Beat that is answered too late counts as lost;
// a Return or Again may in that case free a job that another has just taken.
type Lease struct {
	Job
	// Attempt counts from 1 how often the job was taken, without those times when it
	// was handed back by Return. After a crash of the server within a tenth of a second
	// of a Take that Take may not be counted.
	Attempt int

	q       *Queue
	ack     string    // the subject of what we say about the job
	note    string    // the subject under which its hand-backs are noted
	returns int       // that were noted before
	again   bool      // it was taken before
	put     time.Time // when the server took the job, by its clock

	mu    sync.Mutex
	until time.Time
}

// Beat keeps the job for another Config.Lease. NotFound: the lease has ended, another
// may have the job. Unavailable: the server did not answer; the lease goes on as it
// was, try again.
func (l *Lease) Beat(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended() {
		return l.lost()
	}
	sent := time.Now()
	if err := l.say(ctx, "+WPI"); err != nil {
		return err
	}
	if l.ended() { // the answer came after the end: the word may have too
		return l.lost()
	}
	l.until = sent.Add(l.q.cfg.Lease)
	return nil
}

// Done takes the job off the queue, whoever has it: its work is over. NotFound: the
// job is off the queue, but the lease had ended and another may have begun it.
// Unavailable: it may be off or not; call Done again.
func (l *Lease) Done(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.say(ctx, "+ACK"); err != nil {
		return err
	}
	if l.ended() {
		return l.lost()
	}
	return nil
}

// Again hands the job back to be tried again after a while; this attempt counts.
func (l *Lease) Again(ctx context.Context, after time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended() {
		return l.lost()
	}
	if after <= 0 {
		if err := l.say(ctx, "-NAK"); err != nil {
			return err
		}
		l.q.wake()
		return nil
	}
	return l.say(ctx, fmt.Sprintf(`-NAK {"delay":%d}`, after.Nanoseconds()))
}

// Return hands the job back to whoever asks first; this attempt does not count. It
// comes before all that were never taken.
func (l *Lease) Return(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended() {
		return l.lost()
	}
	// Noted first: if we die in between, the lease ends and the attempt does not count.
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := l.q.js.Publish(ctx, l.note, []byte(strconv.Itoa(l.returns+1))); err != nil {
		return unavailable(err, fmt.Sprintf("note the return of job %s", l.ID))
	}
	if err := l.say(ctx, "-NAK"); err != nil {
		return err
	}
	l.q.wake()
	return nil
}

// ended reports whether the time of the lease is over by either clock.
func (l *Lease) ended() bool {
	now := time.Now()
	return now.After(l.until) || now.Round(0).After(l.until.Round(0))
}

func (l *Lease) lost() error {
	l.q.met.lost()
	return fault.New(fault.NotFound, "job %s: the lease ended at %s, another may have it", l.ID, l.until.UTC().Format(time.TimeOnly))
}

// say sends a word about the job and waits until the server has it.
func (l *Lease) say(ctx context.Context, what string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := l.q.conn.RequestWithContext(ctx, l.ack, []byte(what)); err != nil {
		return unavailable(err, fmt.Sprintf("job %s: tell the queue %.4s", l.ID, what))
	}
	return nil
}

// returns is how often a job was handed back.
func (q *Queue) returns(note string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := q.notes.GetLastMsgForSubject(ctx, note)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, unavailable(err, "read how often a job was handed back")
	}
	n, err := strconv.Atoi(string(m.Data))
	if err != nil {
		return 0, fault.New(fault.Corrupt, "stream %s: %q is no number of hand-backs", returnedStream, m.Data)
	}
	return n, nil
}
