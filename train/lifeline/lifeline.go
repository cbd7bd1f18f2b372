// Package lifeline lets the ranks of a run know of each other's end.
//
// In: a rank, an address, and beats. Out: the news that a rank has died, hangs or
// ended with an error, by its number, within seconds, on every other rank. A
// collective alone cannot tell: whoever waits in an all-reduce for a rank that is
// gone waits for ever.
//
//	rank 0   Listen ─► Gather ─┐
//	others   Dial ─────────────┴─► Line ─► Guard(collective) ─► Close, or Fail
//
// Every rank keeps one TCP connection to rank 0. A line of JSON goes over it each
// second, with the number of the collective call that the rank has come to; rank 0
// tells everyone about everyone. A connection that closes without a word is a rank
// that died; one that is silent for seven seconds is a rank that hangs, is stopped
// or has lost its network. The line carries no weights and computes nothing.
package lifeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"bcc/fault"
)

// Config says who this rank is.
type Config struct {
	Rank, Size int
	// Host is what messages call this rank's machine.
	Host string
	// Key is the same on all ranks of a run and on no other run's: rank 0 refuses
	// whoever has another.
	Key string
	// Beat is how often a rank says that it lives. Default one second.
	Beat time.Duration
	// Silence is how long a rank may say nothing. Default seven seconds: an overloaded
	// machine misses some beats, and the others shall end within ten.
	Silence time.Duration
	// Join is how long ranks wait for each other at the start. Default two minutes: a
	// launcher may have to start containers.
	Join time.Duration
	// Tell, where it is not nil, hears of the loss of a rank at once, on one rank of
	// those that are left.
	Tell func(lost error)
}

// DefaultConfig returns the defaults for one rank of several.
func DefaultConfig(rank, size int) Config {
	return Config{Rank: rank, Size: size, Beat: time.Second, Silence: 7 * time.Second, Join: 2 * time.Minute}
}

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	if c.Size < 2 || c.Rank < 0 || c.Rank >= c.Size {
		bad("life line: rank %d of %d", c.Rank, c.Size)
	}
	if c.Size > maxRanks {
		bad("life line: %d ranks, at most %d can meet", c.Size, maxRanks)
	}
	if c.Beat <= 0 || c.Silence <= c.Beat || c.Join <= 0 {
		bad("life line: a beat every %v, %v of silence and %v to join", c.Beat, c.Silence, c.Join)
	}
	return errors.Join(errs...)
}

// maxRanks keeps what rank 0 says of all ranks within one message.
const maxRanks = 1024

// Line is one rank's end of the life line. Its methods may be called from several
// goroutines.
type Line struct {
	cfg   Config
	peers map[int]*wire // rank 0 has all others, they have rank 0
	stop  chan struct{}
	wg    sync.WaitGroup

	shared chan []byte   // what rank 0 shares
	lost   chan struct{} // closed when err is set

	mu    sync.Mutex
	err   error
	hosts []string
	calls []uint64 // the collective call that each rank has come to
	left  []bool   // ranks that have said goodbye
}

// start begins to beat and to listen.
func start(cfg Config, peers map[int]*wire, hosts []string) *Line {
	l := &Line{
		cfg: cfg, peers: peers, hosts: hosts, calls: make([]uint64, cfg.Size), left: make([]bool, cfg.Size),
		stop: make(chan struct{}), shared: make(chan []byte, 1), lost: make(chan struct{}),
	}
	for rank, w := range peers {
		l.wg.Go(func() { l.listen(rank, w) })
	}
	l.wg.Go(l.beat)
	return l
}

