package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bcc/aggregate"
	"bcc/fault"
	"bcc/patch"
	"bcc/wsi"
)

func TestTheHeatMapIsMadeOnceMoreFromTheFiles(t *testing.T) {
	t.Parallel()
	for _, overlap := range []float64{0, 0.3, 0.5, 0.75} {
		mask := &wsi.Mask{Size: wsi.Size{W: 40, H: 30}, ScaleX: 25.1, ScaleY: 25.3, Bits: make([]byte, 40*30)}
		for i := range mask.Bits {
			mask.Bits[i] = byte(i / 7 % 3 & 1)
		}
		cfg := patch.DefaultConfig(51, 0.5)
		cfg.Overlap = overlap
		mpp := wsi.MPP{X: 0.26, Y: 0.24}
		g, err := patch.Plan(wsi.Size{W: 1003, H: 757}, mpp, mask, cfg)
		if err != nil {
			t.Fatal(err)
		}
		probs := make([]float32, g.Len())
		for i := range probs {
			probs[i] = float32(i*37%10000) / 10000
		}
		var b bytes.Buffer
		if err := writePatches(&b, g, "prob_bcc", probs); err != nil {
			t.Fatal(err)
		}
		rects, values, err := ReadPatches(&b)
		if err != nil {
			t.Fatal(err)
		}
		r := Result{
			Slide:      Slide{WidthPx: g.Slide.W, HeightPx: g.Slide.H, MPPUM: mpp.Mean()},
			Parameters: Parameters{Overlap: overlap},
		}
		again, err := Grid(r, rects)
		if err != nil {
			t.Fatal(err)
		}
		for i := range g.Cells {
			g.Cells[i].Tissue = 0
		}
		g.MPP = wsi.MPP{X: mpp.Mean(), Y: mpp.Mean()}
		if diff := cmp.Diff(g, again); diff != "" {
			t.Errorf("overlap %v: the grid differs:\n%s", overlap, diff)
		}
		if diff := cmp.Diff(probs, values); diff != "" {
			t.Errorf("overlap %v: the values differ:\n%s", overlap, diff)
		}
		if _, err := aggregate.NewHeatmap(again, values); err != nil {
			t.Errorf("overlap %v: %v", overlap, err)
		}
	}
}

func TestAGridOfNoPatchesHasNoCells(t *testing.T) {
	t.Parallel()
	rects, values, err := ReadPatches(strings.NewReader("minx,miny,width,height,attention\n"))
	if err != nil || len(rects)+len(values) != 0 {
		t.Fatalf("%v, %v: %v", rects, values, err)
	}
	g, err := Grid(Result{Slide: Slide{WidthPx: 10, HeightPx: 10, MPPUM: 0.5}}, rects)
	if err != nil || g.Len() != 0 || g.Slide != (wsi.Size{W: 10, H: 10}) {
		t.Errorf("%+v: %v", g, err)
	}
}

func TestItRefusesWhatIsNoPatches(t *testing.T) {
	t.Parallel()
	const header = "minx,miny,width,height,prob_bcc\n"
	for name, c := range map[string]struct{ text, says string }{
		"empty":            {"", "line 1"},
		"another header":   {"x,y\n", "line 1"},
		"three numbers":    {header + "1,2,3\n", "line 2"},
		"a word":           {header + "0,0,9,9,0.5\n0,a,9,9,0.5\n", "line 3"},
		"a minus":          {header + "0,-9,9,9,0.5\n", "line 2"},
		"a far place":      {header + "99999999999,0,9,9,0.5\n", "line 2"},
		"no extent":        {header + "0,0,0,9,0.5\n", "line 2"},
		"not a number":     {header + "0,0,9,9,NaN\n", "line 2"},
		"above one":        {header + "0,0,9,9,1.0001\n", "line 2"},
		"a blank line":     {header + "\n0,0,9,9,0.5\n", "line 2"},
		"a long line":      {header + "0,0,9,9,0." + strings.Repeat("0", 300) + "\n", "line 2"},
		"an endless line":  {header + strings.Repeat("1", 1<<20), "line 2"},
		"a sixth column":   {header + "0,0,9,9,0.5,1\n", "line 2"},
		"a header endless": {strings.Repeat("m", 1<<20), "line 1"},
	} {
		if _, _, err := ReadPatches(strings.NewReader(c.text)); fault.Of(err) != fault.Corrupt || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want corrupt at %s", name, err, c.says)
		}
	}
}

