package lifeline

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// protocol is raised when old and new programs could not understand each other.
const protocol = 1

// maxMessage bounds a line: 1,024 ranks with their machines' names.
const maxMessage = 128 << 10

// Kinds of message. Unknown ones are ignored.
const (
	kindHub     = "bcc"     // rank 0 speaks first, so that others see at whose door they are
	kindJoin    = "join"    // a rank says who it is
	kindRefused = "refused" // and is not let in
	kindBegin   = "begin"   // all ranks are here
	kindShare   = "share"
	kindBeat    = "beat"
	kindEnd     = "end"  // this rank ends with an error
	kindLost    = "lost" // rank 0 tells of another rank
	kindBye     = "bye"  // this rank has done its part
)

// message is one line of JSON. A kind uses some of the fields.
type message struct {
	Kind     string   `json:"kind"`
	Protocol int      `json:"protocol,omitempty"`
	Key      string   `json:"key,omitempty"`
	Rank     int      `json:"rank,omitempty"`
	Size     int      `json:"size,omitempty"`
	Host     string   `json:"host,omitempty"`
	Hosts    []string `json:"hosts,omitempty"`
	Call     uint64   `json:"call,omitempty"`
	Calls    []uint64 `json:"calls,omitempty"`
	Why      string   `json:"why,omitempty"`
	Stray    bool     `json:"stray,omitempty"` // refused because it belongs elsewhere
	Data     []byte   `json:"data,omitempty"`
}

// parse reads one line.
func parse(line []byte) (message, error) {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return message{}, fmt.Errorf("not a message: %w", err)
	}
	if m.Kind == "" {
		return message{}, errors.New("a message without a kind")
	}
	m.Host, m.Why = shorten(m.Host), shorten(m.Why)
	for i := range m.Hosts {
		m.Hosts[i] = shorten(m.Hosts[i])
	}
	return m, nil
}

// wire sends and receives messages over one connection: one goroutine receives,
// any may send.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	mu   sync.Mutex // of sending
}

func newWire(conn net.Conn) *wire {
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, maxMessage)}
}

// sendPatience bounds a send to a peer that does not read: what is sent fits the
// system's buffers long after the peer has become silent.
const sendPatience = time.Second

func (w *wire) send(m message) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(line) >= maxMessage {
		return fmt.Errorf("a message of %d bytes, at most %d", len(line), maxMessage)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.conn.SetWriteDeadline(time.Now().Add(sendPatience)); err != nil {
		return err
	}
	_, err = w.conn.Write(append(line, '\n'))
	return err
}

func (w *wire) receive(patience time.Duration) (message, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return message{}, err
	}
	line, err := w.in.ReadSlice('\n')
	if err != nil {
		return message{}, err
	}
	return parse(line)
}

func (w *wire) close() { _ = w.conn.Close() }

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}
