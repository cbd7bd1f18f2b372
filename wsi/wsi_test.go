package wsi_test

import (
	"testing"

	"bcc/wsi"
)

func TestTapsSumToOneAndStayInside(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in           int
		from, extent float64
		out          int
	}{
		{224, 0, 224, 224}, {212, 0, 212, 224}, {448, 0, 448, 224}, {450, 0.7, 448.3, 224},
		{1000, 0, 1000, 10}, {1, 0, 1, 5}, {3, -2, 9, 4}, {231, 0.25, 230.5, 224},
	} {
		taps := wsi.NewTaps(c.in, c.from, c.extent, c.out)
		for i := range c.out {
			sum := 0
			for k := range taps.N {
				sum += int(taps.Weight[i*taps.N+k])
			}
			if sum != 1<<wsi.TapBits {
				t.Errorf("%+v: pixel %d sums to %d", c, i, sum)
			}
			if f := int(taps.First[i]); f < 0 || f+taps.N > c.in {
				t.Errorf("%+v: pixel %d reads %d..%d of %d", c, i, f, f+taps.N, c.in)
			}
		}
	}
}

func TestTapsCopyWhenNothingIsScaled(t *testing.T) {
	t.Parallel()
	if taps := wsi.NewTaps(224, 0, 224, 224); !taps.Identity() || taps.N != 1 {
		t.Errorf("identity = %v with %d taps, want true with 1", taps.Identity(), taps.N)
	}
	if wsi.NewTaps(212, 0, 212, 224).Identity() {
		t.Error("an enlargement calls itself a copy")
	}
}

func TestBestLevelIsTheCoarsestThatIsFineEnough(t *testing.T) {
	t.Parallel()
	levels := []wsi.Level{{DownX: 1, DownY: 1}, {Index: 1, DownX: 2.001, DownY: 2.001}, {Index: 2, DownX: 4, DownY: 4}}
	for down, want := range map[float64]int{0.5: 0, 1: 0, 1.9: 0, 2: 1, 3.9: 1, 100: 2} {
		if got := wsi.BestLevel(levels, down); got != want {
			t.Errorf("down %v: level %d, want %d", down, got, want)
		}
	}
}

func TestRectsMeet(t *testing.T) {
	t.Parallel()
	a := wsi.Rect{X: 0, Y: 0, W: 10, H: 10}
	if got, want := a.Intersect(wsi.Rect{X: 5, Y: -5, W: 10, H: 10}), (wsi.Rect{X: 5, Y: 0, W: 5, H: 5}); got != want {
		t.Errorf("intersection = %v, want %v", got, want)
	}
	if !a.Intersect(wsi.Rect{X: 10, Y: 0, W: 1, H: 1}).Empty() {
		t.Error("neighbours that only touch meet")
	}
	if got, want := a.Union(wsi.Rect{X: 20, Y: 5, W: 1, H: 1}), (wsi.Rect{X: 0, Y: 0, W: 21, H: 10}); got != want {
		t.Errorf("union = %v, want %v", got, want)
	}
}

func TestCellsOfOverlappingPatchesTileTheSlide(t *testing.T) {
	t.Parallel()
	g := wsi.Grid{Patch: wsi.Size{W: 212, H: 212}, Stride: wsi.Size{W: 53, H: 53}}
	a, b := g.CellRect(3, 4), g.CellRect(4, 4)
	if a.X+a.W != b.X || a.W != 53 {
		t.Errorf("cells %v and %v leave a gap or overlap", a, b)
	}
}
