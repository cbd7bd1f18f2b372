package lifeline

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"bcc/fault"
)

// handshake bounds the first words of a connection: whoever says nothing is not one
// of us.
const handshake = 2 * time.Second

// prefix begins the errors of the start.
const prefix = "life line: "

// Listener is where rank 0 waits for the others.
type Listener struct {
	cfg      Config
	listener net.Listener
}

// Listen opens the first of the addresses that is free.
func Listen(cfg Config, addrs ...string) (*Listener, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	var errs []error
	for _, addr := range addrs {
		listener, err := net.Listen("tcp", addr)
		if err == nil {
			return &Listener{cfg, listener}, nil
		}
		errs = append(errs, err)
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	err := fault.New(fault.Unavailable, prefix+"wait for the other ranks: %w", errors.Join(errs...))
	return nil, fault.Hint(err, "rank 0 must run on the machine that MASTER_ADDR names, with a free MASTER_PORT")
}

// Addr is where it listens.
func (l *Listener) Addr() net.Addr { return l.listener.Addr() }

// Close stops listening. After Gather it does nothing.
func (l *Listener) Close() error { return l.listener.Close() }

// Gather waits for the other ranks and returns the line to all of them.
func (l *Listener) Gather(ctx context.Context) (*Line, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Join)
	defer cancel()
	g := &gathering{cfg: l.cfg, peers: map[int]*wire{}, hosts: make([]string, l.cfg.Size), complete: make(chan struct{})}
	g.hosts[0] = l.cfg.Host
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { g.receive(newWire(conn)) })
		}
	})
	var err error
	select {
	case <-g.complete:
		err = g.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.listener.Close()
	wg.Wait() // nobody adds to peers from here on
	if errors.Is(err, context.DeadlineExceeded) {
		err = fault.New(fault.Unavailable, prefix+"%s did not come within %v", g.missing(), l.cfg.Join)
		err = fault.Hint(err, "start all %d ranks with the same MASTER_ADDR, MASTER_PORT and WORLD_SIZE, each with its own RANK", l.cfg.Size)
	}
	if err != nil {
		for _, w := range g.peers {
			_ = w.send(message{Kind: kindRefused, Why: strings.TrimPrefix(err.Error(), prefix)})
			w.close()
		}
		return nil, err
	}
	for _, w := range g.peers {
		_ = w.send(message{Kind: kindBegin, Hosts: g.hosts}) // one that is gone by now is noticed by its listener
	}
	return start(l.cfg, g.peers, g.hosts), nil
}

// gathering is the ranks that have come so far.
type gathering struct {
	cfg Config

	mu       sync.Mutex
	peers    map[int]*wire
	hosts    []string
	err      error
	complete chan struct{} // closed when all are here, or one came that ends it
	closed   bool
}

// receive lets one rank in, or not.
func (g *gathering) receive(w *wire) {
	m, err := func() (message, error) {
		if err := w.send(message{Kind: kindHub, Protocol: protocol}); err != nil {
			return message{}, err
		}
		return w.receive(handshake)
	}()
	if err != nil || m.Kind != kindJoin {
		w.close()
		return
	}
	if refusal := g.admit(m, w); refusal != nil {
		_ = w.send(*refusal)
		w.close()
	}
}

// admit notes a rank that has come, or says why it may not stay.
func (g *gathering) admit(m message, w *wire) *message {
	g.mu.Lock()
	defer g.mu.Unlock()
	refuse := func(format string, args ...any) *message {
		return &message{Kind: kindRefused, Why: fmt.Sprintf(format, args...)}
	}
	switch {
	case m.Protocol != protocol:
		return g.end(refuse("%s speaks protocol %d of another version of the program, rank 0 speaks %d", rankName(m.Rank, m.Size, m.Host), m.Protocol, protocol))
	case subtle.ConstantTimeCompare([]byte(m.Key), []byte(g.cfg.Key)) != 1:
		return &message{Kind: kindRefused, Why: "another run listens here", Stray: true}
	case m.Size != g.cfg.Size:
		return g.end(refuse("%s was told of %d ranks, rank 0 of %d", rankName(m.Rank, m.Size, m.Host), m.Size, g.cfg.Size))
	case m.Rank < 1 || m.Rank >= g.cfg.Size:
		return g.end(refuse("rank %d on %s is none of 1 to %d", m.Rank, m.Host, g.cfg.Size-1))
	case g.peers[m.Rank] != nil:
		return g.end(refuse("%s came twice, from %s and from %s", rankName(m.Rank, m.Size, ""), g.hosts[m.Rank], m.Host))
	case g.closed:
		return refuse("the run has begun without %s", rankName(m.Rank, m.Size, m.Host))
	}
	g.peers[m.Rank], g.hosts[m.Rank] = w, m.Host
	if len(g.peers) == g.cfg.Size-1 {
		g.finish()
	}
	return nil
}

