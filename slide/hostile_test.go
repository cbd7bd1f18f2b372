package slide_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bcc/fault"
	"bcc/slide"
	"bcc/slide/internal/tifftest"
	"bcc/wsi"
)

// tryAll opens a file and reads from it what a walk would: an overview, and a
// region at the start and at the end of every level.
func tryAll(t *testing.T, b []byte) error {
	t.Helper()
	s, err := slide.Open(bytes.NewReader(b), int64(len(b)), slide.Config{Codecs: codecs(), MPP: wsi.MPP{X: 0.5, Y: 0.5}})
	if err != nil {
		return err
	}
	defer s.Close()
	for i, l := range s.Levels() {
		dst := make([]byte, 3*224*224)
		for _, r := range []wsi.Rect{{W: 224, H: 224}, {X: l.Size.W - 100, Y: l.Size.H - 100, W: 224, H: 224}} {
			if err := s.Read(t.Context(), i, r, dst); err != nil {
				return err
			}
		}
	}
	_, err = s.Overview(t.Context(), 16)
	return err
}

// readable are the files of the collection that are valid by the rules: the flaw
// is in a text that we do not need.
var readable = map[string]bool{"tifftools-bad_unicode.tif": true}

// Not parallel: it watches what is allocated.
func TestItSurvivesHostileFiles(t *testing.T) {
	dir := filepath.Dir(shared(t, "hostile/tifftools-bad_datatype.tif"))
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		err = within(t, f.Name(), b)
		if fault.Of(err) == fault.Unavailable {
			continue // no cgo
		}
		if (err == nil) != readable[f.Name()] {
			t.Errorf("%s: %v", f.Name(), err)
		}
		if kind := fault.Of(err); err != nil && kind != fault.Corrupt && kind != fault.Unsupported {
			t.Errorf("%s: kind %v: %v", f.Name(), kind, err)
		}
	}
}

// within tries a file and holds it to 2 seconds and 512 MB. Everything that was
// ever allocated is counted, which is more than was held at any time.
func within(t *testing.T, name string, b []byte) error {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := tryAll(t, b)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if took > 2*time.Second {
		t.Errorf("%s: took %v", name, took)
	}
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 512 {
		t.Errorf("%s: allocated %d MB", name, used)
	}
	return err
}

// Not parallel: it watches what is allocated.
func TestItRefusesBombs(t *testing.T) {
	zeros := func(n int) []byte { return tifftest.EncodeDeflate(make([]byte, n)) }
	big := zeros(64 << 20)
	page := func(change func(*tifftest.Page)) []byte {
		p := &tifftest.Page{W: 64, H: 64, Pix: make([]byte, 3*64*64), Compression: tifftest.Deflate}
		change(p)
		return tifftest.Write(tifftest.Format{Big: true}, p)
	}
	for name, c := range map[string]struct {
		file []byte
		want fault.Kind
		word string
	}{
		"dimensions of 2^31": {page(func(p *tifftest.Page) {
			p.Tags = []tifftest.Tag{tag(256, tifftest.Long, 1<<31), tag(257, tifftest.Long, 1<<31)}
		}), fault.Corrupt, "beyond any slide"},
		"ten gigapixels in a strip of some bytes": {page(func(p *tifftest.Page) {
			p.Tags = []tifftest.Tag{tag(256, tifftest.Long, 100_000), tag(257, tifftest.Long, 100_000), tag(278, tifftest.Long, 100_000)}
		}), fault.Corrupt, "decompression bomb"},
		"a tile of 2^20 squared": {page(func(p *tifftest.Page) {
			p.TileW, p.TileH = 64, 64
			p.Tags = []tifftest.Tag{tag(322, tifftest.Long, 1<<20), tag(323, tifftest.Long, 1<<20)}
		}), fault.Unsupported, "too large"},
		"a tile of no extent": {page(func(p *tifftest.Page) {
			p.TileW, p.TileH = 64, 64
			p.Tags = []tifftest.Tag{tag(322, tifftest.Long, 0), tag(323, tifftest.Long, 0)}
		}), fault.Corrupt, "no extent"},
		"strips of no rows": {page(func(p *tifftest.Page) {
			p.Tags = []tifftest.Tag{tag(278, tifftest.Long, 0)}
		}), fault.Corrupt, "no rows"},
		"four billion tiles": {page(func(p *tifftest.Page) {
			p.TileW, p.TileH = 64, 64
			p.Tags = []tifftest.Tag{tag(256, tifftest.Long, 1<<18), tag(257, tifftest.Long, 1<<18), tag(322, tifftest.Long, 4), tag(323, tifftest.Long, 4)}
		}), fault.Corrupt, "tiles or strips"},
		"a tile with 64 MB of deflate": {page(func(p *tifftest.Page) {
			p.TileW, p.TileH = 64, 64
			p.Encode = func([]byte, int, int) []byte { return append(big, make([]byte, 1<<20)...) }
		}), fault.Corrupt, "bytes for"},
		"a tile of deflate that ends early": {page(func(p *tifftest.Page) {
			p.TileW, p.TileH = 64, 64
			p.Encode = func([]byte, int, int) []byte { return zeros(100) }
		}), fault.Corrupt, "ends after 100"},
		"LZW with a code of the future": {page(func(p *tifftest.Page) {
			p.Compression, p.Encode = tifftest.LZW, func([]byte, int, int) []byte { return bytes.Repeat([]byte{0x80, 0x7f}, 50) }
		}), fault.Corrupt, "LZW"},
		"zstd that is none": {page(func(p *tifftest.Page) {
			p.Compression, p.Encode = tifftest.Zstd, func([]byte, int, int) []byte { return make([]byte, 100) }
		}), fault.Corrupt, "zstd"},
		"JPEG that is none": {page(func(p *tifftest.Page) {
			p.Compression, p.Encode = tifftest.JPEG, func([]byte, int, int) []byte { return make([]byte, 100) }
		}), fault.Corrupt, "jpeg"},
	} {
		err := within(t, name, c.file)
		if fault.Of(err) == fault.Unavailable {
			continue // no cgo
		}
		if fault.Of(err) != c.want || err == nil || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v (%v), want %v and %q", name, err, fault.Of(err), c.want, c.word)
		}
	}
}

