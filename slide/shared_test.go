package slide_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"bcc/fault"
	"bcc/native/jpeg"
	"bcc/native/openjpeg"
	"bcc/slide"
	"bcc/wsi"
)

// The real decoders are used in tests only: the package itself is handed its
// codecs and never imports native code.
var (
	_ slide.JPEGDecoder     = (*jpeg.Decoder)(nil)
	_ slide.JPEG2000Decoder = (*openjpeg.Decoder)(nil)
)

func codecs() slide.Codecs {
	return slide.Codecs{
		JPEG:     func() (slide.JPEGDecoder, error) { return jpeg.NewDecoder() },
		JPEG2000: func() (slide.JPEG2000Decoder, error) { return openjpeg.NewDecoder() },
	}
}

// shared returns the path of a file that is not part of the repository.
func shared(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("BCC_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the shared test data are not here: %v", err)
	}
	return path
}

// openFile opens a slide from a file; without cgo the test is skipped.
func openFile(t testing.TB, path string, cfg slide.Config) *slide.Slide {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Codecs = codecs()
	s, err := slide.Open(f, info.Size(), cfg)
	if fault.Of(err) == fault.Unavailable {
		t.Skip("the decoders are not in this build (no cgo)")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func read(t testing.TB, s *slide.Slide, level int, r wsi.Rect) []byte {
	t.Helper()
	dst := make([]byte, 3*r.W*r.H)
	if err := s.Read(t.Context(), level, r, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// regions are read in the golden and in the oracle test: aligned tiles, rectangles
// across tiles, and ones at the right and lower edge.
var regions = []struct {
	file  string
	level int
	rect  wsi.Rect
	hash  string
}{
	{"skin-morphea.tif", 0, wsi.Rect{X: 10240, Y: 4096, W: 512, H: 512}, "f579ec7e34beeb07"},
	{"skin-morphea.tif", 0, wsi.Rect{X: 12345, Y: 3210, W: 700, H: 600}, "6e9fe9157b9434d6"},
	{"skin-morphea.tif", 0, wsi.Rect{X: 32300, Y: 9300, W: 334, H: 312}, "06eb9534655f03b8"},
	{"skin-morphea.tif", 1, wsi.Rect{X: 5003, Y: 2001, W: 600, H: 512}, "0914211877b85471"},
	{"skin-morphea.tif", 3, wsi.Rect{X: 1500, Y: 400, W: 777, H: 801}, "4f982d2dd8b9d83c"},
	{"skin-morphea.tif", 6, wsi.Rect{X: 0, Y: 0, W: 509, H: 150}, "ed0b9250f4cd235a"},
	{"cmu-1-small-region.svs", 0, wsi.Rect{X: 240, Y: 480, W: 240, H: 240}, "c90a80a51a8a4883"},
	{"cmu-1-small-region.svs", 0, wsi.Rect{X: 100, Y: 1000, W: 900, H: 700}, "78614071e4e297ac"},
	{"cmu-1-small-region.svs", 0, wsi.Rect{X: 1900, Y: 2700, W: 320, H: 267}, "d104dc274c92cb54"},
}

func TestItReadsTheSamePixelsAsEver(t *testing.T) {
	t.Parallel()
	for _, c := range regions {
		s := openFile(t, shared(t, "slides/"+c.file), slide.Config{})
		if got := hash(read(t, s, c.level, c.rect)); got != c.hash {
			t.Errorf("%s level %d %v: hash %s, want %s", c.file, c.level, c.rect, got, c.hash)
		}
	}
}
