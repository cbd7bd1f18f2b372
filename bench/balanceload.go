package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A balancer's load is one of reads and of small pictures to predict, half of each, all
// of which may be done twice. Their share, their order and their times come from a seed:
// each side of a comparison is sent the same.

// balanceLoad is sent to one address, or in turn to each of several.
type balanceLoad struct {
	Addresses []string
	Rate      float64 // a second, whatever is answered; 0: each client waits for its answer
	Clients   int     // connections at most
	Warm      time.Duration
	For       time.Duration
	Until     <-chan struct{} // where there is one: at least until it is closed
	Timeout   time.Duration   // of one request
	Seed      uint64
}

// pictureBytes is the size of a picture to predict: a JPEG file of 224 px.
const pictureBytes = 12 << 10

// longestLoad bounds a load that waits for something that does not come.
const longestLoad = 2 * time.Minute

// balanceTally is what became of the requests of a load that were due after its warm-up.
type balanceTally struct {
	sent     int // warm-up included
	measured int
	took     []time.Duration // of those answered 200, from when they were due
	errors   map[string]int  // the others, by status or reason
	again    int             // sent a second time on a new connection, for the kept one was closed
	late     []time.Duration // behind the schedule
	ends     []time.Time     // of all answers 200
	begin    time.Time       // of what was measured
	end      time.Time       // when the last one was due
}

// rate returns how many answers came a second while requests did.
func (t *balanceTally) rate() float64 {
	n := 0
	for _, at := range t.ends {
		if !at.Before(t.begin) && !at.After(t.end) {
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return float64(n) / t.end.Sub(t.begin).Seconds()
}

func (t *balanceTally) add(o *balanceTally) {
	t.sent += o.sent
	t.measured += o.measured
	t.again += o.again
	t.took = append(t.took, o.took...)
	t.ends = append(t.ends, o.ends...)
	t.late = append(t.late, o.late...)
	for k, n := range o.errors {
		t.errors[k] += n
	}
}

// balanceMessages are a read and a picture, as they go to an address.
func balanceMessages(address string) [2][]byte {
	read := fmt.Sprintf("GET /slides/c0-0/slide_files/12/3_4.jpeg HTTP/1.1\r\nHost: %s\r\nUser-Agent: bcc-bench\r\n\r\n", address)
	var post strings.Builder
	fmt.Fprintf(&post, "POST /predict HTTP/1.1\r\nHost: %s\r\nUser-Agent: bcc-bench\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", address, pictureBytes)
	post.WriteString(strings.Repeat("p", pictureBytes))
	return [2][]byte{[]byte(read), []byte(post.String())}
}

// balanceSender is one client: a connection to each address.
type balanceSender struct {
	*balanceRun
	conns []*client
	tally balanceTally
}

// balanceRun is a load under way.
type balanceRun struct {
	balanceLoad
	messages    [][2][]byte
	begin, from time.Time
}

func (r *balanceRun) sender() *balanceSender {
	s := &balanceSender{balanceRun: r, tally: balanceTally{errors: map[string]int{}}}
	for _, a := range r.Addresses {
		s.conns = append(s.conns, &client{address: a, timeout: r.Timeout})
	}
	return s
}

func (s *balanceSender) close() {
	for _, c := range s.conns {
		c.close()
	}
}

// balanceRequest is one of a load: its place in it, whether it is a picture, and when it
// is due.
type balanceRequest struct {
	n       int
	picture bool
	due     time.Time
}

// one sends a request. A kept connection that turns out to be closed, without a byte of
// an answer, is opened again once, as every client does; it is counted.
func (s *balanceSender) one(q balanceRequest) {
	at := q.n % len(s.conns)
	c := s.conns[at]
	kind := 0
	if q.picture {
		kind = 1
	}
	begun := time.Now()
	c.out = append(c.out[:0], s.messages[at][kind]...)
	kept := c.conn != nil && c.used
	a, err := c.exchange()
	again := err != nil && kept && !c.heard && !isTimeout(err)
	if again {
		c.close()
		a, err = c.exchange()
	}
	if err != nil {
		c.close()
	}
	t, end := &s.tally, time.Now()
	t.sent++
	if err == nil && a.status == 200 {
		t.ends = append(t.ends, end)
	}
	if q.due.Before(s.from) {
		return
	}
	t.measured++
	t.late = append(t.late, begun.Sub(q.due))
	if again {
		t.again++
	}
	switch {
	case err != nil:
		t.errors[reason(err)]++
	case a.status != 200:
		t.errors[strconv.Itoa(a.status)]++
	default:
		t.took = append(t.took, end.Sub(q.due))
	}
}

// over reports whether no more requests are due after so long.
func (r *balanceRun) over(since time.Duration) bool {
	if since < r.Warm+r.For {
		return false
	}
	if r.Until == nil || since > longestLoad {
		return true
	}
	select {
	case <-r.Until:
		return true
	default:
		return false
	}
}

// run sends the load and waits for its last answer.
func (l balanceLoad) run(ctx context.Context) (balanceTally, error) {
	r := &balanceRun{balanceLoad: l, begin: time.Now()}
	r.from = r.begin.Add(l.Warm)
	for _, a := range l.Addresses {
		r.messages = append(r.messages, balanceMessages(a))
	}
	send := r.open
	if l.Rate == 0 {
		send = r.closed
	}
	sum := balanceTally{errors: map[string]int{}}
	senders, last := send(ctx)
	for _, s := range senders {
		sum.add(&s.tally)
	}
	sum.begin, sum.end = r.from, last
	if ctx.Err() != nil {
		return sum, context.Cause(ctx)
	}
	return sum, nil
}

// open sends requests when they are due; see traffic.open.
func (r *balanceRun) open(ctx context.Context) (senders []*balanceSender, last time.Time) {
	waiting := make(chan balanceRequest, r.Clients+int(2*r.Rate))
	var free atomic.Int64
	var wg sync.WaitGroup
	more := func() {
		s := r.sender()
		senders = append(senders, s)
		wg.Go(func() {
			defer s.close()
			for q := range waiting {
				s.one(q)
				free.Add(1)
			}
		})
	}
	plan, kinds := newSchedule(r.Rate, r.Seed), rand.New(rand.NewPCG(r.Seed, 5))
	for n := 0; ctx.Err() == nil; n++ {
		next := plan.next()
		if r.over(next) {
			break
		}
		q := balanceRequest{n, kinds.Float64() < 0.5, r.begin.Add(next)}
		if wait := time.Until(q.due); wait > 0 {
			time.Sleep(wait)
		}
		if free.Add(-1) < 0 && len(senders) < r.Clients {
			free.Add(1) // the new one is busy at once
			more()
		}
		waiting <- q
		last = q.due
	}
	close(waiting)
	wg.Wait()
	return senders, last
}

// closed has every client send its next request when it has its answer.
func (r *balanceRun) closed(ctx context.Context) (senders []*balanceSender, last time.Time) {
	var wg sync.WaitGroup
	for i := range r.Clients {
		s := r.sender()
		senders = append(senders, s)
		kinds := rand.New(rand.NewPCG(r.Seed, uint64(i)))
		wg.Go(func() {
			defer s.close()
			for n := i; ctx.Err() == nil; n++ {
				now := time.Now()
				if r.over(now.Sub(r.begin)) {
					return
				}
				s.one(balanceRequest{n, kinds.Float64() < 0.5, now})
			}
		})
	}
	wg.Wait()
	return senders, time.Now()
}
