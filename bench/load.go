package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"bcc/fault"
)

// Load is a stream of /predict requests, each a picture that was never sent
// before: from so many clients, each of which sends its next one when it has its
// answer, and after Retry-After where it was refused (Rate 0), or so many a second
// whatever is answered.
type Load struct {
	Address  string  `json:"address"`       // host:port
	Key      string  `json:"key,omitempty"` // API key; empty: none
	PatchPx  int     `json:"patch_px"`      // side of a picture
	Clients  int     `json:"clients"`       // with a Rate: connections at most
	Rate     float64 `json:"rate"`          // requests a second; 0: each client waits for its answer
	Seconds  float64 `json:"seconds"`       // that are measured
	WarmS    float64 `json:"warm_s"`        // before them, with the same load
	TimeoutS float64 `json:"timeout_s"`     // of one request; default 30
}

// LoadFigures is what became of a load.
type LoadFigures struct {
	Rate       float64        `json:"images_per_s"` // answered with 200
	Sent       int            `json:"sent"`
	Requests   int            `json:"requests"` // warm-up included
	Status     map[string]int `json:"status"`   // answers by HTTP status; what was none by its reason
	Accepted   Latency        `json:"accepted"`
	Refused    Latency        `json:"refused"`               // answered 429
	RetryAfter map[string]int `json:"retry_after,omitempty"` // seconds, of those
	Cached     int            `json:"cached"`                // that the server did not compute: want 0
	Late       float64        `json:"sent_late_p99_ms"`      // behind the schedule, within every latency
	ClientCPU  float64        `json:"client_cpu_ms_per_request"`
	Seconds    float64        `json:"seconds"`
}

// Validate returns every problem at once.
func (l Load) Validate() error {
	var errs []error
	positive := func(name string, v float64) {
		if !(v > 0) || v > 1e6 {
			errs = append(errs, fmt.Errorf("%s %v: want above 0 and at most 1000000", name, v))
		}
	}
	positive("clients", float64(l.Clients))
	positive("seconds", l.Seconds)
	positive("side of a picture", float64(l.PatchPx))
	if l.Rate != 0 {
		positive("rate", l.Rate)
	}
	if l.Address == "" {
		errs = append(errs, errors.New("no address"))
	}
	if err := errors.Join(errs...); err != nil {
		return fault.New(fault.Invalid, "load: %w", err)
	}
	return nil
}

// pictures is how many different patches a load shows.
const pictures = 64

// madePictures keeps them by their side: a process that sends many loads makes them once.
var madePictures sync.Map

// shown returns the pictures of a side. They are not to be changed.
func shown(px int) ([][]byte, error) {
	if p, ok := madePictures.Load(px); ok {
		return p.([][]byte), nil
	}
	p, err := Pictures(pictures, px)
	if err == nil {
		madePictures.Store(px, p)
	}
	return p, err
}

// Run sends the load. It fails when the load is wrong or ctx ends; requests that
// fail are figures.
func (l Load) Run(ctx context.Context) (LoadFigures, error) {
	if err := l.Validate(); err != nil {
		return LoadFigures{}, err
	}
	files, err := shown(l.PatchPx)
	if err != nil {
		return LoadFigures{}, err
	}
	s := &traffic{Load: l, first: rand.Uint64()}
	for _, p := range files {
		s.messages = append(s.messages, newMessage(l.Address, l.Key, p))
	}
	s.begin = time.Now()
	s.from = s.begin.Add(seconds(l.WarmS))
	s.until = s.from.Add(seconds(l.Seconds))
	cpu := CPUSeconds()
	var parts []*tally
	if l.Rate > 0 {
		parts = s.open(ctx)
	} else {
		parts = s.closed(ctx)
	}
	if ctx.Err() != nil {
		return LoadFigures{}, context.Cause(ctx)
	}
	f := s.sum(parts)
	f.Requests = s.sent(parts)
	f.ClientCPU = (CPUSeconds() - cpu) * 1e3 / float64(max(f.Requests, 1))
	return f, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// timeout of one request.
func (l Load) timeout() time.Duration {
	if l.TimeoutS > 0 {
		return seconds(l.TimeoutS)
	}
	return 30 * time.Second
}

// tally is what one client has seen.
type tally struct {
	sent       int // warm-up included
	done       int // answered 200 within the measured time, whenever it was sent
	accepted   []time.Duration
	refused    []time.Duration
	late       []time.Duration
	status     map[string]int
	retryAfter map[string]int
	cached     int
}

func newTally() *tally { return &tally{status: map[string]int{}, retryAfter: map[string]int{}} }

// one sends request n, which was due at the time, takes down what came of it, and
// returns how long the server asks to be left alone.
func (s *traffic) one(c *client, t *tally, n uint64, due time.Time) (pause time.Duration) {
	begun := time.Now()
	a, err := c.do(s.messages[n%uint64(len(s.messages))], s.first+n)
	end := time.Now()
	t.sent++
	ok := err == nil && a.status == 200
	if ok && !end.Before(s.from) && end.Before(s.until) {
		t.done++
	}
	if !ok {
		pause = a.pause() // 1 ms where no answer came: no storm of connections
	}
	if due.Before(s.from) {
		return pause
	}
	t.late = append(t.late, begun.Sub(due))
	switch {
	case err != nil:
		t.status[reason(err)]++
		return pause
	case ok:
		t.accepted = append(t.accepted, end.Sub(due))
		if bytes.Contains(a.body, []byte(`"cached":true`)) || bytes.Contains(a.body, []byte(`"cached": true`)) {
			t.cached++
		}
	case a.status == 429:
		t.refused = append(t.refused, end.Sub(due))
		t.retryAfter[a.retryAfter]++
	}
	t.status[strconv.Itoa(a.status)]++
	return pause
}

// pause returns what Retry-After asks for, at most maxPause; a moment where it does
// not.
func (a answer) pause() time.Duration {
	wait, err := strconv.Atoi(a.retryAfter)
	if err != nil || wait < 0 {
		return time.Millisecond
	}
	return min(time.Duration(wait)*time.Second, maxPause)
}

// maxPause keeps a client that is told to come again tomorrow in the measurement.
const maxPause = 2 * time.Second

// reason names a failure in few words, so that a thousand alike are one line.
func reason(err error) string {
	for ; ; err = errors.Unwrap(err) {
		if isTimeout(err) {
			return "timeout"
		}
		if errors.Unwrap(err) == nil {
			return err.Error()
		}
	}
}

// sum puts the clients' tallies together.
func (s *traffic) sum(parts []*tally) LoadFigures {
	all := newTally()
	for _, p := range parts {
		all.done += p.done
		all.cached += p.cached
		all.accepted = append(all.accepted, p.accepted...)
		all.refused = append(all.refused, p.refused...)
		all.late = append(all.late, p.late...)
		for k, n := range p.status {
			all.status[k] += n
		}
		for k, n := range p.retryAfter {
			all.retryAfter[k] += n
		}
	}
	span := s.until.Sub(s.from).Seconds()
	f := LoadFigures{
		Rate: float64(all.done) / span, Seconds: span, Status: all.status, RetryAfter: all.retryAfter, Cached: all.cached,
		Accepted: latencyOf(all.accepted), Refused: latencyOf(all.refused), Late: latencyOf(all.late).P99,
	}
	for _, n := range all.status {
		f.Sent += n
	}
	return f
}

func (s *traffic) sent(parts []*tally) (n int) {
	for _, p := range parts {
		n += p.sent
	}
	return n
}