// What a stream goes on to make after the last pixel is never made.
func TestItStopsAtTheLastPixel(t *testing.T) {
	t.Parallel()
	p := &tifftest.Page{W: 64, H: 64, TileW: 64, TileH: 64, Pix: make([]byte, 3*64*64), Compression: tifftest.Deflate}
	p.Encode = func([]byte, int, int) []byte { return tifftest.EncodeDeflate(make([]byte, 20<<20)) }
	b := tifftest.Write(tifftest.Format{}, p)
	if err := tryAll(t, b); err != nil {
		t.Error(err)
	}
}

func TestItFindsTruncationWhenItOpens(t *testing.T) {
	t.Parallel()
	const w, h = 300, 200
	tiled := &tifftest.Page{W: w, H: h, Pix: pattern(w, h, 3), TileW: 64, TileH: 64, Compression: tifftest.Deflate}
	reduced := &tifftest.Page{W: w / 2, H: h / 2, Pix: pattern(w/2, h/2, 3), TileW: 64, TileH: 64, Compression: tifftest.LZW}
	for name, whole := range map[string][]byte{
		"directories last": tifftest.Write(tifftest.Format{}, tiled, reduced),
		// As libvips and COBRA have it, the directories may come first.
		"directories first": directoriesFirst(tiled),
	} {
		if err := tryAll(t, whole); err != nil {
			t.Fatalf("%s: whole: %v", name, err)
		}
		for percent := range 100 {
			b := whole[:len(whole)*percent/100]
			_, err := slide.Open(bytes.NewReader(b), int64(len(b)), slide.Config{})
			if kind := fault.Of(err); err == nil || kind != fault.Corrupt && !(percent == 0 && kind == fault.Unsupported) {
				t.Errorf("%s: cut to %d %%: %v (%v), want corrupt", name, percent, err, kind)
			}
		}
	}
}

// directoriesFirst writes a page behind its own directory.
func directoriesFirst(p *tifftest.Page) []byte {
	b := tifftest.Write(tifftest.Format{}, p)
	first := int(binary.LittleEndian.Uint32(b[4:]))
	data, dir := b[8:first], bytes.Clone(b[first:])
	shift := uint32(len(dir)) // pixels and long values move behind the entries
	for i := range int(binary.LittleEndian.Uint16(dir)) {
		e := dir[2+12*i:]
		size := map[uint16]uint32{tifftest.Short: 2, tifftest.Long: 4}[binary.LittleEndian.Uint16(e[2:])]
		if size*binary.LittleEndian.Uint32(e[4:]) <= 4 {
			continue
		}
		at := binary.LittleEndian.Uint32(e[8:])
		if id := binary.LittleEndian.Uint16(e); id == 324 {
			for k := range binary.LittleEndian.Uint32(e[4:]) {
				o := data[at-8+4*k:]
				binary.LittleEndian.PutUint32(o, binary.LittleEndian.Uint32(o)+shift)
			}
		}
		binary.LittleEndian.PutUint32(e[8:], at+shift)
	}
	binary.LittleEndian.PutUint32(b[4:], 8)
	return append(append(b[:8:8], dir...), data...)
}

func TestItTellsAFailingReaderFromADamagedFile(t *testing.T) {
	t.Parallel()
	b := tifftest.Write(tifftest.Format{}, plain(64, 64))
	lost := fault.New(fault.Unavailable, "the store does not answer")
	_, err := slide.Open(failing{lost}, int64(len(b)), slide.Config{})
	if fault.Of(err) != fault.Unavailable {
		t.Errorf("open: %v, want unavailable", err)
	}
	r := &switching{ReaderAt: bytes.NewReader(b)}
	s, err := slide.Open(r, int64(len(b)), slide.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r.ReaderAt = failing{lost}
	if err := s.Read(t.Context(), 0, wsi.Rect{W: 9, H: 9}, make([]byte, 3*81)); fault.Of(err) != fault.Unavailable {
		t.Errorf("read: %v, want unavailable", err)
	}
	r.ReaderAt = bytes.NewReader(b) // the failure was not kept
	if err := s.Read(t.Context(), 0, wsi.Rect{W: 9, H: 9}, make([]byte, 3*81)); err != nil {
		t.Error(err)
	}
	if s, err = slide.Open(r, int64(len(b)), slide.Config{}); err != nil {
		t.Fatal(err)
	}
	r.ReaderAt = bytes.NewReader(b[:10])
	if err := s.Read(t.Context(), 0, wsi.Rect{W: 64, H: 64}, make([]byte, 3*64*64)); fault.Of(err) != fault.Corrupt {
		t.Errorf("file that shrinks: %v, want corrupt", err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

type switching struct{ io.ReaderAt }

func TestItFindsTruncationOfRealSlides(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"skin-morphea.tif", "cmu-1-small-region.svs"} {
		f, err := os.Open(shared(t, "slides/"+name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		for percent := 1; percent < 100; percent++ {
			size := info.Size() * int64(percent) / 100
			_, err := slide.Open(io.NewSectionReader(f, 0, size), size, slide.Config{Codecs: codecs()})
			if fault.Of(err) != fault.Corrupt {
				t.Errorf("%s cut to %d %%: %v, want corrupt", name, percent, err)
			}
		}
	}
}
