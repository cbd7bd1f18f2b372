package deepzoom

import (
	"fmt"
	"math/bits"

	"bcc/fault"
	"bcc/wsi"
)

// Geometry is how a picture is cut into levels and tiles. The last level is the
// picture itself; each level before it has half the pixels of the next, rounded up,
// down to a single one. Pixel i of a level that is down times smaller stands for the
// level-0 pixels from i·down up to (i+1)·down, exactly, also where the last of them
// lie beyond the picture.
type Geometry struct {
	Size    wsi.Size // level-0 pixels
	TilePx  int      // side of a tile without what it shares, pixels
	Overlap int      // pixels that a tile shares with each neighbour
}

// maxTilePx bounds the memory of a tile to 3 MB.
const maxTilePx = 1024

// NewGeometry returns how a slide of size level-0 pixels is cut. A tile has at least
// a pixel and at most maxTilePx, and shares no more than it has.
func NewGeometry(size wsi.Size, tilePx, overlap int) Geometry {
	tilePx = min(max(tilePx, 1), maxTilePx)
	return Geometry{Size: size, TilePx: tilePx, Overlap: min(max(overlap, 0), tilePx)}
}

// Levels returns the number of levels.
func (g Geometry) Levels() int {
	return bits.Len(uint(max(g.Size.W, g.Size.H, 1)-1)) + 1
}

// Down returns the level-0 pixels per pixel of a level.
func (g Geometry) Down(level int) int { return 1 << (g.Levels() - 1 - level) }

// Level returns the extent of a level in its pixels.
func (g Geometry) Level(level int) wsi.Size {
	down := g.Down(level)
	return wsi.Size{W: (g.Size.W + down - 1) / down, H: (g.Size.H + down - 1) / down}
}

// Rect returns the pixels of the level that the tile (x, y) holds, those that it
// shares with its neighbours too. NotFound: there is no such tile.
func (g Geometry) Rect(level, x, y int) (wsi.Rect, error) {
	if level < 0 || level >= g.Levels() {
		return wsi.Rect{}, fault.New(fault.NotFound, "there is no level %d, only 0 to %d", level, g.Levels()-1)
	}
	size := g.Level(level)
	if cols, rows := g.tiles(size.W), g.tiles(size.H); x < 0 || y < 0 || x >= cols || y >= rows {
		return wsi.Rect{}, fault.New(fault.NotFound, "there is no tile (%d,%d) at level %d, only %d × %d of them", x, y, level, cols, rows)
	}
	x0, x1 := g.span(x, size.W)
	y0, y1 := g.span(y, size.H)
	return wsi.Rect{X: x0, Y: y0, W: x1 - x0, H: y1 - y0}, nil
}

// tiles returns how many tiles cover length.
func (g Geometry) tiles(length int) int { return (length + g.TilePx - 1) / g.TilePx }

// span returns the pixels, of length, that the i-th tile holds.
func (g Geometry) span(i, length int) (from, to int) {
	return max(i*g.TilePx-g.Overlap, 0), min((i+1)*g.TilePx+g.Overlap, length)
}

// DZI returns the description that a viewer asks for first; format is the ending of
// the tiles' names, "jpg" or "png".
func (g Geometry) DZI(format string) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="%s" Overlap="%d" TileSize="%d">
  <Size Width="%d" Height="%d"/>
</Image>
`, format, g.Overlap, g.TilePx, g.Size.W, g.Size.H)
}
