package synth_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"image"
	"image/jpeg"
	_ "image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/image/tiff/lzw"

	"bcc/synth"
	"bcc/wsi"
)

// memory is a file in memory.
type memory struct{ b []byte }

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if n := int(off) + len(p); n > len(m.b) {
		m.b = append(m.b, make([]byte, n-len(m.b))...)
	}
	return copy(m.b[off:], p), nil
}

func write(t testing.TB, s *synth.Scene, workers int) (slide, mask []byte) {
	t.Helper()
	var a, b memory
	if err := synth.Write(t.Context(), &a, &b, s, synth.WriteConfig{Workers: workers}); err != nil {
		t.Fatal(err)
	}
	return a.b, b.b
}

func TestItWritesTheSameBytesWithAnyNumberOfWorkers(t *testing.T) {
	t.Parallel()
	for _, v := range []synth.Variant{synth.Pyramid, synth.SVS, synth.FlatLZW, synth.PNG} {
		c := config(3, 800, 600)
		c.BCC, c.Variant = true, v
		s := scene(t, c)
		slide, mask := write(t, s, 1)
		for _, n := range []int{3, 8} {
			other, otherMask := write(t, s, n)
			if !bytes.Equal(slide, other) || !bytes.Equal(mask, otherMask) {
				t.Errorf("%s: %d workers write other bytes than one", v, n)
			}
		}
	}
}

// ifd is a TIFF directory as an independent reading of the standard sees it.
type ifd map[uint16][]uint64

const (
	tagSubfile, tagWidth, tagHeight, tagScheme, tagPhotometric = 254, 256, 257, 259, 262
	tagDescription, tagStrips, tagStripCounts                  = 270, 273, 279
	tagXRes, tagPredictor, tagTileW, tagTiles, tagTileCounts   = 282, 317, 322, 324, 325
)

// parse reads the directories of a TIFF file; values of any type come as numbers,
// rationals as numerator and denominator in turn.
func parse(t testing.TB, b []byte) []ifd {
	t.Helper()
	var o binary.ByteOrder = binary.LittleEndian
	if b[0] == 'M' {
		o = binary.BigEndian
	}
	big := o.Uint16(b[2:]) == 43
	word := func(at uint64) uint64 {
		if big {
			return o.Uint64(b[at:])
		}
		return uint64(o.Uint32(b[at:]))
	}
	size := map[uint16]uint64{2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 16: 8}
	at := word(4)
	if big {
		at = word(8)
	}
	var out []ifd
	for at != 0 {
		n, entry, inline := uint64(o.Uint16(b[at:])), uint64(12), uint64(4)
		at += 2
		if big {
			n, entry, inline = o.Uint64(b[at-2:]), 20, 8
			at += 6
		}
		d, last := ifd{}, uint16(0)
		for range n {
			tag, kind, count := o.Uint16(b[at:]), o.Uint16(b[at+2:]), word(at+4)
			if tag <= last {
				t.Fatalf("tag %d follows %d", tag, last)
			}
			last = tag
			v := at + 4 + inline
			if size[kind]*count > inline {
				v = word(v)
			}
			if kind == 5 {
				count, kind = count*2, 4
			}
			for range count {
				switch size[kind] {
				case 1:
					d[tag] = append(d[tag], uint64(b[v]))
				case 2:
					d[tag] = append(d[tag], uint64(o.Uint16(b[v:])))
				case 4:
					d[tag] = append(d[tag], uint64(o.Uint32(b[v:])))
				case 8:
					d[tag] = append(d[tag], o.Uint64(b[v:]))
				default:
					t.Fatalf("tag %d has type %d", tag, kind)
				}
				v += size[kind]
			}
			at += entry
		}
		at = word(at)
		out = append(out, d)
	}
	return out
}

func (d ifd) one(tag uint16) int {
	if len(d[tag]) == 0 {
		return 0
	}
	return int(d[tag][0])
}

func (d ifd) text(tag uint16) string {
	var s strings.Builder
	for _, c := range d[tag] {
		s.WriteByte(byte(c))
	}
	return s.String()
}

