package slide_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"bcc/fault"
	"bcc/slide"
	"bcc/slide/internal/tifftest"
	"bcc/wsi"
)

func TestItReadsEveryContainerCompressionAndLayout(t *testing.T) {
	t.Parallel()
	const w, h = 75, 67
	formats := map[string]tifftest.Format{
		"classic-II": {}, "classic-MM": {Order: binary.BigEndian},
		"big-II": {Big: true}, "big-MM": {Big: true, Order: binary.BigEndian},
	}
	layouts := map[string][3]int{ // tile width and height, rows a strip
		"tiles": {32, 16, 0}, "one tile": {80, 80, 0}, "strips of 1": {0, 0, 1}, "strips of 7": {0, 0, 7}, "one strip": {0, 0, 0},
	}
	compressions := map[string]int{
		"none": tifftest.None, "lzw": tifftest.LZW, "deflate": tifftest.Deflate, "zstd": tifftest.Zstd, "packbits": tifftest.PackBits,
	}
	pix := pattern(w, h, 3)
	for fname, f := range formats {
		for lname, l := range layouts {
			for cname, c := range compressions {
				for _, predictor := range []bool{false, true} {
					if predictor && (c == tifftest.None || c == tifftest.PackBits) {
						continue
					}
					name := fmt.Sprintf("%s, %s, %s, predictor %v", fname, lname, cname, predictor)
					b := tifftest.Write(f, &tifftest.Page{W: w, H: h, Pix: pix, Compression: c, Predictor: predictor,
						TileW: l[0], TileH: l[1], RowsPerStrip: l[2]})
					checkPixels(t, name, openBytes(t, b, slide.Config{}), 0, pix)
				}
			}
		}
	}
}

func TestItReadsGrayAndDropsAlpha(t *testing.T) {
	t.Parallel()
	const w, h = 70, 40
	for samples, photometric := range map[int]int{1: 1, 2: 1, 3: 2, 4: 2, 5: 2} {
		for _, c := range []int{tifftest.None, tifftest.Deflate} {
			for _, tile := range []int{0, 32} {
				pix := pattern(w, h, samples)
				b := tifftest.Write(tifftest.Format{}, &tifftest.Page{W: w, H: h, Pix: pix, Samples: samples, Photometric: photometric,
					Compression: c, TileW: tile, TileH: tile, Predictor: c == tifftest.Deflate})
				checkPixels(t, fmt.Sprintf("%d samples, compression %d, tile %d", samples, c, tile), openBytes(t, b, slide.Config{}), 0, rgb(pix, samples))
			}
		}
	}
	white := tifftest.Write(tifftest.Format{}, &tifftest.Page{W: 4, H: 4, Pix: make([]byte, 16), Samples: 1, Photometric: 0})
	if got := read(t, openBytes(t, white, slide.Config{}), 0, wsi.Rect{W: 1, H: 1}); got[0] != 255 {
		t.Errorf("white is zero: %v, want white", got)
	}
}

