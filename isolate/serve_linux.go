package isolate

import (
	"errors"
	"io"
)

// mostAsks bounds the readings that a child may want at once: it has a goroutine a
// core that reads, some 200 at most.
const mostAsks = 1024

// answer reads bytes of the slide for the child, beside other readings.
func (s *remote) answer(num uint32, at int64, n int) error {
	if n < 1 || n > askBytes || at < 0 {
		return errors.New("a question for bytes of no place")
	}
	if s.serving.Add(1) > mostAsks {
		return errors.New("more questions for bytes than can be")
	}
	s.asks.Go(func() {
		defer s.serving.Add(-1)
		b := make([]byte, 1+n)
		got, err := s.src.ReadAt(b[1:], at)
		body := [][]byte{b[:1+max(got, 0)]}
		switch {
		case got == n || err == nil:
			b[0] = bytesWhole
		case errors.Is(err, io.EOF):
			b[0] = bytesEnd
		default:
			b[0] = bytesError
			s.mu.Lock()
			s.failed[num] = err
			s.mu.Unlock()
			f := pack(err)
			f.Source = num
			body = [][]byte{b[:1], message(f)}
		}
		s.child.met.served.Add(float64(max(got, 0)))
		_ = s.child.conn.send(toBytes, num, nil, body...) // where it fails, the child is dead
	})
	return nil
}
