package deepzoom

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"sync"

	"bcc/fault"
	"bcc/wsi"
)

// Cells are the values of a heat map: those of aggregate.Heatmap.
type Cells struct {
	Bounds     wsi.Rect // level-0 pixels that all cells cover together
	Cols, Rows int
	Values     []float32 // 0 to 1, row by row; NaN where nothing was looked at
}

// Heat makes the tiles of one heat map, in the geometry of its slide. It is safe for
// concurrent use.
type Heat struct {
	Geometry
	cells   Cells
	palette color.Palette
}

// shades is how many values between 0 and 1 look different.
const shades = 254

// NewHeat returns the heat map of a slide that is cut as g is. colour gives the colour
// of a value from 0 to 1.
func NewHeat(g Geometry, c Cells, colour func(p float64) color.NRGBA) (*Heat, error) {
	if c.Cols < 0 || c.Rows < 0 || len(c.Values) != c.Cols*c.Rows {
		return nil, fault.New(fault.Invalid, "heat map of %d × %d cells with %d values", c.Cols, c.Rows, len(c.Values))
	}
	if len(c.Values) > 0 && c.Bounds.Empty() {
		return nil, fault.New(fault.Invalid, "heat map of %d × %d cells over %v", c.Cols, c.Rows, c.Bounds)
	}
	h := &Heat{Geometry: g, cells: c, palette: color.Palette{color.NRGBA{}}}
	for i := range shades + 1 {
		h.palette = append(h.palette, colour(float64(i)/shades))
	}
	return h, nil
}

// DZI returns the description of the heat map's tiles.
func (h *Heat) DZI() []byte { return h.Geometry.DZI("png") }

// Tile returns the tile (x, y) of a level as a PNG. It is transparent where nothing
// was looked at, and where the value is below threshold. NotFound: there is no such
// tile.
func (h *Heat) Tile(level, x, y int, threshold float64) ([]byte, error) {
	m, err := h.picture(level, x, y, threshold)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := encoder.Encode(&b, m); err != nil {
		return nil, fmt.Errorf("encode tile (%d,%d) at level %d: %w", x, y, level, err)
	}
	return b.Bytes(), nil
}

// picture paints the tile.
func (h *Heat) picture(level, x, y int, threshold float64) (*image.Paletted, error) {
	at, err := h.Rect(level, x, y)
	if err != nil {
		return nil, err
	}
	m := image.NewPaletted(image.Rect(0, 0, at.W, at.H), h.palette)
	if len(h.cells.Values) == 0 {
		return m, nil
	}
	down := float64(h.Down(level))
	across := newLine(at.X, at.W, down, h.Size.W, h.cells.Bounds.X, h.cells.Bounds.W, h.cells.Cols)
	along := newLine(at.Y, at.H, down, h.Size.H, h.cells.Bounds.Y, h.cells.Bounds.H, h.cells.Rows)
	for j := range along {
		row := m.Pix[j*m.Stride : j*m.Stride+at.W]
		for i := range across {
			if v := float64(h.cells.value(across[i], along[j])); v >= threshold { // false for NaN
				row[i] = 1 + uint8(math.Round(v*shades))
			}
		}
	}
	return m, nil
}

// encoder trades a third of the bytes for a fraction of the time.
var encoder = png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &buffers{}}

// buffers keeps what encoding needs, half a megabyte a tile.
type buffers struct{ sync.Pool }

// Get implements png.EncoderBufferPool.
func (b *buffers) Get() *png.EncoderBuffer {
	e, _ := b.Pool.Get().(*png.EncoderBuffer)
	return e
}

// Put implements png.EncoderBufferPool.
func (b *buffers) Put(e *png.EncoderBuffer) { b.Pool.Put(e) }