// pixels decodes a whole page with the standard library.
func (d ifd) pixels(t testing.TB, b []byte, samples int) []byte {
	t.Helper()
	w, h := d.one(tagWidth), d.one(tagHeight)
	out := make([]byte, samples*w*h)
	tw, th := w, d.one(278)
	offs, counts := d[tagStrips], d[tagStripCounts]
	if d[tagTileW] != nil {
		tw, th = d.one(tagTileW), d.one(323)
		offs, counts = d[tagTiles], d[tagTileCounts]
	}
	cols := (w + tw - 1) / tw
	for i, off := range offs {
		x0, y0 := i%cols*tw, i/cols*th
		pix := unpack(t, d, b[off:off+counts[i]], samples*tw)
		for y := range min(th, h-y0) {
			n := min(tw, w-x0)
			copy(out[samples*((y0+y)*w+x0):][:samples*n], pix[samples*y*tw:])
		}
	}
	return out
}

func unpack(t testing.TB, d ifd, b []byte, stride int) []byte {
	t.Helper()
	var out []byte
	var err error
	switch d.one(tagScheme) {
	case 1:
		out = b
	case 5:
		out, err = io.ReadAll(lzw.NewReader(bytes.NewReader(b), lzw.MSB, 8))
	case 7:
		var m image.Image
		if m, err = jpeg.Decode(bytes.NewReader(b)); err == nil {
			out = flatten(m, d.one(tagPhotometric) == 2)
		}
	case 8:
		var z io.ReadCloser
		if z, err = zlib.NewReader(bytes.NewReader(b)); err == nil {
			out, err = io.ReadAll(z)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if d.one(tagPredictor) == 2 {
		out = slices.Clone(out)
		for y := 0; y < len(out); y += stride {
			for x := 3; x < stride; x++ {
				out[y+x] += out[y+x-3]
			}
		}
	}
	return out
}

// flatten returns RGB bytes; raw: Y, Cb and Cr are red, green and blue in truth.
func flatten(m image.Image, raw bool) []byte {
	r := m.Bounds()
	out := make([]byte, 0, 3*r.Dx()*r.Dy())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if c, ok := m.(*image.YCbCr); ok && raw {
				out = append(out, c.Y[c.YOffset(x, y)], c.Cb[c.COffset(x, y)], c.Cr[c.COffset(x, y)])
				continue
			}
			cr, cg, cb, _ := m.At(x, y).RGBA()
			out = append(out, byte(cr>>8), byte(cg>>8), byte(cb>>8))
		}
	}
	return out
}

func meanError(a, b []byte) float64 {
	sum := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		sum += max(d, -d)
	}
	return float64(sum) / float64(len(a))
}

func TestItsVariantsAreReadBack(t *testing.T) {
	t.Parallel()
	const w, h = 1300, 900
	sizes := [][2]int{{1300, 900}, {650, 450}, {325, 225}}
	for _, c := range []struct {
		variant synth.Variant
		magic   string
		levels  [][2]int // by page, associated pictures apart
		scheme  int
		photo   int
		exact   bool
		mpp     bool
	}{
		{synth.Pyramid, "II\x2b", sizes, 7, 6, false, true},
		{synth.Rotated, "II\x2b", sizes, 7, 6, false, true},
		{synth.NoMPP, "II\x2b", sizes, 7, 6, false, false},
		{synth.BigEndian, "MM\x00\x2a", append(sizes[:3:3], [2]int{162, 112}), 7, 6, false, true},
		{synth.SVS, "II\x2a", [][2]int{{1300, 900}, {768, 531}, {325, 225}, {387, 463}, {1280, 431}}, 7, 2, false, false},
		{synth.Flat, "II\x2a", sizes[:1], 1, 2, true, true},
		{synth.FlatLZW, "II\x2a", sizes[:1], 5, 2, true, true},
		{synth.FlatDeflate, "II\x2a", sizes[:1], 8, 2, true, true},
	} {
		t.Run(string(c.variant), func(t *testing.T) {
			t.Parallel()
			cfg := config(9, w, h)
			cfg.Variant, cfg.BCC = c.variant, true
			s := scene(t, cfg)
			slide, mask := write(t, s, 2)
			if !bytes.HasPrefix(slide, []byte(c.magic)) {
				t.Fatalf("file starts with %q", slide[:4])
			}
			pages := parse(t, slide)
			if len(pages) != len(c.levels) {
				t.Fatalf("%d pages, want %d", len(pages), len(c.levels))
			}
			for i, p := range pages {
				if got := [2]int{p.one(tagWidth), p.one(tagHeight)}; got != c.levels[i] {
					t.Errorf("page %d is %v, want %v", i, got, c.levels[i])
				}
			}
			base := pages[0]
			if base.one(tagScheme) != c.scheme || base.one(tagPhotometric) != c.photo {
				t.Errorf("compression %d, photometric %d", base.one(tagScheme), base.one(tagPhotometric))
			}
			if res := base[tagXRes]; c.mpp != (res != nil) || c.mpp && res[0] != 20000*res[1] {
				t.Errorf("resolution %v, want 20000 pixels a centimetre: %v", res, c.mpp)
			}
			rgb, classes := render(s, wsi.Rect{W: w, H: h})
			got := base.pixels(t, slide, 3)
			if c.exact && !bytes.Equal(got, rgb) || meanError(got, rgb) > 6 {
				t.Errorf("pixels differ by %.1f on average", meanError(got, rgb))
			}
			if m := parse(t, mask)[0].pixels(t, mask, 1); !bytes.Equal(m, classes) {
				t.Error("the mask in the file is not the mask rendered")
			}
			if c.variant == synth.SVS {
				checkAperio(t, pages)
			} else if len(pages) > 1 && pages[1].one(tagSubfile) != 1 {
				t.Error("the second level is not marked as reduced")
			}
		})
	}
}

