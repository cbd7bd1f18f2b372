//go:build oracle

package slide_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bcc/slide"
	"bcc/wsi"
)

// These tests compare with the programs of OpenSlide and libvips:
//
//	go test -tags oracle ./slide

func TestItReadsWhatOpenSlideReads(t *testing.T) {
	t.Parallel()
	for _, c := range regions {
		if c.level > 1 {
			continue // OpenSlide's downsample is not whole there, and its tool interpolates
		}
		path := shared(t, "slides/"+c.file)
		s := openFile(t, path, slide.Config{})
		out := filepath.Join(t.TempDir(), "region.png")
		r := c.rect
		down := int(s.Levels()[c.level].DownX) // OpenSlide takes its origin in level-0 pixels
		run(t, "openslide-write-png", path, fmt.Sprint(r.X*down), fmt.Sprint(r.Y*down), fmt.Sprint(c.level), fmt.Sprint(r.W), fmt.Sprint(r.H), out)
		compare(t, fmt.Sprintf("%s level %d %v", c.file, c.level, r), read(t, s, c.level, r), out, 0)
	}
}

func TestItReadsWhatVipsReads(t *testing.T) {
	t.Parallel()
	for _, c := range regions {
		path := shared(t, "slides/"+c.file)
		s := openFile(t, path, slide.Config{})
		dir := t.TempDir()
		page, out := filepath.Join(dir, "page.v"), filepath.Join(dir, "region.png")
		r := c.rect
		from := fmt.Sprintf("%s[page=%d]", path, c.level)
		if filepath.Ext(path) == ".svs" { // else libvips would go through OpenSlide
			run(t, "vips", "tiffload", path, page)
			from = page
		}
		run(t, "vips", "crop", from, out, fmt.Sprint(r.X), fmt.Sprint(r.Y), fmt.Sprint(r.W), fmt.Sprint(r.H))
		compare(t, fmt.Sprintf("%s level %d %v", c.file, c.level, r), read(t, s, c.level, r), out, 0)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// compare demands the very bytes, or values that differ by no more than allowed.
func compare(t *testing.T, what string, got []byte, path string, allowed int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if differs, worst := differences(got, m); worst > allowed {
		t.Errorf("%s: %d of %d values differ, by up to %d", what, differs, len(got), worst)
	}
}

func differences(got []byte, m image.Image) (n, worst int) {
	b := m.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			r, g, bl, _ := m.At(b.Min.X+x, b.Min.Y+y).RGBA()
			for k, v := range []uint32{r, g, bl} {
				d := int(got[3*(y*b.Dx()+x)+k]) - int(v>>8)
				if d != 0 {
					n++
					worst = max(worst, d, -d)
				}
			}
		}
	}
	return n, worst
}

// Every way that libvips has of writing a slide is read back as libvips reads it.
func TestItReadsWhatVipsWrites(t *testing.T) {
	t.Parallel()
	src := shared(t, "slides/cmu-1-small-region.svs")
	dir := t.TempDir()
	page, region := filepath.Join(dir, "page.v"), filepath.Join(dir, "region.v")
	run(t, "vips", "tiffload", src, page)
	run(t, "vips", "crop", page, region, "500", "700", "613", "467")
	for _, options := range []string{
		"compression=none", "compression=none,tile", "compression=none,bigtiff",
		"compression=lzw", "compression=lzw,predictor=horizontal,tile",
		"compression=deflate", "compression=deflate,predictor=horizontal,tile,bigtiff",
		"compression=zstd", "compression=zstd,predictor=horizontal,tile", "compression=packbits",
		"compression=jpeg,Q=90", "compression=jpeg,Q=50,tile", "compression=jpeg,tile,tile-width=128,tile-height=64,rgbjpeg",
		"compression=jpeg,tile,pyramid", "compression=jpeg,tile,pyramid,subifd", "compression=deflate,tile,pyramid,properties",
		"compression=jp2k,tile", "compression=jp2k,tile,lossless", "compression=jp2k,tile,tile-width=512,tile-height=512,Q=40",
	} {
		out, png := filepath.Join(dir, "out.tif"), filepath.Join(dir, "out.png")
		os.Remove(out)
		run(t, "vips", "copy", region, out+"["+options+"]")
		run(t, "vips", "tiffload", out, png)
		s := openFile(t, out, slide.Config{})
		size := s.Levels()[0].Size
		allowed := 0
		if strings.Contains(options, "jp2k") {
			allowed = 1 // it converts colours in floating point
		}
		compare(t, options, read(t, s, 0, wsi.Rect{W: size.W, H: size.H}), png, allowed)
		if strings.Contains(options, "pyramid") && len(s.Levels()) < 3 {
			t.Errorf("%s: %d levels", options, len(s.Levels()))
		}
	}
}
