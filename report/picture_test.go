package report

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"testing"

	"bcc/aggregate"
	"bcc/wsi"
)

// Each cell's colour stands where the cell lies, to the pixel, and nowhere else.
func TestItPaintsCellsWhereTheyLie(t *testing.T) {
	t.Parallel()
	in := sampleOf(t, "90..", "...5") // 760×340 px
	in.Overview = &wsi.Overview{Image: wsi.NewImage(760, 340), ScaleX: 1, ScaleY: 1}
	in.Overview.Fill(255)
	c := newCanvas(760, 340)
	c.overlay(in.Overview, in.Answer.Heatmap)
	for _, p := range []struct {
		x, y int
		want uint8 // step
	}{
		{0, 0, step(in.Answer.Heatmap.Vote[0])}, {199, 199, step(in.Answer.Heatmap.Vote[0])},
		{200, 0, step(in.Answer.Heatmap.Vote[1])}, {399, 199, step(in.Answer.Heatmap.Vote[1])},
		{400, 0, 0}, {0, 200, 0}, {599, 339, 0},
		{600, 200, step(in.Answer.Heatmap.Vote[7])}, {759, 339, step(in.Answer.Heatmap.Vote[7])},
	} {
		if got := c.Pix[p.y*c.Stride+p.x]; got != p.want*greys+white {
			t.Errorf("pixel (%d,%d) has step %d and grey %d, want %d and %d", p.x, p.y, got/greys, got%greys, p.want, white)
		}
	}
}

func TestItAveragesTheOverviewByArea(t *testing.T) {
	t.Parallel()
	ov := &wsi.Overview{Image: wsi.NewImage(4000, 1000), ScaleX: 8, ScaleY: 8}
	for i := range 4000 * 1000 { // vertical lines, one white, one black
		for c := range 3 {
			ov.Pix[3*i+c] = byte(255 * (i % 2))
		}
	}
	small := shrink(ov)
	if small.W != 2000 || small.H != 500 || small.ScaleX != 16 || small.ScaleY != 16 {
		t.Fatalf("%v at %v, %v; want 2000x500 at 16", small.Size, small.ScaleX, small.ScaleY)
	}
	for i, v := range small.Pix {
		if v != 128 {
			t.Fatalf("byte %d = %d, want the mean, 128", i, v)
		}
	}
	if same := shrink(small); same != small {
		t.Error("an overview of the right size is copied")
	}
}

func TestItLaysTheHeatMapOverThePage(t *testing.T) {
	t.Parallel()
	in := sampleOf(t, "09.")
	b, err := layer(in.Answer.Heatmap)
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if m.Bounds() != image.Rect(0, 0, 3, 1) {
		t.Fatalf("layer of %v, want 3x1", m.Bounds())
	}
	alpha := func(x int) uint8 { return color.NRGBAModel.Convert(m.At(x, 0)).(color.NRGBA).A }
	if alpha(2) != 0 || alpha(0) == 0 || alpha(1) <= alpha(0) {
		t.Errorf("opacities %d, %d, %d: want low, higher, none", alpha(0), alpha(1), alpha(2))
	}
}

