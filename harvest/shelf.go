package harvest

import (
	"errors"
	"os"
	"sync"

	"bcc/fault"
	"bcc/patch"
	"bcc/slide"
	"bcc/wsi"
)

// handle is an open slide.
type handle struct {
	file   *os.File
	slide  *slide.Slide
	mpp    wsi.MPP
	reader *patch.Reader

	// Under the shelf's lock:
	refs int   // readers, and the shelf itself
	used int64 // when it was last taken
}

// openSlide opens a slide to read patches anywhere on it.
func openSlide(path string, cfg Config) (*handle, error) {
	f, err := os.Open(path)
	if err != nil {
		kind := fault.Unavailable
		if errors.Is(err, os.ErrNotExist) {
			kind = fault.NotFound
		}
		return nil, fault.New(kind, "%w", err)
	}
	h := &handle{file: f, refs: 1}
	if err := h.open(cfg); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *handle) open(cfg Config) error {
	info, err := h.file.Stat()
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	if h.slide, err = slide.Open(h.file, info.Size(), cfg.Slide); err != nil {
		return err
	}
	if h.mpp, err = h.slide.MPP(); err != nil {
		return err
	}
	level0 := h.slide.Levels()[0].Size
	none := &wsi.Mask{Size: wsi.Size{W: 1, H: 1}, ScaleX: float64(level0.W), ScaleY: float64(level0.H), Bits: []byte{0}}
	grid, err := patch.Plan(level0, h.mpp, none, cfg.patchConfig()) // for a patch's extent
	if err != nil {
		return err
	}
	h.reader, err = patch.NewReader(h.slide, grid, cfg.patchConfig())
	return err
}

func (h *handle) close() {
	if h.slide != nil {
		h.slide.Close()
	}
	h.file.Close() // nothing was written
}

// shelf keeps slides open, the least recently used going first. A slide that is being
// read is closed when its last reader is through.
type shelf struct {
	most int
	open func(i int) (*handle, error)

	mu      sync.Mutex
	clock   int64
	handles map[int]*handle
	opening map[int]chan struct{} // closed when somebody has opened the slide, or failed to
	closed  bool
}

func newShelf(most int, open func(int) (*handle, error)) *shelf {
	return &shelf{most: most, open: open, handles: map[int]*handle{}, opening: map[int]chan struct{}{}}
}

// take returns the i-th slide, opening it where it is not open. It has to be given
// back with put.
func (s *shelf) take(i int) (*handle, error) {
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return nil, fault.New(fault.Invalid, "the slides are closed")
		}
		if h := s.handles[i]; h != nil {
			s.clock++
			h.refs, h.used = h.refs+1, s.clock
			s.mu.Unlock()
			return h, nil
		}
		if wait := s.opening[i]; wait != nil {
			s.mu.Unlock()
			<-wait
			continue
		}
		ready := make(chan struct{})
		s.opening[i] = ready
		s.mu.Unlock()

		h, err := s.open(i)
		s.mu.Lock()
		delete(s.opening, i)
		if err == nil {
			s.clock++
			h.refs, h.used = h.refs+1, s.clock
			s.handles[i] = h
			if s.closed { // meanwhile: it goes when its reader is through
				s.drop(i)
			}
			s.evict(i)
		}
		s.mu.Unlock()
		close(ready)
		return h, err
	}
}

// put gives a slide back.
func (s *shelf) put(h *handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release(h)
}

func (s *shelf) release(h *handle) {
	if h.refs--; h.refs == 0 {
		h.close()
	}
}

// evict makes room, sparing the slide that has just come.
func (s *shelf) evict(spare int) {
	for len(s.handles) > s.most {
		oldest := -1
		for i, h := range s.handles {
			if i != spare && (oldest < 0 || h.used < s.handles[oldest].used) {
				oldest = i
			}
		}
		if oldest < 0 {
			return
		}
		s.drop(oldest)
	}
}

func (s *shelf) drop(i int) {
	h := s.handles[i]
	delete(s.handles, i)
	s.release(h)
}

// close closes every slide that nobody reads; the others follow their readers.
func (s *shelf) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for i := range s.handles {
		s.drop(i)
	}
}
