// Package wsi holds the words that the rooms of this house share about a
// whole-slide image, and the arithmetic between its levels. It reads nothing
// and writes nothing.
//
// Words: a slide is one scanned file. A level is one resolution of it, level 0
// the largest. A downsample is level-0 pixels per level pixel. mpp is
// micrometres per pixel. A tile is a square as the file stores it; a patch is a
// square as the model sees it.
//
// Positions are level-0 pixels unless a name or comment says otherwise.
package wsi

import (
	"fmt"
	"math"
)

// Size is an extent in pixels.
type Size struct{ W, H int }

// Area returns the number of pixels.
func (s Size) Area() int64 { return int64(s.W) * int64(s.H) }

func (s Size) String() string { return fmt.Sprintf("%dx%d", s.W, s.H) }

// Rect is a rectangle in pixels, its corner at the top left.
type Rect struct{ X, Y, W, H int }

// Empty reports whether r holds no pixel.
func (r Rect) Empty() bool { return r.W <= 0 || r.H <= 0 }

// Intersect returns the part of r inside s; an empty Rect where they do not meet.
func (r Rect) Intersect(s Rect) Rect {
	x0, y0 := max(r.X, s.X), max(r.Y, s.Y)
	x1, y1 := min(r.X+r.W, s.X+s.W), min(r.Y+r.H, s.Y+s.H)
	if x1 <= x0 || y1 <= y0 {
		return Rect{}
	}
	return Rect{x0, y0, x1 - x0, y1 - y0}
}

// Union returns the smallest rectangle around both.
func (r Rect) Union(s Rect) Rect {
	if r.Empty() {
		return s
	}
	if s.Empty() {
		return r
	}
	x0, y0 := min(r.X, s.X), min(r.Y, s.Y)
	x1, y1 := max(r.X+r.W, s.X+s.W), max(r.Y+r.H, s.Y+s.H)
	return Rect{x0, y0, x1 - x0, y1 - y0}
}

func (r Rect) String() string { return fmt.Sprintf("(%d,%d) %dx%d", r.X, r.Y, r.W, r.H) }

// MPP is a physical scale in micrometres per pixel, across and down.
type MPP struct{ X, Y float64 }

// Valid reports whether both are finite and within what a microscope can give:
// 0.01 to 100 µm a pixel.
func (m MPP) Valid() bool {
	ok := func(v float64) bool { return v >= 0.01 && v <= 100 } // false for NaN
	return ok(m.X) && ok(m.Y)
}

// Mean returns the geometric mean of both directions.
func (m MPP) Mean() float64 { return math.Sqrt(m.X * m.Y) }

// AreaMM2 returns the area in mm² of px level-0 pixels.
func (m MPP) AreaMM2(px float64) float64 { return px * m.X * m.Y / 1e6 }

// Level is one resolution of a slide.
type Level struct {
	Index int
	Size  Size    // in pixels of this level
	DownX float64 // level-0 pixels per pixel of this level, across
	DownY float64 // the same, down
	Tile  Size    // tile as stored, in pixels of this level; a strip is as wide as the level
}

// Bounds returns the level's rectangle in its own pixels.
func (l Level) Bounds() Rect { return Rect{0, 0, l.Size.W, l.Size.H} }

// BestLevel returns the index of the coarsest level that is not coarser than
// down level-0 pixels per pixel (within 0.5 %, the rounding of level sizes), and
// 0 where every level is coarser.
func BestLevel(levels []Level, down float64) int {
	best := 0
	for i, l := range levels {
		if math.Max(l.DownX, l.DownY) <= down*1.005 && l.DownX >= levels[best].DownX {
			best = i
		}
	}
	return best
}

// Patch is one square as the model sees it. Its pixels belong to whoever holds
// the patch; Release gives them back.
type Patch struct {
	Index int    // position in the grid's order
	Pix   []byte // RGB, 3 bytes a pixel, rows without padding

	// Release returns Pix to the pool it came from; the patch must not be used
	// afterwards. It may be nil.
	Release func()
}