// A strip above the limit is streamed: forward, back, side by side.
func TestItStreamsStripsThatAreTooLargeToHold(t *testing.T) {
	t.Parallel()
	const w, h = 2000, 3000 // 18 MB a strip
	pix := make([]byte, 3*w*h)
	for i := range pix { // smooth, so that compressing it takes no time
		x, y := i/3%w, i/3/w
		pix[i] = byte(x>>5 + 3*y + 40*(i%3))
	}
	for name, c := range map[string]int{"deflate": tifftest.Deflate, "zstd": tifftest.Zstd} {
		rows := 0 // one strip
		if c == tifftest.Zstd {
			rows = 2900 // a second one begins inside a segment
		}
		b := tifftest.Write(tifftest.Format{}, &tifftest.Page{W: w, H: h, Pix: pix, Compression: c, Predictor: c == tifftest.Deflate, RowsPerStrip: rows})
		s := openBytes(t, b, slide.Config{CacheBytes: 4 << 20})
		for _, r := range []wsi.Rect{
			{X: 100, Y: 2800, W: 300, H: 200}, {X: 7, Y: 10, W: 300, H: 20}, {X: 1800, Y: 2895, W: 300, H: 20}, {Y: 1500, W: w, H: 400},
		} {
			if got := read(t, s, 0, r); !bytes.Equal(got, crop(pix, w, h, r)) {
				t.Errorf("%s %v: other pixels", name, r)
			}
		}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				dst := make([]byte, 3*500*100)
				for y := 0; y < h; y += 100 {
					r := wsi.Rect{X: 500 * i, Y: y, W: 500, H: 100}
					if err := s.Read(t.Context(), 0, r, dst); err != nil || !bytes.Equal(dst, crop(pix, w, h, r)) {
						t.Errorf("%s %v beside others: other pixels, or %v", name, r, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestItShowsTilesThatAreNotStoredAsWhite(t *testing.T) {
	t.Parallel()
	p := plain(64, 64)
	p.TileW, p.TileH = 32, 32
	p.Skip = func(i int) bool { return i != 3 }
	s := openBytes(t, tifftest.Write(tifftest.Format{}, p), slide.Config{})
	if got := read(t, s, 0, wsi.Rect{X: 30, Y: 30, W: 2, H: 2}); got[0] != 255 {
		t.Errorf("absent tile: %v, want white", got[:3])
	}
	if got := read(t, s, 0, wsi.Rect{X: 31, Y: 31, W: 2, H: 2}); got[9] != 200 || got[0] != 255 {
		t.Errorf("corner of four tiles: %v", got)
	}
	p.Skip = func(int) bool { return true }
	err := tryAll(t, tifftest.Write(tifftest.Format{}, p))
	if fault.Of(err) != fault.Corrupt {
		t.Errorf("no tile at all: %v, want corrupt", err)
	}
}

func TestItRefusesSenselessReads(t *testing.T) {
	t.Parallel()
	s := openBytes(t, tifftest.Write(tifftest.Format{}, plain(64, 64)), slide.Config{})
	dst := make([]byte, 3*10*10)
	for name, c := range map[string]struct {
		level int
		r     wsi.Rect
	}{
		"level": {1, wsi.Rect{W: 10, H: 10}}, "negative level": {-1, wsi.Rect{W: 10, H: 10}},
		"empty": {0, wsi.Rect{W: 0, H: 10}}, "too large": {0, wsi.Rect{W: 11, H: 10}}, "overflow": {0, wsi.Rect{W: 1 << 40, H: 1 << 40}},
	} {
		if err := s.Read(t.Context(), c.level, c.r, dst); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Read(ctx, 0, wsi.Rect{W: 10, H: 10}, dst); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := s.Overview(ctx, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled overview: %v", err)
	}
	s.Close()
	if err := s.Read(t.Context(), 0, wsi.Rect{W: 10, H: 10}, dst); fault.Of(err) != fault.Invalid {
		t.Errorf("closed: %v, want invalid", err)
	}
}

func TestItSaysWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for name, tags := range map[string][]tifftest.Tag{
		"16 bits":            {tag(258, tifftest.Short, 16, 16, 16)},
		"palette":            {tag(262, tifftest.Short, 3)},
		"CMYK":               {tag(262, tifftest.Short, 5)},
		"planes":             {tag(284, tifftest.Short, 2)},
		"predictor 3":        {tag(259, tifftest.Short, 5), tag(317, tifftest.Short, 3)},
		"compression 50001":  {tag(259, tifftest.Short, 50001)},
		"sample format 3":    {tag(339, tifftest.Short, 3)},
		"fill order 2":       {tag(266, tifftest.Short, 2)},
		"no JPEG decoder":    {tag(259, tifftest.Short, 7)},
		"no JPEG 2000":       {tag(259, tifftest.Short, 33005)},
		"YCbCr without JPEG": {tag(262, tifftest.Short, 6)},
	} {
		p := plain(32, 32)
		p.Tags = tags
		b := tifftest.Write(tifftest.Format{}, p)
		_, err := slide.Open(bytes.NewReader(b), int64(len(b)), slide.Config{})
		if fault.Of(err) != fault.Unsupported {
			t.Errorf("%s: %v, want unsupported", name, err)
		}
	}
}
