package slide_test

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"bcc/fault"
	"bcc/slide"
	"bcc/slide/internal/tifftest"
	"bcc/wsi"
)

// fakeCodec is a decoder of both kinds with a known answer: every value of the
// image is the first byte of the stream.
type fakeCodec struct {
	t      *testing.T
	inUse  atomic.Bool
	closed *atomic.Int32
	seen   func(tables []byte, rgb, ycc bool, reduce int)
}

func (f *fakeCodec) Close() { f.closed.Add(1) }

func (f *fakeCodec) decode(dst []byte, w, h int, src []byte) error {
	if f.inUse.Swap(true) {
		f.t.Error("two goroutines use one decoder")
	}
	defer f.inUse.Store(false)
	if len(dst) != 3*w*h {
		f.t.Errorf("%d bytes for %dx%d", len(dst), w, h)
	}
	for i := range dst {
		dst[i] = src[0]
	}
	return nil
}

type fakeJPEG struct{ *fakeCodec }

func (f fakeJPEG) Decode(dst []byte, w, h int, src, tables []byte, rgb bool, reduce int) error {
	f.seen(tables, rgb, false, reduce)
	return f.decode(dst, w, h, src)
}

type fakeJPEG2000 struct{ *fakeCodec }

func (f fakeJPEG2000) Decode(dst []byte, w, h int, src []byte, ycc bool, reduce int) error {
	f.seen(nil, false, ycc, reduce)
	return f.decode(dst, w, h, src)
}

func fakeCodecs(t *testing.T, opened, closed *atomic.Int32, seen func(tables []byte, rgb, ycc bool, reduce int)) slide.Codecs {
	fake := func() *fakeCodec {
		opened.Add(1)
		return &fakeCodec{t: t, closed: closed, seen: seen}
	}
	return slide.Codecs{
		JPEG:     func() (slide.JPEGDecoder, error) { return fakeJPEG{fake()}, nil },
		JPEG2000: func() (slide.JPEG2000Decoder, error) { return fakeJPEG2000{fake()}, nil },
	}
}

// numbered is a page of 16 tiles of which the i-th is "encoded" as the byte i.
func numbered(compression, photometric int, tags ...tifftest.Tag) *tifftest.Page {
	next := byte(0)
	return &tifftest.Page{W: 256, H: 256, TileW: 64, TileH: 64, Pix: make([]byte, 3*256*256), Tags: tags,
		Compression: compression, Photometric: photometric,
		Encode: func([]byte, int, int) []byte { next++; return []byte{next - 1, 0, 0, 0} }}
}

func TestItTellsTheDecoderWhatTheDirectorySays(t *testing.T) {
	t.Parallel()
	tables := tifftest.Tag{ID: 347, Type: 7, Text: "some tables"}
	for name, c := range map[string]struct {
		page     *tifftest.Page
		tables   string
		rgb, ycc bool
	}{
		"JPEG":            {numbered(tifftest.JPEG, 6, tables), "some tables", false, false},
		"JPEG in RGB":     {numbered(tifftest.JPEG, 2, tables), "some tables", true, false},
		"JPEG, no tables": {numbered(tifftest.JPEG, 6), "", false, false},
		"33003":           {numbered(33003, 2), "", false, true},
		"33004":           {numbered(33004, 2), "", false, true},
		"33005":           {numbered(33005, 2), "", false, false},
		"34712 in RGB":    {numbered(34712, 2), "", false, false},
		"34712 in YCbCr":  {numbered(34712, 6), "", false, true},
	} {
		var opened, closed, reduced atomic.Int32
		codecs := fakeCodecs(t, &opened, &closed, func(tables []byte, rgb, ycc bool, reduce int) {
			if string(tables) != c.tables || rgb != c.rgb || ycc != c.ycc {
				t.Errorf("%s: tables %q, rgb %v, ycc %v", name, tables, rgb, ycc)
			}
			reduced.Store(int32(reduce))
		})
		s := openBytes(t, tifftest.Write(tifftest.Format{}, c.page), slide.Config{Codecs: codecs})
		if got := read(t, s, 0, wsi.Rect{X: 63, Y: 63, W: 2, H: 2}); !bytes.Equal(got, []byte{0, 0, 0, 1, 1, 1, 4, 4, 4, 5, 5, 5}) {
			t.Errorf("%s: corner of four tiles: %v", name, got)
		}
		if _, err := s.Overview(t.Context(), 64); err != nil || reduced.Load() != 3 {
			t.Errorf("%s: overview halved %d times, %v", name, reduced.Load(), err)
		}
		s.Close()
		if opened.Load() != closed.Load() || opened.Load() == 0 {
			t.Errorf("%s: %d decoders opened, %d closed", name, opened.Load(), closed.Load())
		}
	}
}

func TestItServesManyGoroutines(t *testing.T) {
	t.Parallel()
	var opened, closed atomic.Int32
	codecs := fakeCodecs(t, &opened, &closed, func([]byte, bool, bool, int) {})
	s := openBytes(t, tifftest.Write(tifftest.Format{}, numbered(tifftest.JPEG, 6)), slide.Config{Codecs: codecs, CacheBytes: 60_000})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			dst := make([]byte, 3*64*64)
			for i := range 200 {
				tile := (i*7 + g) % 16
				r := wsi.Rect{X: tile % 4 * 64, Y: tile / 4 * 64, W: 64, H: 64} // straight into dst
				if i%2 == 0 {
					r = wsi.Rect{X: r.X + 10, Y: r.Y + 10, W: 20, H: 20} // through the cache
				}
				if err := s.Read(t.Context(), 0, r, dst); err != nil || dst[0] != byte(tile) || dst[3*r.W*r.H-1] != byte(tile) {
					t.Errorf("tile %d: %d, %v", tile, dst[0], err)
					return
				}
			}
		})
	}
	wg.Wait()
	s.Close()
	if opened.Load() > 9 || opened.Load() != closed.Load() {
		t.Errorf("%d decoders opened, %d closed, for 8 goroutines", opened.Load(), closed.Load())
	}
}

func TestItPassesOnThatACodecIsMissing(t *testing.T) {
	t.Parallel()
	missing := fault.New(fault.Unavailable, "the library is not here")
	b := tifftest.Write(tifftest.Format{}, numbered(tifftest.JPEG, 6))
	_, err := slide.Open(bytes.NewReader(b), int64(len(b)), slide.Config{
		Codecs: slide.Codecs{JPEG: func() (slide.JPEGDecoder, error) { return nil, missing }}})
	if !errors.Is(err, missing) || fault.Of(err) != fault.Unavailable {
		t.Errorf("%v, want the codec's own error", err)
	}
}
