//go:build linux

package isolate_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"reflect"
	"sync"
	"testing"
	"time"

	"bcc/fault"
	"bcc/isolate"
	"bcc/patch"
	"bcc/slide"
	"bcc/synth"
	"bcc/wsi"
)

func encode(w io.Writer, m image.Image) {
	if err := png.Encode(w, m); err != nil {
		panic(err)
	}
}

func TestItReadsTheSameBytesAsThisProcess(t *testing.T) {
	t.Parallel()
	p := newPool(t, config())
	for _, v := range []synth.Variant{synth.Pyramid, synth.SVS, synth.FlatDeflate, synth.PNG} {
		b := synthetic(t, v)
		cfg := slide.Config{Codecs: codecs()}
		s, err := slide.Open(bytes.NewReader(b), int64(len(b)), cfg)
		if err != nil {
			t.Fatal(err)
		}
		want := here{s}
		t.Cleanup(func() { s.Close() })
		for source, r := range map[string]io.ReaderAt{"file": asFile(t, b), "bytes": bytes.NewReader(b), "object": object{bytes.NewReader(b), asFile(t, b)}} {
			got := open(t, p, r, len(b), cfg)
			mpp, err1 := want.MPP()
			mppGot, err2 := got.MPP()
			if got.Format() != want.Format() || !reflect.DeepEqual(got.Levels(), want.Levels()) || mpp != mppGot || !errors.Is(err1, err2) {
				t.Errorf("%s from %s: %s %v %v %v", v, source, got.Format(), got.Levels(), mppGot, err2)
			}
			a, err1 := want.Overview(t.Context(), 9)
			o, err2 := got.Overview(t.Context(), 9)
			if err1 != nil || err2 != nil || !reflect.DeepEqual(a, o) {
				t.Errorf("%s from %s: the overview differs: %v %v", v, source, err1, err2)
			}
			for _, r := range []wsi.Rect{{X: 3, Y: 5, W: 300, H: 200}, {X: 600, Y: 620, W: 100, H: 100}, {X: -7, Y: -9, W: 2000, H: 1700}} {
				x, y := make([]byte, 3*r.W*r.H), make([]byte, 3*r.W*r.H)
				if err := errors.Join(want.Read(t.Context(), 0, r, x), got.Read(t.Context(), 0, r, y)); err != nil || !bytes.Equal(x, y) {
					t.Errorf("%s from %s: %v differs: %v", v, source, r, err)
				}
			}
			pc := patch.DefaultConfig(48, 1)
			g := everywhere(want.Levels()[0].Size, mpp, 50)
			x, err1 := patches(t.Context(), want, g, pc)
			y, err2 := patches(t.Context(), got, g, pc)
			if err1 != nil || err2 != nil || !reflect.DeepEqual(x, y) {
				t.Errorf("%s from %s: patches differ: %v %v", v, source, err1, err2)
			}
			if err := got.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if words := p.Degraded(); len(words) > 0 {
		t.Errorf("here all limits are known: %v", words)
	}
}

// object is a reader of bytes that lie in a file: the child reads the file.
type object struct {
	io.ReaderAt
	file *os.File
}

func (o object) File() *os.File { return o.file }

func TestItSendsEachPatchOnceWhateverTheRoom(t *testing.T) {
	t.Parallel()
	p := newPool(t, config())
	b := picture(400, 300)
	s := open(t, p, bytes.NewReader(b), len(b), slide.Config{MPP: wsi.MPP{X: 1, Y: 1}})
	g := everywhere(s.Levels()[0].Size, wsi.MPP{X: 1, Y: 1}, 10)
	for _, prefetch := range []int{1, 2, 3, 7, 8, 9, 32, 100, 5000} {
		for _, readers := range []int{1, 2, 9} {
			cfg := patch.DefaultConfig(8, 1.25)
			cfg.Prefetch, cfg.Readers = prefetch, readers
			var mu sync.Mutex
			var read, released int
			cfg.Read = func(time.Duration) { mu.Lock(); read++; mu.Unlock() }
			cfg.Released = func() { mu.Lock(); released++; mu.Unlock() }
			all, err := patches(t.Context(), s, g, cfg)
			if err != nil {
				t.Fatalf("room for %d, %d readers: %v", prefetch, readers, err)
			}
			for i, pix := range all {
				if len(pix) != 3*8*8 {
					t.Fatalf("room for %d, %d readers: patch %d has %d bytes", prefetch, readers, i, len(pix))
				}
			}
			if read != g.Len() || released != g.Len() {
				t.Errorf("room for %d, %d readers: %d were read, %d released, of %d", prefetch, readers, read, released, g.Len())
			}
		}
	}
}

// A receiver takes batches: it holds as many as there is room for and releases all.
func TestItFillsTheRoomThatItWasGiven(t *testing.T) {
	t.Parallel()
	p := newPool(t, config())
	b := picture(400, 300)
	s := open(t, p, bytes.NewReader(b), len(b), slide.Config{MPP: wsi.MPP{X: 1, Y: 1}})
	g := everywhere(s.Levels()[0].Size, wsi.MPP{X: 1, Y: 1}, 10)
	cfg := patch.DefaultConfig(8, 1.25)
	cfg.Prefetch, cfg.Readers = 24, 2
	out := make(chan wsi.Patch)
	ended := make(chan error, 1)
	go func() { ended <- s.Patches(t.Context(), g, cfg, out) }()
	for left := g.Len(); left > 0; {
		var held []wsi.Patch
		for range min(16, left) { // its readers take runs of 8, of which one may not be free
			held = append(held, <-out)
		}
		left -= len(held)
		for _, h := range held {
			h.Release()
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestItReadsAnEmptyGrid(t *testing.T) {
	t.Parallel()
	p := newPool(t, config())
	b := picture(40, 30)
	s := open(t, p, bytes.NewReader(b), len(b), slide.Config{MPP: wsi.MPP{X: 1, Y: 1}})
	g := wsi.Lay(s.Levels()[0].Size, wsi.MPP{X: 1, Y: 1}, wsi.Size{W: 10, H: 10}, 0)
	if all, err := patches(t.Context(), s, g, patch.DefaultConfig(8, 1.25)); err != nil || len(all) != 0 {
		t.Errorf("%d patches, %v", len(all), err)
	}
}

func TestItGivesTheErrorsOfThisProcess(t *testing.T) {
	t.Parallel()
	p := newPool(t, config())
	pyramid := synthetic(t, synth.Pyramid)
	broken := bytes.Clone(pyramid)
	for i := 400; i < len(broken); i += 97 {
		broken[i] ^= 0x55
	}
	for name, b := range map[string][]byte{
		"empty": {}, "words": []byte("this is no slide, it is a text of some length"),
		"cut": pyramid[:len(pyramid)/2], "broken": broken, "head": pyramid[:20],
		"picture": picture(64, 64)[:300],
	} {
		for source, r := range map[string]io.ReaderAt{"file": asFile(t, b), "bytes": bytes.NewReader(b)} {
			cfg := slide.Config{Codecs: codecs()}
			want := visit(t.Context(), func() (walkable, error) {
				s, err := slide.Open(bytes.NewReader(b), int64(len(b)), cfg)
				if err != nil {
					return nil, err
				}
				return here{s}, nil
			})
			got := visit(t.Context(), func() (walkable, error) {
				s, err := p.Open(t.Context(), r, int64(len(b)), cfg)
				if err != nil {
					return nil, err
				}
				return s, nil
			})
			same := want != nil && got != nil && got.Error() == want.Error() && fault.Of(got) == fault.Of(want) && fault.HintOf(got) == fault.HintOf(want)
			for _, is := range []error{io.EOF, io.ErrUnexpectedEOF, slide.ErrNoMPP, isolate.ErrKilled} {
				same = same && errors.Is(got, is) == errors.Is(want, is)
			}
			if !same {
				t.Errorf("%s from %s: %v, want %v", name, source, got, want)
			}
		}
	}
}

type walkable interface {
	walker
	Levels() []wsi.Level
	Overview(ctx context.Context, down float64) (*wsi.Overview, error)
	Read(ctx context.Context, level int, r wsi.Rect, dst []byte) error
	Close() error
}

// visit opens a slide and reads all of it, and returns the first error.
func visit(ctx context.Context, open func() (walkable, error)) error {
	s, err := open()
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Overview(ctx, 1); err != nil {
		return err
	}
	size := s.Levels()[0].Size
	return s.Read(ctx, 0, wsi.Rect{W: size.W, H: size.H}, make([]byte, 3*size.Area()))
}

func TestItTellsThatAScaleIsMissing(t *testing.T) {
	t.Parallel()
	p := newPool(t, config())
	b := picture(64, 64)
	s := open(t, p, bytes.NewReader(b), len(b), slide.Config{})
	if _, err := s.MPP(); !errors.Is(err, slide.ErrNoMPP) || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	if _, err := s.Overview(t.Context(), -1); fault.Of(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
	if err := s.Read(t.Context(), 5, wsi.Rect{W: 1, H: 1}, make([]byte, 3)); fault.Of(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
	if err := s.Read(t.Context(), 0, wsi.Rect{W: 9, H: 9}, make([]byte, 3)); fault.Of(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
	if _, err := p.Open(t.Context(), bytes.NewReader(b), int64(len(b)), slide.Config{Workers: -1}); fault.Of(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
	s.Close()
	if _, err := s.Overview(t.Context(), 2); fault.Of(err) != fault.Invalid || err == nil {
		t.Errorf("a closed slide: %v", err)
	}
}

// errAway is what a store says that does not answer.
var errAway = fault.New(fault.Unavailable, "the store does not answer")

// failing fails from the n-th reading on.
type failing struct {
	io.ReaderAt
	mu   sync.Mutex
	left int
}

func (f *failing) ReadAt(p []byte, at int64) (int, error) {
	f.mu.Lock()
	f.left--
	over := f.left < 0
	f.mu.Unlock()
	if over {
		return 0, errAway
	}
	return f.ReaderAt.ReadAt(p, at)
}

func TestItGivesBackTheErrorsOfItsReader(t *testing.T) {
	t.Parallel()
	p := newPool(t, config())
	b := synthetic(t, synth.Pyramid)
	for _, n := range []int{0, 1, 4, 7} {
		err := visit(t.Context(), func() (walkable, error) {
			s, err := p.Open(t.Context(), &failing{ReaderAt: bytes.NewReader(b), left: n}, int64(len(b)), slide.Config{})
			if err != nil {
				return nil, err
			}
			return s, nil
		})
		if !errors.Is(err, errAway) || fault.Of(err) != fault.Unavailable || errors.Is(err, isolate.ErrKilled) {
			t.Errorf("after %d readings: %v", n, err)
		}
	}
}
