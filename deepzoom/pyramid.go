package deepzoom

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math"

	"golang.org/x/sync/semaphore"

	"bcc/fault"
	"bcc/wsi"
)

// Source is a slide as a pyramid reads it: slide.Slide. Several goroutines call it at
// once.
type Source interface {
	Levels() []wsi.Level
	// Read writes the pixels of r, in pixels of the level, to dst as RGB
	// (3*r.W*r.H bytes).
	Read(ctx context.Context, level int, r wsi.Rect, dst []byte) error
}

// Pyramid makes the tiles of one slide. It is safe for concurrent use, as long as its
// source is open. The zero Resample is wsi.Resample.
type Pyramid struct {
	Geometry

	// Resample scales pixels, with the bytes of wsi.Resample. Set it before the first
	// tile is asked for; the one in native/pixel is some 25 times as fast.
	Resample func(dst, src []byte, srcW, srcH int, x, y wsi.Taps)

	src      Source
	levels   []wsi.Level
	overview overview
}

// New returns the pyramid of src in tiles of tilePx, each of which shares overlap
// pixels with its neighbours. Where src is an Overviewer too, also slides without
// small levels get all of theirs.
func New(src Source, tilePx, overlap int) *Pyramid {
	levels := src.Levels()
	var size wsi.Size
	if len(levels) > 0 {
		size = levels[0].Size
	}
	p := &Pyramid{Geometry: NewGeometry(size, tilePx, overlap), Resample: wsi.Resample, src: src, levels: levels}
	p.overview = overview{size: size, room: semaphore.NewWeighted(1)}
	p.overview.src, _ = src.(Overviewer)
	return p
}

// DZI returns the description of the pyramid.
func (p *Pyramid) DZI() []byte { return p.Geometry.DZI("jpg") }

// What a tile may cost. A pyramid's levels lie 2 or 4 apart, so that a tile of 512
// pixels needs 2052² of the finer level.
const (
	slabPixels   = 4 << 20  // held at a time: 12 MB
	directPixels = 24 << 20 // read for a tile; beyond, the overview serves it
)

// Tile returns the pixels of the tile (x, y) of a level, resampled from the nearest
// level of the slide that is not coarser. NotFound: there is no such tile. Unsupported:
// the slide has no level near and no overview.
func (p *Pyramid) Tile(ctx context.Context, level, x, y int) (*wsi.Image, error) {
	at, err := p.Rect(level, x, y)
	if err != nil {
		return nil, err
	}
	out := wsi.NewImage(at.W, at.H)
	if err := p.fill(ctx, out, at, float64(p.Down(level))); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, fault.New(fault.Of(err), "tile (%d,%d) at level %d: %w", x, y, level, err)
	}
	return out, nil
}

// fill makes out of the pixels at, of a level that is down times smaller.
func (p *Pyramid) fill(ctx context.Context, out *wsi.Image, at wsi.Rect, down float64) error {
	l := p.levels[wsi.BestLevel(p.levels, down)]
	across, along := newAxis(at.X, at.W, down/l.DownX, l.Size.W), newAxis(at.Y, at.H, down/l.DownY, l.Size.H)
	if int64(across.n)*int64(along.n) > directPixels {
		m, err := p.overview.get(ctx)
		if err != nil {
			return err
		}
		across, along = newAxis(at.X, at.W, down/m.ScaleX, m.W), newAxis(at.Y, at.H, down/m.ScaleY, m.H)
		return p.scale(ctx, out, across, along, func(_ context.Context, r wsi.Rect, dst []byte) error {
			for y := range r.H {
				copy(dst[3*r.W*y:3*r.W*(y+1)], m.Row(r.Y + y)[3*r.X:])
			}
			return nil
		})
	}
	return p.scale(ctx, out, across, along, func(ctx context.Context, r wsi.Rect, dst []byte) error {
		return p.src.Read(ctx, l.Index, r, dst)
	})
}

