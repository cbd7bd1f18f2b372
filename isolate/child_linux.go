package isolate

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"bcc/fault"
)

// startWithin is how long a child may take to begin. It takes 50 ms; a machine with
// ten times the work it has room for takes a second.
const startWithin = time.Minute

// child is one decoding process, seen from here.
type child struct {
	cfg  *Config
	met  *metrics
	log  *slog.Logger
	cmd  *exec.Cmd
	conn *conn
	says *os.File // its standard error
	used int      // slides; the pool's

	heard atomic.Int64 // frames
	next  atomic.Uint32
	begun chan ready

	mu      sync.Mutex
	ops     map[uint32]*op
	serve   func(num uint32, at int64, n int) error // answers fromAsk; nil without a slide
	verdict *end                                    // why it was ended from here

	dead chan struct{} // closed when the process is gone; end says why
	end  end
}

// op is something that the child was asked for.
type op struct {
	num  uint32
	done chan done               // cap 1
	some func(body []byte) error // takes a fromSome; an error: the child lies
	owes func() bool             // whether it is the child's turn; nil: it is
}

// startChild starts a child and waits until it has bound itself.
func startChild(cfg *Config, n *nest, met *metrics) (*child, ready, error) {
	c, err := launch(cfg, n, met)
	if err != nil {
		return nil, ready{}, fault.New(fault.Unavailable, "start decoder: %w", err)
	}
	h := hello{Memory: cfg.Memory, CPU: int64(cfg.CPU/time.Second) * int64(cfg.Slides), Patience: int64(cfg.Patience)}
	_ = c.conn.send(toHello, 0, nil, message(h)) // where it fails, the child is dead
	select {
	case r := <-c.begun:
		return c, r, nil
	case <-c.dead:
		return nil, ready{}, fault.New(fault.Unavailable, "start decoder: %s", c.end.why)
	case <-time.After(startWithin):
		c.kill(causeSilence, "it did not begin")
		<-c.dead
		return nil, ready{}, fault.New(fault.Unavailable, "start decoder: it did not begin within %v", startWithin)
	}
}

func launch(cfg *Config, n *nest, met *metrics) (*child, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	said, says, err := os.Pipe()
	if err != nil {
		ours.Close()
		return nil, err
	}
	defer says.Close()
	conn, err := newConn(ours, maxFromChild)
	if err == nil {
		c := &child{
			cfg: cfg, met: met, log: cfg.Logger, conn: conn, says: said,
			begun: make(chan ready, 1), ops: map[uint32]*op{}, dead: make(chan struct{}),
		}
		c.cmd, err = n.start(func() *exec.Cmd {
			cmd := exec.Command(cfg.Command[0], cfg.Command[1:]...)
			if cfg.Name != "" {
				cmd.Args[0] = cfg.Name
			}
			cmd.Env = append([]string{"GOTRACEBACK=single"}, cfg.Env...)
			cmd.ExtraFiles = []*os.File{theirs}
			cmd.Stderr = says
			return cmd
		})
		if err == nil {
			met.started.Inc()
			met.alive.Inc()
			go c.listen()
			return c, nil
		}
	}
	ours.Close()
	said.Close()
	return nil, err
}

// listen hears the child until it is gone, and buries it.
func (c *child) listen() {
	err := c.hear()
	if hungUp(err) {
		// It ended: that is known in a moment, unless it only closed its socket.
		late := time.AfterFunc(time.Second, func() { c.kill(causeLie, "it hung up") })
		defer late.Stop()
	} else {
		c.kill(causeLie, "it said what makes no sense: "+err.Error())
	}
	_ = c.cmd.Wait() // how it ended is in the state
	_ = c.says.SetReadDeadline(time.Now().Add(time.Second))
	words, _ := io.ReadAll(io.LimitReader(c.says, 64<<10))
	c.says.Close()
	c.conn.close()

	c.mu.Lock()
	if c.verdict != nil {
		c.end = *c.verdict
	} else {
		c.end = endOf(c.cmd.ProcessState, string(words), c.cfg.Memory)
	}
	c.mu.Unlock()
	c.met.alive.Dec()
	c.met.ended.WithLabelValues(c.end.cause).Inc()
	if c.end.cause != causeReleased && c.end.cause != causeCancelled {
		c.log.Warn("a decoding process ended", "cause", c.end.cause, "why", c.end.why)
	}
	close(c.dead)
}

// hungUp reports whether err says that the other end is closed.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)
}

// hear takes frames until one cannot be had or makes no sense.
func (c *child) hear() error {
	for {
		f, err := c.conn.receive()
		if err != nil {
			return err
		}
		c.heard.Add(1)
		if err := c.handle(f); err != nil {
			return err
		}
	}
}

func (c *child) handle(f frame) error {
	switch f.kind {
	case fromReady:
		var r ready
		if err := json.Unmarshal(f.body, &r); err != nil {
			return err
		}
		select {
		case c.begun <- r:
		default:
			return errors.New("it began twice")
		}
	case fromDone:
		var d done
		if err := json.Unmarshal(f.body, &d); err != nil {
			return err
		}
		if o := c.forget(f.num); o != nil {
			o.done <- d
		}
	case fromSome:
		if o := c.find(f.num); o != nil && o.some != nil {
			return o.some(f.body)
		}
	case fromAsk:
		if len(f.body) != 12 {
			return errors.New("a question for bytes of no place")
		}
		c.mu.Lock()
		serve := c.serve
		c.mu.Unlock()
		if serve == nil {
			return errors.New("a question for bytes of no slide")
		}
		return serve(f.num, int64(order.Uint64(f.body)), int(order.Uint32(f.body[8:])))
	case fromAlive:
	default:
		return errors.New("an unknown word")
	}
	return nil
}

// begin registers a new operation.
func (c *child) begin(o *op) *op {
	o.num, o.done = c.next.Add(1), make(chan done, 1)
	c.mu.Lock()
	c.ops[o.num] = o
	c.mu.Unlock()
	return o
}

func (c *child) find(num uint32) *op {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ops[num]
}

func (c *child) forget(num uint32) *op {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.ops[num]
	delete(c.ops, num)
	return o
}

// owing reports whether it is the child's turn to say something.
func (c *child) owing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.ops {
		if o.owes == nil || o.owes() {
			return true
		}
	}
	return false
}

// busy reports whether something is still asked for.
func (c *child) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ops) > 0
}

// kill ends the child. The first cause that is given counts.
func (c *child) kill(cause, why string) {
	c.mu.Lock()
	if c.verdict == nil {
		c.verdict = &end{cause: cause, why: why}
	}
	c.mu.Unlock()
	_ = c.cmd.Process.Kill() // or it is gone already, which the verdict must not hide
}

func (c *child) frames() int64 { return c.heard.Load() }

func (c *child) ended() <-chan struct{} { return c.dead }

// gone reports whether the process is gone.
func (c *child) gone() bool {
	select {
	case <-c.dead:
		return true
	default:
		return false
	}
}

// cpu is the processor time that the child has used.
func (c *child) cpu() time.Duration {
	// The clock of a process by its number: clock_getcpuclockid(3).
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^c.cmd.Process.Pid<<3|2), &t); err != nil {
		return 0 // it has ended
	}
	return time.Duration(t.Nano())
}