// end ends the gathering: a world started wrongly is told to all that have come.
func (g *gathering) end(refusal *message) *message {
	if !g.closed {
		g.err = started(refusal.Why)
		g.finish()
	}
	return refusal
}

func (g *gathering) finish() {
	if !g.closed {
		g.closed = true
		close(g.complete)
	}
}

// missing names the ranks that have not come.
func (g *gathering) missing() string {
	var names []string
	for rank := 1; rank < g.cfg.Size; rank++ {
		if g.peers[rank] == nil {
			names = append(names, fmt.Sprint(rank))
		}
	}
	return fmt.Sprintf("rank %s of %d", strings.Join(names, ", "), g.cfg.Size)
}

// started is the error of a world that was started wrongly.
func started(why string) error {
	err := fault.New(fault.Invalid, prefix+"%s", why)
	return fault.Hint(err, "start each rank once, with its own RANK and the same WORLD_SIZE and version of the program")
}

// Dial goes to rank 0 at the first of the addresses where it is found, and returns
// when all ranks are there. Addresses are tried in turn until cfg.Join has passed:
// rank 0 may start later.
func Dial(ctx context.Context, cfg Config, addrs ...string) (*Line, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Join)
	defer cancel()
	var last error
	for {
		for _, addr := range addrs {
			line, err := join(ctx, cfg, addr)
			if err == nil {
				return line, nil
			}
			if _, final := errors.AsType[*fault.Error](err); final {
				return nil, err
			}
			if ctx.Err() == nil {
				last = err
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
			continue
		case <-ctx.Done():
		}
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, ctx.Err()
		}
		err := fault.New(fault.Unavailable, prefix+"rank 0 was not found at %s within %v: %w", strings.Join(addrs, ", "), cfg.Join, cmpErr(last, ctx.Err()))
		return nil, fault.Hint(err, "rank 0 must run on the machine that MASTER_ADDR names, and its port be open")
	}
}

func cmpErr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// join goes to one address. An error with a kind is final; any other says that rank
// 0 is not there, or not yet.
func join(ctx context.Context, cfg Config, addr string) (*Line, error) {
	dialer := net.Dialer{Timeout: handshake}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	w := newWire(conn)
	unhook := context.AfterFunc(ctx, w.close) // receive knows no context
	defer unhook()
	line, err := w.enter(cfg)
	if err != nil {
		w.close()
		return nil, cmpErr(ctx.Err(), err)
	}
	if !unhook() {
		return nil, ctx.Err()
	}
	return start(cfg, map[int]*wire{0: w}, line), nil
}

// enter says who this rank is, waits for all others and returns their machines.
func (w *wire) enter(cfg Config) (hosts []string, err error) {
	m, err := w.receive(handshake)
	if err != nil {
		return nil, fmt.Errorf("whoever listens there is not rank 0: %w", err)
	}
	if m.Kind != kindHub {
		return nil, errors.New("whoever listens there is not rank 0")
	}
	if err := w.send(message{Kind: kindJoin, Protocol: protocol, Key: cfg.Key, Rank: cfg.Rank, Size: cfg.Size, Host: cfg.Host}); err != nil {
		return nil, err
	}
	m, err = w.receive(cfg.Join)
	switch {
	case err != nil && isTimeout(err):
		return nil, err
	case err != nil:
		return nil, fault.New(fault.Unavailable, prefix+"rank 0 of %d died before all ranks had come", cfg.Size)
	case m.Kind == kindRefused && m.Stray:
		return nil, errors.New(m.Why)
	case m.Kind == kindRefused:
		return nil, started(m.Why)
	case m.Kind != kindBegin || len(m.Hosts) != cfg.Size:
		return nil, fault.New(fault.Corrupt, prefix+"rank 0 answers %q for %d ranks", m.Kind, len(m.Hosts))
	}
	return m.Hosts, nil
}
