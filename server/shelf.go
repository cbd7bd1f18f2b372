package server

import (
	"context"
	"io"
	"maps"
	"slices"
	"sync"

	"bcc/blob"
	"bcc/deepzoom"
	"bcc/fault"
	"bcc/slide"
	"bcc/wsi"
)

// shelf keeps the slides open that viewers look at: to open one costs as much as a
// dozen tiles, and of a picture all of them.
type shelf struct {
	store  blob.Store
	config slide.Config
	opens  func(ctx context.Context, r io.ReaderAt, size int64, cfg slide.Config) (Pixels, error)
	resize func(dst, src []byte, srcW, srcH int, x, y wsi.Taps) // nil: deepzoom's own
	most   int

	mu    sync.Mutex
	open  map[string]*volume
	order []string // by digest, the latest last
}

// volume is one open slide and those who read in it.
type volume struct {
	pyramid *deepzoom.Pyramid
	slide   Pixels
	object  *blob.Object

	ready chan struct{} // closed when it is open, or err says why not
	err   error
	users int
	gone  bool // off the shelf: the last user closes it
}

// viewerCache bounds the decoded tiles that each open slide keeps.
const viewerCache = 24 << 20

// Tiles of slides and heat maps are cut alike. 512 pixels: a screen is a dozen
// requests; a shared pixel: no seams where a viewer scales between two levels.
const (
	tilePx      = 512
	tileOverlap = 1
)

func newShelf(cfg Config) *shelf {
	s := &shelf{store: cfg.Store, config: cfg.Slide, opens: cfg.Open, resize: cfg.Resample, most: cfg.OpenSlides, open: map[string]*volume{}}
	s.config.CacheBytes = viewerCache
	if s.opens == nil {
		s.opens = openHere
	}
	return s
}

// openHere opens a slide in this process.
func openHere(_ context.Context, r io.ReaderAt, size int64, cfg slide.Config) (Pixels, error) {
	s, err := slide.Open(r, size, cfg)
	if err != nil {
		return nil, err // not a typed nil in an interface
	}
	return s, nil
}

// with calls f with the slide of that digest, which it opens where it is not open. One
// that f could not read is opened anew the next time: its decoder may have died.
func (s *shelf) with(ctx context.Context, sha string, f func(*deepzoom.Pyramid) error) error {
	v, mine := s.take(sha)
	defer s.release(v)
	if mine {
		v.err = s.load(context.WithoutCancel(ctx), sha, v) // others wait for it too
		close(v.ready)
		if v.err != nil {
			s.takeDown(sha, v)
		}
	}
	select {
	case <-v.ready:
	case <-ctx.Done():
		return errGone
	}
	if v.err != nil {
		return v.err
	}
	err := f(v.pyramid)
	if kind := fault.Of(err); err != nil && (kind == fault.Corrupt || kind == fault.Unavailable) {
		s.takeDown(sha, v)
	}
	return err
}

// take returns the volume and whether the caller has to load it.
func (s *shelf) take(sha string) (v *volume, mine bool) {
	s.mu.Lock()
	v = s.open[sha]
	if mine = v == nil; mine {
		v = &volume{ready: make(chan struct{})}
		s.open[sha] = v
	} else {
		s.order = slices.DeleteFunc(s.order, func(o string) bool { return o == sha })
	}
	s.order = append(s.order, sha)
	v.users++
	var old []*volume
	for len(s.order) > s.most {
		old = append(old, s.open[s.order[0]])
		delete(s.open, s.order[0])
		s.order = s.order[1:]
	}
	s.mu.Unlock()
	for _, o := range old {
		s.retire(o)
	}
	return v, mine
}

func (s *shelf) load(ctx context.Context, sha string, v *volume) error {
	o, err := s.store.Open(ctx, slideKey(sha))
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			return notFound("slide: its file is not there any more")
		}
		return err
	}
	sl, err := s.opens(ctx, o, o.Size, s.config)
	if err != nil {
		o.Close()
		return err
	}
	v.object, v.slide, v.pyramid = o, sl, deepzoom.New(sl, tilePx, tileOverlap)
	if s.resize != nil {
		v.pyramid.Resample = s.resize
	}
	return nil
}

// takeDown takes a volume off the shelf that could not be opened or read.
func (s *shelf) takeDown(sha string, v *volume) {
	s.mu.Lock()
	if s.open[sha] == v {
		delete(s.open, sha)
		s.order = slices.DeleteFunc(s.order, func(o string) bool { return o == sha })
	}
	s.mu.Unlock()
	s.retire(v)
}

// retire closes a volume that left the shelf, now or when its last user goes.
func (s *shelf) retire(v *volume) {
	s.mu.Lock()
	last := !v.gone && v.users == 0
	v.gone = true
	s.mu.Unlock()
	if last {
		v.close()
	}
}

// clear takes down everything.
func (s *shelf) clear() {
	s.mu.Lock()
	old := slices.Collect(maps.Values(s.open))
	clear(s.open)
	s.order = nil
	s.mu.Unlock()
	for _, v := range old {
		s.retire(v)
	}
}

func (s *shelf) release(v *volume) {
	s.mu.Lock()
	v.users--
	last := v.gone && v.users == 0
	s.mu.Unlock()
	if last {
		v.close()
	}
}

func (v *volume) close() {
	if v.slide != nil {
		_ = v.slide.Close()
		_ = v.object.Close() // nothing was written
	}
}
