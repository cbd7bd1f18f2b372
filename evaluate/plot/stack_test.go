package plot_test

import (
	"bytes"
	"image/png"
	"strings"
	"testing"

	"bcc/evaluate/plot"
)

// The lower one of two equal charts has the same pixels, further down.
func TestItDrawsOneChartBelowTheOther(t *testing.T) {
	t.Parallel()
	alone, err := chart().PNG()
	if err != nil {
		t.Fatal(err)
	}
	both, err := plot.Stack{chart(), chart()}.PNG()
	if err != nil {
		t.Fatal(err)
	}
	one, err := png.Decode(bytes.NewReader(alone))
	if err != nil {
		t.Fatal(err)
	}
	two, err := png.Decode(bytes.NewReader(both))
	if err != nil {
		t.Fatal(err)
	}
	h := one.Bounds().Dy()
	if two.Bounds().Dy() != 2*h {
		t.Fatalf("%d pixels high, want %d", two.Bounds().Dy(), 2*h)
	}
	for x := range one.Bounds().Dx() {
		for y := range h {
			if one.At(x, y) != two.At(x, y) || one.At(x, y) != two.At(x, y+h) {
				t.Fatalf("another pixel at (%d,%d)", x, y)
			}
		}
	}
	svg := string(plot.Stack{chart(), chart()}.SVG())
	if n := strings.Count(svg, "<svg "); n != 1 || strings.Count(svg, ">found, per slide<") != 2 {
		t.Errorf("%d pictures in the SVG", n)
	}
}
