package server

import (
	"bufio"
	"io"
	"strconv"
	"sync"
	"time"
)

// audit keeps one JSON line a decision: who asked, about what, what was said. It
// holds digests and no names. Lines go out once a second and at the end, because a
// write to the disk for each would be dearer than the decision.
type audit struct {
	log  *slogger
	mu   sync.Mutex
	w    *bufio.Writer
	err  error // the first; later lines are lost as well
	line []byte
	stop chan struct{}
	done chan struct{}
}

// decision is what an audit line holds.
type decision struct {
	request, key, slide, digest, model string
	prediction                         string
	score, confidence                  float64
	degraded                           []string
	cached                             bool
	lane                               string // direct or queue
	failed                             string // fault kind; empty: decided
}

const auditEvery = time.Second

func newAudit(w io.Writer, log *slogger) *audit {
	if w == nil {
		return nil
	}
	a := &audit{log: log, w: bufio.NewWriterSize(w, 64<<10), stop: make(chan struct{}), done: make(chan struct{})}
	go a.run()
	return a
}

func (a *audit) run() {
	defer close(a.done)
	tick := time.NewTicker(auditEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.flush()
		case <-a.stop:
			a.flush()
			return
		}
	}
}

func (a *audit) flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed(a.w.Flush())
}

// failed keeps the first error and tells it at once.
func (a *audit) failed(err error) {
	if err != nil && a.err == nil {
		a.err = err
		a.log.Error("the audit log cannot be written", "error", err)
	}
}

// add writes one line. The texts in it are our own words and digests; they are
// quoted all the same.
func (a *audit) add(d decision) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	b := append(a.line[:0], `{"time":"`...)
	b = time.Now().UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, '"')
	for _, f := range [...]struct{ name, value string }{
		{"request_id", d.request}, {"key", d.key}, {"lane", d.lane}, {"slide", d.slide},
		{"slide_sha256", d.digest}, {"model_sha256", d.model}, {"prediction", d.prediction}, {"error", d.failed},
	} {
		if f.value != "" {
			b = append(append(append(b, `,"`...), f.name...), `":`...)
			b = appendQuoted(b, f.value)
		}
	}
	if d.failed == "" {
		b = strconv.AppendFloat(append(b, `,"score":`...), d.score, 'g', -1, 64)
		b = strconv.AppendFloat(append(b, `,"confidence":`...), d.confidence, 'g', -1, 64)
		b = strconv.AppendBool(append(b, `,"cached":`...), d.cached)
		b = append(b, `,"degraded":[`...)
		for i, w := range d.degraded {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQuoted(b, w)
		}
		b = append(b, ']')
	}
	b = append(b, '}', '\n')
	a.line = b
	_, err := a.w.Write(b)
	a.failed(err)
}

// appendQuoted appends s as a JSON string.
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = append(b, string(r)...)
		}
	}
	return append(b, '"')
}

// close writes what is left and returns the first error of all lines.
func (a *audit) close() error {
	if a == nil {
		return nil
	}
	select {
	case <-a.stop:
	default:
		close(a.stop)
	}
	<-a.done
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}
