package queue

import (
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"bcc/fault"
)

// Tell sends data to everyone who listens to the topic at this moment, in this
// process and on other machines, at most once each. Nobody is waited for. A topic is
// words of letters, digits, - and _ with dots between.
func (q *Queue) Tell(topic string, data []byte) error {
	if !isTopic(topic) {
		return fault.New(fault.Invalid, "topic %.140q: want words of letters, digits, - and _ with dots between", topic)
	}
	if len(data) > MaxData {
		return fault.New(fault.Invalid, "topic %s: %d bytes, want at most %d", topic, len(data), MaxData)
	}
	if err := q.conn.Publish(tellPrefix+topic, data); err != nil {
		return unavailable(err, "tell "+topic)
	}
	return nil
}

// Listen calls f for all that is told on the topic after Listen has returned, one
// call at a time and in the order of each teller. The last word may be > for
// everything below. f keeps data if it likes; while it runs, up to 64 MiB wait and
// the rest is lost. After stop no call begins; one may still run.
func (q *Queue) Listen(topic string, f func(topic string, data []byte)) (stop func(), err error) {
	if above, all := strings.CutSuffix(topic, ".>"); !isTopic(above) || !all && !isTopic(topic) {
		return nil, fault.New(fault.Invalid, "topic %.140q: want words with dots between, the last may be >", topic)
	}
	var stopped atomic.Bool
	sub, err := q.conn.Subscribe(tellPrefix+topic, func(m *nats.Msg) {
		if !stopped.Load() {
			f(strings.TrimPrefix(m.Subject, tellPrefix), m.Data)
		}
	})
	if err != nil {
		return nil, unavailable(err, "listen to "+topic)
	}
	if err := q.conn.FlushTimeout(patience); err != nil { // now the server knows
		sub.Unsubscribe()
		return nil, unavailable(err, "listen to "+topic)
	}
	return func() {
		stopped.Store(true)
		sub.Unsubscribe() // fails on a closed connection only, where nothing comes any more
	}, nil
}

func isTopic(topic string) bool {
	for w := range strings.SplitSeq(topic, ".") {
		if !word.MatchString(w) {
			return false
		}
	}
	return true
}
