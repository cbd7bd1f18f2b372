package slide_test

import (
	"os"
	"testing"

	"bcc/native/jpeg"
	"bcc/slide"
	"bcc/slide/tiff"
	"bcc/wsi"
)

// The bare decoder on the tiles of a level, and the reader on the same tiles: the
// ratio is what the reader costs. Both report Mpx/s of one core.
func BenchmarkAlignedTiles(b *testing.B) {
	path := shared(b, "slides/skin-morphea.tif")
	s := openFile(b, path, slide.Config{})
	l := s.Levels()[1]
	cols, rows := l.Size.W/l.Tile.W, l.Size.H/l.Tile.H // whole tiles only
	dst := make([]byte, 3*l.Tile.W*l.Tile.H)

	b.Run("reader", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			r := wsi.Rect{X: i % cols * l.Tile.W, Y: i / cols % rows * l.Tile.H, W: l.Tile.W, H: l.Tile.H}
			if err := s.Read(b.Context(), 1, r, dst); err != nil {
				b.Fatal(err)
			}
		}
		report(b, len(dst)/3)
	})
	b.Run("bare", func(b *testing.B) {
		streams, tables := tilesOf(b, path, 1)
		d, err := jpeg.NewDecoder()
		if err != nil {
			b.Fatal(err)
		}
		defer d.Close()
		all := (l.Size.W + l.Tile.W - 1) / l.Tile.W
		for i := 0; b.Loop(); i++ {
			src := streams[i/cols%rows*all+i%cols]
			if err := d.Decode(dst, l.Tile.W, l.Tile.H, src, tables, false, 0); err != nil {
				b.Fatal(err)
			}
		}
		report(b, len(dst)/3)
	})
}

// A patch of 224 px in reading order, through the cache.
func BenchmarkPatches(b *testing.B) {
	for _, file := range []string{"skin-morphea.tif", "cmu-1-small-region.svs"} {
		b.Run(file, func(b *testing.B) {
			s := openFile(b, shared(b, "slides/"+file), slide.Config{})
			l := s.Levels()[0]
			const side, band = 224, 40 // patches across: what the cache holds
			dst := make([]byte, 3*side*side)
			cols, rows := min(band, l.Size.W/side), l.Size.H/side
			for i := 0; b.Loop(); i++ {
				r := wsi.Rect{X: i%cols*side + 5, Y: i/cols%rows*side + 9, W: side, H: side}
				if err := s.Read(b.Context(), 0, r, dst); err != nil {
					b.Fatal(err)
				}
			}
			report(b, side*side)
		})
	}
}

func report(b *testing.B, pixels int) {
	b.ReportMetric(float64(pixels)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpx/s")
}

// tilesOf returns the streams of a page's tiles, held in memory.
func tilesOf(b *testing.B, path string, page int) (streams [][]byte, tables []byte) {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	t, err := tiff.Parse(f, info.Size())
	if err != nil {
		b.Fatal(err)
	}
	d := t.Directories[page]
	offsets, err := d.Uints(tiff.TileOffsets, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	counts, err := d.Uints(tiff.TileByteCounts, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	for i, at := range offsets {
		src := make([]byte, counts[i])
		if _, err := f.ReadAt(src, int64(at)); err != nil {
			b.Fatal(err)
		}
		streams = append(streams, src)
	}
	tables, err = d.Bytes(tiff.JPEGTables, 1<<16)
	if err != nil {
		b.Fatal(err)
	}
	return streams, tables
}
