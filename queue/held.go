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

// held is a lease on JetStream.
//
// Whether another has the job is not asked of the server, it is known from the time:
// a lease counts from when the job was asked for, by both the clock that stops while
// the machine sleeps and the one that does not. What cannot be known: whether a word
// that left in time arrived in time. A Beat that is answered too late counts as lost;
// a Return or Again may in that case free a job that another has just taken.
type held struct {
	q       *Queue
	row     *row
	id      string
	ack     string // the subject of what we say about the job
	note    string // the subject under which its hand-backs are noted
	returns int    // that were noted before

	mu    sync.Mutex
	until time.Time
}

var _ Holder = (*held)(nil)

func (h *held) Beat(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended() {
		return h.lost()
	}
	sent := time.Now()
	if err := h.say(ctx, "+WPI"); err != nil {
		return err
	}
	if h.ended() { // the answer came after the end: the word may have too
		return h.lost()
	}
	h.until = sent.Add(h.q.cfg.Lease)
	return nil
}

func (h *held) Done(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.say(ctx, "+ACK"); err != nil {
		return err
	}
	if h.ended() {
		return h.lost()
	}
	return nil
}

func (h *held) Again(ctx context.Context, after time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended() {
		return h.lost()
	}
	return h.free(ctx, after)
}

// free has the job given to others, after a while where that is above 0.
func (h *held) free(ctx context.Context, after time.Duration) error {
	if after > 0 {
		return h.say(ctx, fmt.Sprintf(`-NAK {"delay":%d}`, after.Nanoseconds()))
	}
	if err := h.say(ctx, "-NAK"); err != nil {
		return err
	}
	h.q.wake(h.row, 0)
	return nil
}

func (h *held) Return(ctx context.Context, after time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended() {
		return h.lost()
	}
	// Noted first: if we die in between, the lease ends and the attempt does not count.
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := h.q.js.Publish(ctx, h.note, []byte(strconv.Itoa(h.returns+1))); err != nil {
		return unavailable(err, fmt.Sprintf("note the return of job %s", h.id))
	}
	return h.free(ctx, after)
}

// ended reports whether the time of the lease is over by either clock.
func (h *held) ended() bool {
	now := time.Now()
	return now.After(h.until) || now.Round(0).After(h.until.Round(0))
}

func (h *held) lost() error {
	h.q.met.lost()
	return fault.New(fault.NotFound, "job %s: the lease ended at %s, another may have it", h.id, h.until.UTC().Format(time.TimeOnly))
}

// say sends a word about the job and waits until the server has it.
func (h *held) say(ctx context.Context, what string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := h.q.conn.RequestWithContext(ctx, h.ack, []byte(what)); err != nil {
		return unavailable(err, fmt.Sprintf("job %s: tell the queue %.4s", h.id, what))
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
