package queuetest

import (
	"slices"
	"strings"
	"sync"
	"time"

	"bcc/fault"
	"bcc/queue"
)

// listener is one Listen: words wait for f, which hears one at a time.
type listener struct {
	topic string
	f     func(topic string, data []byte)
	stop  func()
	ended chan struct{}
	more  chan struct{} // cap 1

	mu    sync.Mutex
	words []said
}

type said struct {
	topic string
	data  []byte
	late  time.Duration
}

// Tell is queue.Queue.Tell.
func (m *Memory) Tell(topic string, data []byte) error {
	if !isTopic(topic) || len(data) > queue.MaxData {
		return fault.New(fault.Invalid, "topic %.140q: no topic, or %d bytes are too many", topic, len(data))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	if m.down {
		return nil // it waits to be sent, and is lost
	}
	for _, l := range m.listeners {
		if matches(l.topic, topic) && !m.trouble.hits(m.trouble.Mute) {
			l.hear(said{topic, slices.Clone(data), m.trouble.slow()})
		}
	}
	return nil
}

// Listen is queue.Queue.Listen.
func (m *Memory) Listen(topic string, f func(topic string, data []byte)) (stop func(), err error) {
	above, all := strings.CutSuffix(topic, ".>")
	if !isTopic(above) || !all && !isTopic(topic) {
		return nil, fault.New(fault.Invalid, "topic %.140q: want words with dots between, the last may be >", topic)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errClosed
	}
	l := &listener{topic: topic, f: f, ended: make(chan struct{}), more: make(chan struct{}, 1)}
	l.stop = sync.OnceFunc(func() { close(l.ended) })
	m.listeners = append(m.listeners, l)
	go l.run()
	return func() {
		l.stop()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.listeners = slices.DeleteFunc(m.listeners, func(o *listener) bool { return o == l })
	}, nil
}

func (l *listener) hear(s said) {
	l.mu.Lock()
	l.words = append(l.words, s)
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// run calls f until the listener is stopped.
func (l *listener) run() {
	for {
		l.mu.Lock()
		words := l.words
		l.words = nil
		l.mu.Unlock()
		for _, s := range words {
			if s.late > 0 {
				time.Sleep(s.late)
			}
			select {
			case <-l.ended:
				return
			default:
				l.f(s.topic, s.data)
			}
		}
		select {
		case <-l.more:
		case <-l.ended:
			return
		}
	}
}

func isTopic(topic string) bool {
	for w := range strings.SplitSeq(topic, ".") {
		if !word.MatchString(w) {
			return false
		}
	}
	return true
}