func checkAperio(t *testing.T, pages []ifd) {
	t.Helper()
	if d := pages[0].text(tagDescription); !strings.HasPrefix(d, "Aperio") || !strings.Contains(d, "|MPP = 0.5000") {
		t.Errorf("description %q", d)
	}
	if !strings.Contains(pages[3].text(tagDescription), "label 387x463") || pages[3].one(tagSubfile) != 1 {
		t.Error("the fourth page is no label")
	}
	if !strings.Contains(pages[4].text(tagDescription), "macro 1280x431") || pages[4].one(tagSubfile) != 9 {
		t.Error("the fifth page is no macro picture")
	}
}

func TestItsSmallerLevelsAreAveragesOfTheLarger(t *testing.T) {
	t.Parallel()
	s := scene(t, config(9, 1300, 900))
	slide, _ := write(t, s, 2)
	pages := parse(t, slide)
	full, half := pages[0].pixels(t, slide, 3), pages[1].pixels(t, slide, 3)
	want := make([]byte, len(half))
	for y := range 450 {
		for x := range 650 {
			for k := range 3 {
				at := func(dx, dy int) int { return int(full[3*((2*y+dy)*1300+2*x+dx)+k]) }
				want[3*(y*650+x)+k] = byte((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4)
			}
		}
	}
	if e := meanError(half, want); e > 5 { // both went through JPEG
		t.Errorf("level 1 differs from level 0 by %.1f on average", e)
	}
}

func TestItWritesPictures(t *testing.T) {
	t.Parallel()
	for _, v := range []synth.Variant{synth.PNG, synth.JPEG} {
		c := config(4, 600, 520)
		c.Variant = v
		s := scene(t, c)
		b, _ := write(t, s, 2)
		m, format, err := image.Decode(bytes.NewReader(b))
		if err != nil || format != string(v) {
			t.Fatalf("%s: %s, %v", v, format, err)
		}
		rgb, _ := render(s, wsi.Rect{W: 600, H: 520})
		if e := meanError(flatten(m, false), rgb); e > 6 || v == synth.PNG && e != 0 {
			t.Errorf("%s: pixels differ by %.1f on average", v, e)
		}
	}
}

func TestItWritesASetWithItsTruths(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "set")
	var seen []string
	err := synth.WriteSet(t.Context(), dir, synth.SetConfig{
		Slide: config(5, 420, 400), Count: 6, BCC: 0.5,
		Done: func(_ int, path string) { seen = append(seen, path) },
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) != 7 || strings.Join(rows[0][:4], ",") != "path,label,group,split" {
		t.Fatalf("labels.csv: %v %v", rows, err)
	}
	positive, groups := 0, map[string]bool{}
	for _, r := range rows[1:] {
		name := strings.TrimSuffix(r[0], ".tif")
		for _, ext := range []string{".tif", ".mask.tif", ".json", ".geojson"} {
			if _, err := os.Stat(filepath.Join(dir, name+ext)); err != nil {
				t.Error(err)
			}
		}
		if r[1] == "1" {
			positive++
		}
		groups[r[2]] = true
		truth, _ := os.ReadFile(filepath.Join(dir, name+".json"))
		if !strings.Contains(string(truth), `"label": `+r[1]) {
			t.Errorf("%s: table says label %s, truth does not", name, r[1])
		}
	}
	all, _ := os.ReadDir(dir)
	if positive != 3 || len(groups) != 6 || len(seen) != 6 || len(all) != 26 { // four a slide, the table, the card
		t.Errorf("%d positive, %d groups, %d reported, %d files", positive, len(groups), len(seen), len(all))
	}
}

func TestItDividesASetWithBothLabelsInEverySplit(t *testing.T) {
	t.Parallel()
	count := map[string]int{}
	for _, it := range (synth.SetConfig{Slide: config(8, 400, 400), Count: 100, BCC: 0.4}).Items() {
		count[it.Split]++
		if it.Slide.BCC {
			count[it.Split+"+"]++
			count[string(it.Slide.Growth)]++
		}
	}
	for split, want := range map[string]int{"train": 70, "val": 10, "test": 20, "train+": 28, "val+": 4, "test+": 8, "nodular": 14, "superficial": 13, "infiltrative": 13} {
		if count[split] != want {
			t.Errorf("%d slides are %s, want %d", count[split], split, want)
		}
	}
}

// brokenEncoder fails at some tile, as a disk or a library may.
type brokenEncoder struct {
	synth.TileEncoder
	tiles *atomic.Int64
}

var errBroken = errors.New("the encoder broke")

func (e brokenEncoder) Encode(dst, rgb []byte, w, h int, asRGB bool) ([]byte, error) {
	if e.tiles.Add(-1) < 0 {
		return nil, errBroken
	}
	return e.TileEncoder.Encode(dst, rgb, w, h, asRGB)
}

func (e brokenEncoder) EncodeAbbreviated(dst, rgb []byte, w, h int, asRGB bool) ([]byte, error) {
	if e.tiles.Add(-1) < 0 {
		return nil, errBroken
	}
	return e.TileEncoder.EncodeAbbreviated(dst, rgb, w, h, asRGB)
}

func TestItLeavesNoFileBehindWhenItFails(t *testing.T) {
	t.Parallel()
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	breaking := func(after int64) func(int, string) (synth.TileEncoder, error) {
		tiles := new(atomic.Int64)
		tiles.Store(after)
		return func(quality int, subsampling string) (synth.TileEncoder, error) {
			e, err := synth.NewGoEncoder(quality, subsampling)
			return brokenEncoder{e, tiles}, err
		}
	}
	for _, c := range []struct {
		what    string
		ctx     context.Context
		encoder func(int, string) (synth.TileEncoder, error)
		block   string // a folder stands where this file should
		want    error
	}{
		{what: "stopped", ctx: stopped, want: context.Canceled},
		{what: "no encoder", encoder: func(int, string) (synth.TileEncoder, error) { return nil, errBroken }, want: errBroken},
		{what: "first tile", encoder: breaking(0), want: errBroken},
		{what: "last level", encoder: breaking(4), want: errBroken},
		{what: "no room for the outlines", block: "s.geojson"},
		{what: "no room for the slide", block: "s.tif"},
	} {
		dir := t.TempDir()
		if c.block != "" {
			if err := os.MkdirAll(filepath.Join(dir, c.block, "x"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if c.ctx == nil {
			c.ctx = t.Context()
		}
		_, err := synth.WriteFiles(c.ctx, dir, "s", scene(t, config(1, 700, 600)), synth.WriteConfig{Workers: 2, NewEncoder: c.encoder})
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range left {
			if f.Name() != c.block {
				t.Errorf("%s: %s was left behind", c.what, f.Name())
			}
		}
	}
}
