package isolate

import (
	"slices"

	"bcc/fault"
)

// windowStep is what sizes of windows are multiples of, so that the next operation
// finds one that is large enough.
const windowStep = 1 << 20

// window returns one of at least so many bytes, which the child has mapped.
func (s *remote) window(bytes int) (*window, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fault.New(fault.Invalid, "the slide is closed")
	}
	if i := slices.IndexFunc(s.free, func(w *window) bool { return len(w.mem) >= bytes }); i >= 0 {
		w := s.free[i]
		s.free = slices.Delete(s.free, i, i+1)
		w.enter()
		return w, nil
	}
	for _, w := range s.free { // too small: what is asked for grows within a walk
		s.drop(w)
	}
	s.free = s.free[:0]
	s.next++
	size := (bytes + windowStep - 1) / windowStep * windowStep
	w, file, err := newWindow(s.next, max(size, windowStep))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	s.windows = append(s.windows, w)
	_ = s.child.conn.send(toWindow, w.num, file, order.AppendUint64(nil, uint64(len(w.mem)))) // where it fails, what follows does
	return w, nil
}

// drop takes the window away from both; s.mu is held.
func (s *remote) drop(w *window) {
	_ = s.child.conn.send(toDrop, w.num, nil)
	w.retire()
	s.windows = slices.DeleteFunc(s.windows, func(o *window) bool { return o == w })
}

// leave gives back a use of the window.
func (s *remote) leave(w *window) {
	if !w.leave() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.windows, w) {
		s.free = append(s.free, w)
	}
}

// forsake gives the window up, into which the child may still write, and returns err.
func (s *remote) forsake(w *window, err error) error {
	w.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(w)
	return err
}