// The ramp must be read by every eye and in print: for normal sight and for the
// three kinds of colour blindness (Viénot, Brettel and Mollon 1999 for protan and
// deutan, a tritan projection of the same kind) luminance falls all the way.
func TestItFallsInLuminanceForEveryEye(t *testing.T) {
	t.Parallel()
	eyes := map[string][3][3]float64{
		"normal": {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
		"protan": {{0.11238, 0.88762, 0}, {0.11238, 0.88762, 0}, {0.00401, -0.00401, 1}},
		"deutan": {{0.29275, 0.70725, 0}, {0.29275, 0.70725, 0}, {-0.02234, 0.02234, 1}},
		"tritan": {{1, 0.14461, -0.14461}, {0, 0.85924, 0.14076}, {0, 0.85924, 0.14076}},
	}
	for eye, m := range eyes {
		last := math.Inf(1)
		for i := range 51 {
			c := ramp(float64(i) / 50)
			rgb := [3]float64{linear(c.R), linear(c.G), linear(c.B)}
			var seen [3]float64
			for r := range 3 {
				for k := range 3 {
					seen[r] += m[r][k] * rgb[k]
				}
			}
			y := 0.2126*seen[0] + 0.7152*seen[1] + 0.0722*seen[2]
			if y >= last {
				t.Errorf("%s: luminance rises to %.4f at %v", eye, y, float64(i)/50)
			}
			last = y
		}
	}
}

// linear undoes sRGB's gamma.
func linear(v uint8) float64 {
	f := float64(v) / 255
	if f <= 0.04045 {
		return f / 12.92
	}
	return math.Pow((f+0.055)/1.055, 2.4)
}

func TestItDrawsAScaleBarOfARoundLength(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		w     int
		scale float64
		mm    float64
		px    int
	}{
		{1000, 16, 1, 125}, {1000, 64, 5, 156}, {600, 1, 0.05, 100}, {100, 2, 0.02, 20},
	} {
		ov := &wsi.Overview{Image: &wsi.Image{Size: wsi.Size{W: c.w, H: 10}}, ScaleX: c.scale, ScaleY: c.scale}
		if mm, px := scaleBar(ov, wsi.MPP{X: 0.5, Y: 0.5}); mm != c.mm || px != c.px {
			t.Errorf("%d px at %v: %v mm in %d px, want %v in %d", c.w, c.scale, mm, px, c.mm, c.px)
		}
	}
	if _, px := scaleBar(&wsi.Overview{Image: &wsi.Image{}}, wsi.MPP{}); px != 0 {
		t.Error("a scale bar without a scale")
	}
}

// With overlap, cells begin half an overlap inside the slide: what lies before
// the first and after the last belongs to none.
func TestItPaintsNothingBesideTheCells(t *testing.T) {
	t.Parallel()
	g := &wsi.Grid{
		Slide: wsi.Size{W: 400, H: 200}, MPP: wsi.MPP{X: 0.5, Y: 0.5},
		Patch: wsi.Size{W: 200, H: 200}, Stride: wsi.Size{W: 100, H: 100}, Cols: 3, Rows: 1,
		Cells: []wsi.Cell{{Col: 0}, {Col: 1}, {Col: 2}},
	}
	h, err := aggregate.NewHeatmap(g, []float32{1, 1, 1})
	if err != nil {
		t.Fatal(err)
	}
	ov := &wsi.Overview{Image: wsi.NewImage(400, 200), ScaleX: 1, ScaleY: 1}
	c := newCanvas(400, 200)
	c.overlay(ov, h)
	for y := range 200 {
		for x := range 400 {
			inside := x >= 50 && x < 350 && y >= 50 && y < 150
			if got := c.Pix[y*c.Stride+x] >= greys; got != inside {
				t.Fatalf("pixel (%d,%d) painted: %v, want %v", x, y, got, inside)
			}
		}
	}
}

func TestItEnlargesSmallOverviewsByWholeNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want wsi.Size }{
		{wsi.Size{W: 224, H: 224}, wsi.Size{W: 672, H: 672}},
		{wsi.Size{W: 40, H: 1000}, wsi.Size{W: 40, H: 1000}}, // as wide as the legend it would be as high as a wall
		{wsi.Size{W: 700, H: 100}, wsi.Size{W: 700, H: 100}},
		{wsi.Size{W: 1, H: 1}, wsi.Size{W: 620, H: 620}},
	} {
		ov := &wsi.Overview{Image: wsi.NewImage(c.in.W, c.in.H), ScaleX: 8, ScaleY: 8}
		ov.Pix[len(ov.Pix)-1] = 9
		got := enlarge(ov)
		if k := float64(c.want.W) / float64(c.in.W); got.Size != c.want || got.ScaleX != 8/k {
			t.Errorf("%v becomes %v at %v, want %v", c.in, got.Size, got.ScaleX, c.want)
		}
		if got.Pix[len(got.Pix)-1] != 9 {
			t.Errorf("%v: the last pixel is lost", c.in)
		}
	}
}
