package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"bcc/fault"
	"bcc/slide"
	"bcc/wsi"
)

// Read compares reading the aligned JPEG tiles of a slide's level 0 through slide
// with decoding the same streams, already in memory, by the codec alone. Both run
// on one goroutine.
type Read struct {
	Slide   *slide.Slide
	File    io.ReaderAt // of the slide
	Size    int64       // of the file, bytes
	Name    string
	Decoder slide.JPEGDecoder
	Rounds  int
	Tiles   int // at most so many, spread over the level
}

// ReadFigures is what a Read measured.
type ReadFigures struct {
	Bench     string  `json:"bench"`
	Slide     string  `json:"slide"`
	Rounds    int     `json:"rounds"`
	Tiles     int     `json:"tiles"`
	CodecRate float64 `json:"codec_mpx_per_s"` // the codec alone; median
	ReadRate  float64 `json:"read_mpx_per_s"`  // through slide; median
	Ratio     float64 `json:"ratio"`           // read to codec; median of the rounds
	RatioLow  float64 `json:"ratio_low"`
	RatioHigh float64 `json:"ratio_high"`
	Machine   Machine `json:"machine"`
}

// stream is one tile as the file holds it.
type stream struct {
	at   wsi.Rect
	data []byte
}

// Run measures. Each side goes over the same tiles in the same order; the sides
// change every few tiles, so that both meet the same noise.
func (r Read) Run(ctx context.Context) (ReadFigures, error) {
	f := ReadFigures{Bench: "read", Slide: r.Name, Rounds: r.Rounds, Machine: machine(1)}
	if r.Rounds < 1 || r.Tiles < 1 {
		return f, fault.New(fault.Invalid, "bench read: %d rounds of %d tiles: want 1 or more of each", r.Rounds, r.Tiles)
	}
	all, err := readStreams(r.File, r.Size, r.Tiles)
	if err != nil {
		return f, fmt.Errorf("bench read %s: %w", r.Name, err)
	}
	f.Tiles = len(all.tiles)
	tile := all.tiles[0].at
	dst, again := make([]byte, 3*tile.W*tile.H), make([]byte, 3*tile.W*tile.H)
	mpx := float64(f.Tiles) * float64(tile.W*tile.H) / 1e6

	const run = 16 // tiles before the other side's turn
	var codec, read, ratio []float64
	for range r.Rounds + 1 {
		var bare, whole time.Duration
		for i := 0; i < f.Tiles; i += run {
			part := all.tiles[i:min(i+run, f.Tiles)]
			begun := time.Now()
			for _, s := range part {
				if err := r.Decoder.Decode(dst, tile.W, tile.H, s.data, all.tables, all.rgb, 0); err != nil {
					return f, fmt.Errorf("decode tile at %v: %w", s.at, err)
				}
			}
			bare += time.Since(begun)
			begun = time.Now()
			for _, s := range part {
				if err := r.Slide.Read(ctx, 0, s.at, again); err != nil {
					return f, fmt.Errorf("read tile at %v: %w", s.at, err)
				}
			}
			whole += time.Since(begun)
			if !bytes.Equal(dst, again) {
				return f, fmt.Errorf("tile at %v: the reader and the codec give different pixels", part[len(part)-1].at)
			}
		}
		codec, read = append(codec, mpx/bare.Seconds()), append(read, mpx/whole.Seconds())
		ratio = append(ratio, bare.Seconds()/whole.Seconds())
	}
	codec, read, ratio = codec[1:], read[1:], ratio[1:] // the first round warmed up
	f.CodecRate, f.ReadRate, f.Ratio = median(codec), median(read), median(ratio)
	f.RatioLow, f.RatioHigh = spread(ratio)
	return f, nil
}
