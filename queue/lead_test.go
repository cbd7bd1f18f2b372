package queue_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"bcc/fault"
	"bcc/queue"
)

const term = 400 * time.Millisecond

// standing is one who stands for election until the test or stop ends it.
type standing struct {
	*queue.Leader
	stop func()
}

func stand(t *testing.T, q *queue.Queue, id string) standing {
	t.Helper()
	l, err := q.Lead(t.Context(), "autoscale", id, term)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.Run(ctx); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return standing{l, stop}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// neverTwo fails the test where two lead at once. One is asked before and after the
// other: that it led all the while is certain, for between two leads of one lies a look
// at the lease of the other.
func neverTwo(t *testing.T, all ...standing) {
	var wg sync.WaitGroup
	end := make(chan struct{})
	for i, a := range all {
		for j, b := range all {
			if i == j {
				continue
			}
			wg.Go(func() {
				for {
					if a.Leads() && b.Leads() && a.Leads() {
						t.Errorf("%d and %d lead at once", i, j)
						return
					}
					select {
					case <-end:
						return
					case <-time.After(time.Millisecond):
					}
				}
			})
		}
	}
	t.Cleanup(func() { close(end); wg.Wait() })
}

func TestOneLeads(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), -1)
	var all []standing
	for i := range 3 {
		all = append(all, stand(t, open(t, queue.Config{URL: s.ClientURL()}), fmt.Sprint("w", i)))
	}
	neverTwo(t, all...)
	leader := func() int {
		for i, l := range all {
			if l.Leads() {
				return i
			}
		}
		return -1
	}
	until(t, "somebody leads", func() bool { return leader() >= 0 })
	first := leader()
	until(t, "all know who", func() bool {
		for _, l := range all {
			if l.Who() != fmt.Sprint("w", first) {
				return false
			}
		}
		return true
	})
	all[first].stop()
	if all[first].Leads() {
		t.Error("who has gone leads")
	}
	until(t, "another leads", func() bool { l := leader(); return l >= 0 && l != first })
}

func TestALeaderStaysOverMoreThanATerm(t *testing.T) {
	t.Parallel()
	l := stand(t, open(t, queue.Config{Dir: t.TempDir()}), "a")
	until(t, "it leads", l.Leads)
	until(t, "one lead lasts three terms", func() bool { // a machine that stands still for a term ends one
		ctx, cancel, leads := l.While(t.Context())
		defer cancel()
		if !leads {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(3 * term):
			return true
		}
	})
}

// A leader whose packets vanish does not know that another leads: it has to stop by itself.
func TestALeaderWhoIsCutOffStopsBeforeTheNextBegins(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"silence", "closed"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, t.TempDir(), -1)
			p := newProxy(t, s.Addr().String())
			a := stand(t, open(t, queue.Config{URL: "nats://" + p.addr()}), "a")
			until(t, "a leads", a.Leads)
			b := stand(t, open(t, queue.Config{URL: s.ClientURL()}), "b")
			neverTwo(t, a, b)
			var ctx context.Context
			until(t, "a works", func() (leads bool) {
				var cancel context.CancelFunc
				ctx, cancel, leads = a.While(t.Context())
				t.Cleanup(cancel)
				return leads
			})
			p.cut(how == "closed")
			until(t, "its work ends, though nobody told it", func() bool { return ctx.Err() != nil })
			until(t, "b leads", b.Leads)
			if a.Leads() {
				t.Error("a leads without the queue")
			}
			p.mend()
			until(t, "a sees who leads", func() bool { return a.Who() == "b" })
			b.stop()
			until(t, "a leads again", a.Leads)
		})
	}
}

func TestAQueueThatIsStartedAgainKeepsTheLease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, dir, -1)
	port := s.Addr().(*net.TCPAddr).Port
	a := stand(t, open(t, queue.Config{URL: s.ClientURL()}), "a")
	until(t, "a leads", a.Leads)
	b := stand(t, open(t, queue.Config{URL: s.ClientURL()}), "b")
	neverTwo(t, a, b)
	stopServer(s)
	until(t, "nobody leads", func() bool { return !a.Leads() && !b.Leads() })
	startServer(t, dir, port)
	until(t, "somebody leads", func() bool { return a.Leads() || b.Leads() })
}

func TestAnElectionThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	q := open(t, queue.Config{Dir: t.TempDir()})
	for _, c := range []struct {
		name, id string
		term     time.Duration
		want     string
	}{
		{"a b", "x", time.Second, "a b"}, {"a", "", time.Second, "0 letters"}, {"a", "x", time.Millisecond, "1ms"},
	} {
		_, err := q.Lead(t.Context(), c.name, c.id, c.term)
		if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want invalid with %q", err, c.want)
		}
	}
}

// proxy is a network that can be cut.
type proxy struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	mended chan struct{} // closed: it carries; open: what comes waits
	refuse bool
	open   map[net.Conn]bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to, mended: make(chan struct{}), open: map[net.Conn]bool{}}
	close(p.mended)
	go p.run()
	t.Cleanup(func() { p.mend(); l.Close(); p.closeAll() })
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) run() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		refuse := p.refuse
		p.mu.Unlock()
		out, err := net.Dial("tcp", p.to)
		if err != nil || refuse {
			in.Close()
			if out != nil {
				out.Close()
			}
			continue
		}
		p.mu.Lock()
		p.open[in], p.open[out] = true, true
		p.mu.Unlock()
		go p.carry(in, out)
		go p.carry(out, in)
	}
}

func (p *proxy) carry(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		mended := p.mended
		p.mu.Unlock()
		<-mended
		if _, err := to.Write(buf[:n]); err != nil && err != io.EOF {
			return
		}
	}
}

// cut holds back all that comes; closed: ends every connection and takes no new one.
func (p *proxy) cut(closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if closed {
		p.refuse = true
		for c := range p.open {
			c.Close()
		}
		return
	}
	p.mended = make(chan struct{})
}

// mend carries again, also what was held back.
func (p *proxy) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = false
	select {
	case <-p.mended:
	default:
		close(p.mended)
	}
}

func (p *proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close()
	}
}