func TestItRefusesPatchesOfAnotherSlide(t *testing.T) {
	t.Parallel()
	good := func() (Result, []wsi.Rect) {
		r := Result{Slide: Slide{WidthPx: 300, HeightPx: 200, MPPUM: 0.5}}
		return r, []wsi.Rect{{X: 0, Y: 0, W: 100, H: 100}, {X: 200, Y: 0, W: 100, H: 100}, {X: 100, Y: 100, W: 100, H: 100}}
	}
	for name, spoil := range map[string]func(*Result, []wsi.Rect){
		"off the lattice":    func(_ *Result, p []wsi.Rect) { p[1].X++ },
		"two extents":        func(_ *Result, p []wsi.Rect) { p[2].W-- },
		"beyond the slide":   func(_ *Result, p []wsi.Rect) { p[1].X = 300 },
		"below the slide":    func(_ *Result, p []wsi.Rect) { p[2].Y = 200 },
		"one twice":          func(_ *Result, p []wsi.Rect) { p[1] = p[0] },
		"out of order":       func(_ *Result, p []wsi.Rect) { p[1], p[2] = p[2], p[1] },
		"another overlap":    func(r *Result, _ []wsi.Rect) { r.Parameters.Overlap = 0.3 },
		"an overlap of two":  func(r *Result, _ []wsi.Rect) { r.Parameters.Overlap = 2 },
		"a slide of nothing": func(r *Result, _ []wsi.Rect) { r.Slide.WidthPx = 0 },
		"no scale":           func(r *Result, _ []wsi.Rect) { r.Slide.MPPUM = 0 },
	} {
		r, p := good()
		if _, err := Grid(r, p); err != nil {
			t.Fatal(err)
		}
		spoil(&r, p)
		if _, err := Grid(r, p); fault.Of(err) != fault.Corrupt {
			t.Errorf("%s: %v, want corrupt", name, err)
		}
	}
}

// Whatever patches.csv holds, it is refused or survives being written and read again.
func FuzzPatches(f *testing.F) {
	f.Add([]byte("minx,miny,width,height,prob_bcc\n0,0,224,224,0.5000\n224,0,224,224,1.0000\n"))
	f.Add([]byte("minx,miny,width,height,attention\r\n1,2,3,4,1e-3"))
	f.Add([]byte("minx,miny,width,height,prob_bcc\n,,,,\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rects, values, err := ReadPatches(bytes.NewReader(b))
		if err != nil {
			if fault.Of(err) != fault.Corrupt {
				t.Fatalf("%v is %v", err, fault.Of(err))
			}
			return
		}
		var again bytes.Buffer
		again.WriteString(patchHeader("prob_bcc") + "\n")
		for i, r := range rects {
			fmt.Fprintf(&again, "%d,%d,%d,%d,%v\n", r.X, r.Y, r.W, r.H, values[i])
		}
		rects2, values2, err := ReadPatches(&again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rects, rects2) + cmp.Diff(values, values2); diff != "" {
			t.Fatal(diff)
		}
		r := Result{Slide: Slide{WidthPx: 1000, HeightPx: 1000, MPPUM: 0.5}}
		if g, err := Grid(r, rects); err == nil && g.Len() != len(rects) {
			t.Fatalf("a grid of %d for %d patches", g.Len(), len(rects))
		}
	})
}