// scale makes out of what read gives, so many of its rows at a time that memory
// stays small.
func (p *Pyramid) scale(ctx context.Context, out *wsi.Image, across, along axis, read func(context.Context, wsi.Rect, []byte) error) error {
	if across.copies() && along.copies() {
		return read(ctx, wsi.Rect{X: across.from, Y: along.from, W: across.n, H: along.n}, out.Pix)
	}
	var buf []byte
	for row := 0; row < out.H; {
		taps, first, high := along.slab(row, slabPixels/across.n)
		if n := 3 * across.n * high; cap(buf) < n {
			buf = make([]byte, n)
		}
		src := buf[:3*across.n*high]
		if err := read(ctx, wsi.Rect{X: across.from, Y: along.from + first, W: across.n, H: high}, src); err != nil {
			return err
		}
		next := row + len(taps.First)
		p.Resample(out.Pix[3*out.W*row:3*out.W*next], src, across.n, high, across.taps, taps)
		row = next
	}
	return nil
}

// axis maps the pixels of a tile to those of what it is made from, in one direction.
type axis struct {
	from, n int // first pixel needed, and how many
	taps    wsi.Taps
}

// newAxis returns what out pixels from the pixel at on need, each scale pixels of an
// axis of length. At the ends of that axis its last pixels stand for what lies
// beyond; elsewhere nothing is clamped, so that tiles that touch agree.
func newAxis(at, out int, scale float64, length int) axis {
	begin, end := float64(at)*scale, float64(at+out)*scale
	support := math.Max(scale, 1)
	from := min(max(int(math.Floor(begin-support)), 0), length-1)
	to := max(min(int(math.Ceil(end+support)), length), from+1)
	return axis{from: from, n: to - from, taps: wsi.NewTaps(to-from, begin-float64(from), end-begin, out)}.trimmed()
}

// trimmed leaves out the pixels that no tap reaches.
func (a axis) trimmed() axis {
	first, last := a.taps.First[0], a.taps.First[len(a.taps.First)-1]
	for i := range a.taps.First {
		a.taps.First[i] -= first
	}
	a.from, a.n = a.from+int(first), int(last-first)+a.taps.N
	return a
}

func (a axis) copies() bool { return a.n == len(a.taps.First) && a.taps.Identity() }

// slab returns the taps of the output pixels from row on that need at most most
// pixels (always of one), counted from the first that they need; that pixel; and how
// many they need.
func (a axis) slab(row, most int) (taps wsi.Taps, first, high int) {
	t := a.taps
	first = int(t.First[row])
	end := row + 1
	for end < len(t.First) && int(t.First[end])+t.N-first <= most {
		end++
	}
	taps = wsi.Taps{N: t.N, First: make([]int32, end-row), Weight: t.Weight[row*t.N : end*t.N]}
	for i := range taps.First {
		taps.First[i] = t.First[row+i] - int32(first)
	}
	return taps, first, int(t.First[end-1]) + t.N - first
}

// jpegQuality is that of the tiles: below 85 thin strokes of chromatin smear.
const jpegQuality = 85

// JPEG returns the tile as a viewer shows it; see Tile.
func (p *Pyramid) JPEG(ctx context.Context, level, x, y int) ([]byte, error) {
	m, err := p.Tile(ctx, level, x, y)
	if err != nil {
		return nil, err
	}
	// Alpha is not used, so that the encoder's fast path for RGBA does the work.
	rgba := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
	for i, j := 0, 0; i < len(m.Pix); i, j = i+3, j+4 {
		d, s := rgba.Pix[j:j+4:j+4], m.Pix[i:i+3:i+3]
		d[0], d[1], d[2], d[3] = s[0], s[1], s[2], 255
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, rgba, &jpeg.Options{Quality: jpegQuality}); err != nil {
		return nil, fmt.Errorf("encode tile (%d,%d) at level %d: %w", x, y, level, err)
	}
	return b.Bytes(), nil
}