// Share gives every rank the data of rank 0; the others' is ignored. It may be
// called once.
func (l *Line) Share(ctx context.Context, data []byte) ([]byte, error) {
	if l.cfg.Rank == 0 {
		l.tell(message{Kind: kindShare, Data: data})
		return data, nil
	}
	select {
	case data := <-l.shared:
		return data, nil
	case <-l.lost:
		return nil, l.Err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Arrive notes that this rank has come to its nth collective call.
func (l *Line) Arrive(n uint64) {
	l.mu.Lock()
	l.calls[l.cfg.Rank] = n
	l.mu.Unlock()
	l.deserted()
}

// Late names the ranks that were not yet at collective call n when they were last
// heard of.
func (l *Line) Late(n uint64) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var late []string
	for rank, at := range l.calls {
		if at < n {
			late = append(late, fmt.Sprintf("%s (at call %d)", l.name(rank), at))
		}
	}
	return late
}

// Lost is closed when another rank is lost.
func (l *Line) Lost() <-chan struct{} { return l.lost }

// Err returns what happened to which rank, nil while all live.
func (l *Line) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Context returns a context that ends when another rank is lost, with Err as its
// cause.
func (l *Line) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-l.lost:
			cancel(l.Err())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// Fail tells the others that this rank ends with err, and closes the line.
func (l *Line) Fail(err error) {
	if l.Err() == nil {
		l.tell(message{Kind: kindEnd, Why: shorten(err.Error())})
	}
	l.hangUp()
}

// Close says goodbye: this rank has done its part.
func (l *Line) Close() error {
	l.mu.Lock()
	at := l.calls[l.cfg.Rank]
	l.mu.Unlock()
	l.tell(message{Kind: kindBye, Call: at})
	l.hangUp()
	return nil
}

func (l *Line) hangUp() {
	l.mu.Lock()
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.mu.Unlock()
	for _, w := range l.peers {
		w.close()
	}
	l.wg.Wait()
}

// beat says each second that this rank lives, and where it is.
func (l *Line) beat() {
	tick := time.NewTicker(l.cfg.Beat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.stop:
			return
		}
		l.mu.Lock()
		m := message{Kind: kindBeat, Call: l.calls[l.cfg.Rank]}
		if l.cfg.Rank == 0 {
			m.Calls = append(m.Calls, l.calls...)
		}
		l.mu.Unlock()
		l.tell(m)
	}
}

// tell sends m to all peers. A peer that cannot be reached is its listener's to notice.
func (l *Line) tell(m message) {
	for _, w := range l.peers {
		_ = w.send(m)
	}
}

// listen hears one peer until it has left or is lost.
func (l *Line) listen(rank int, w *wire) {
	for {
		m, err := w.receive(l.cfg.Silence)
		switch {
		case err == nil:
			if l.hear(rank, m) {
				return
			}
			continue
		case l.ended():
		case isTimeout(err):
			l.lose(rank, fmt.Sprintf("has not been heard of for %v: it hangs or its network is gone", l.cfg.Silence))
		case errors.Is(err, io.EOF) || isReset(err):
			l.lose(rank, "died: its connection closed without a word")
		default:
			l.lose(rank, "cannot be heard: "+err.Error())
		}
		return
	}
}

// hear takes in one message and says whether it was the peer's last.
func (l *Line) hear(rank int, m message) (last bool) {
	switch m.Kind {
	case kindBeat:
		l.mu.Lock()
		if len(m.Calls) == len(l.calls) {
			mine := l.calls[l.cfg.Rank]
			copy(l.calls, m.Calls)
			l.calls[l.cfg.Rank] = mine
		}
		l.calls[rank] = m.Call
		l.mu.Unlock()
	case kindShare:
		select {
		case l.shared <- m.Data:
		default:
		}
	case kindEnd:
		l.lose(rank, "ended early: "+m.Why)
		return true
	case kindLost:
		if m.Rank >= 0 && m.Rank < l.cfg.Size {
			l.lose(m.Rank, m.Why)
		}
	case kindBye:
		l.mu.Lock()
		l.calls[rank], l.left[rank] = m.Call, true
		l.mu.Unlock()
		l.deserted()
		return true
	}
	return false
}

// deserted loses a rank that said goodbye before this one's collective call.
func (l *Line) deserted() {
	l.mu.Lock()
	gone, mine := -1, l.calls[l.cfg.Rank]
	for rank, left := range l.left {
		if left && l.calls[rank] < mine {
			gone = rank
		}
	}
	l.mu.Unlock()
	if gone >= 0 {
		l.lose(gone, fmt.Sprintf("left the run before collective call %d", mine))
	}
}

// lose notes the first loss of a rank; rank 0 tells the others.
func (l *Line) lose(rank int, why string) {
	l.mu.Lock()
	first := l.err == nil
	if first {
		err := fault.New(fault.Unavailable, "%s %s", l.name(rank), why)
		l.err = fault.Hint(err, "see what that rank printed; --resume goes on from the last checkpoint")
		close(l.lost)
	}
	err := l.err
	l.mu.Unlock()
	if first && l.cfg.Tell != nil && (l.cfg.Rank == 0 || l.cfg.Rank == 1 && rank == 0) {
		l.cfg.Tell(err)
	}
	if first && l.cfg.Rank == 0 {
		l.tell(message{Kind: kindLost, Rank: rank, Why: shorten(why)})
	}
}

func (l *Line) ended() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// name names a rank for a person.
func (l *Line) name(rank int) string { return rankName(rank, l.cfg.Size, l.hosts[rank]) }

func rankName(rank, size int, host string) string {
	if host == "" {
		return fmt.Sprintf("rank %d of %d", rank, size)
	}
	return fmt.Sprintf("rank %d of %d on %s", rank, size, host)
}

// shorten keeps an error within one message, on one line.
func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	const most = 1000
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
