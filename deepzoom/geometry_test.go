package deepzoom_test

import (
	"encoding/xml"
	"testing"

	"bcc/deepzoom"
	"bcc/fault"
	"bcc/wsi"
)

func TestTheLevelsHalveRoundedUpToOnePixel(t *testing.T) {
	t.Parallel()
	for size, levels := range map[wsi.Size]int{
		{W: 1, H: 1}: 1, {W: 2, H: 1}: 2, {W: 3, H: 2}: 3, {W: 256, H: 256}: 9, {W: 257, H: 3}: 10,
		{W: 12800, H: 12801}: 15, {W: 100_000, H: 1}: 18, {W: 1 << 30, H: 1 << 30}: 31,
	} {
		g := deepzoom.NewGeometry(size, 256, 1)
		if g.Levels() != levels {
			t.Errorf("%v: %d levels, want %d", size, g.Levels(), levels)
			continue
		}
		if g.Level(levels-1) != size || g.Level(0) != (wsi.Size{W: 1, H: 1}) {
			t.Errorf("%v: from %v to %v", size, g.Level(0), g.Level(levels-1))
		}
		for n := range levels - 1 {
			a, b := g.Level(n), g.Level(n+1)
			if a.W != (b.W+1)/2 || a.H != (b.H+1)/2 || g.Down(n) != 2*g.Down(n+1) {
				t.Errorf("%v: level %d is %v, level %d %v", size, n, a, n+1, b)
			}
		}
	}
}

func TestTheTilesCoverALevelAndShareTheirEdges(t *testing.T) {
	t.Parallel()
	for _, overlap := range []int{0, 1, 5} {
		g := deepzoom.NewGeometry(wsi.Size{W: 1000, H: 513}, 256, overlap)
		for n := range g.Levels() {
			size := g.Level(n)
			count := make([]int, size.W*size.H)
			each(t, g, n, func(x, y int, at wsi.Rect) {
				// The Deep Zoom file format: a tile begins where its place does, and overlap
				// pixels before where there is a neighbour.
				left, top := x*256, y*256
				if x > 0 {
					left -= overlap
				}
				if y > 0 {
					top -= overlap
				}
				if at.X != left || at.Y != top || at.X+at.W != min((x+1)*256+overlap, size.W) || at.Y+at.H != min((y+1)*256+overlap, size.H) {
					t.Errorf("level %d of %v, tile (%d,%d): %v", n, size, x, y, at)
				}
			})
			for y := 0; y*256 < size.H; y++ {
				for x := 0; x*256 < size.W; x++ {
					at, _ := g.Rect(n, x, y)
					for v := at.Y; v < at.Y+at.H; v++ {
						for u := at.X; u < at.X+at.W; u++ {
							count[v*size.W+u]++
						}
					}
				}
			}
			for i, c := range count {
				if c == 0 || overlap == 0 && c != 1 {
					t.Fatalf("overlap %d, level %d: pixel (%d,%d) lies in %d tiles", overlap, n, i%size.W, i/size.W, c)
				}
			}
		}
	}
}

func TestThereIsNothingOutside(t *testing.T) {
	t.Parallel()
	g := deepzoom.NewGeometry(wsi.Size{W: 1000, H: 513}, 256, 1)
	for _, at := range [][3]int{{-1, 0, 0}, {11, 0, 0}, {1 << 40, 0, 0}, {10, 4, 0}, {10, 0, 3}, {10, -1, 0}, {10, 0, -1}, {0, 1, 0}, {10, 1 << 50, 0}} {
		if _, err := g.Rect(at[0], at[1], at[2]); fault.Of(err) != fault.NotFound {
			t.Errorf("level %d, tile (%d,%d): %v, want not found", at[0], at[1], at[2], err)
		}
	}
}

func TestTheDescriptionIsReadByOthers(t *testing.T) {
	t.Parallel()
	g := deepzoom.NewGeometry(wsi.Size{W: 1000, H: 513}, 254, 1)
	var d struct {
		XMLName  xml.Name `xml:"http://schemas.microsoft.com/deepzoom/2008 Image"`
		Format   string   `xml:",attr"`
		Overlap  int      `xml:",attr"`
		TileSize int      `xml:",attr"`
		Size     struct {
			Width  int `xml:",attr"`
			Height int `xml:",attr"`
		}
	}
	if err := xml.Unmarshal(g.DZI("png"), &d); err != nil {
		t.Fatal(err)
	}
	if d.Format != "png" || d.Overlap != 1 || d.TileSize != 254 || d.Size.Width != 1000 || d.Size.Height != 513 {
		t.Errorf("%+v", d)
	}
}

func TestAGeometryIsPutRight(t *testing.T) {
	t.Parallel()
	for in, want := range map[[2]int][2]int{{0, 0}: {1, 0}, {256, -1}: {256, 0}, {8, 9}: {8, 8}, {1 << 30, 1}: {1024, 1}} {
		g := deepzoom.NewGeometry(wsi.Size{W: 10, H: 10}, in[0], in[1])
		if g.TilePx != want[0] || g.Overlap != want[1] {
			t.Errorf("%v: tiles of %d, overlap %d, want %v", in, g.TilePx, g.Overlap, want)
		}
	}
}
