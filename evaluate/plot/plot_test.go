package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bcc/evaluate/plot"
)

var keep = flag.String("keep", "", "folder to write the charts to, for looking at them")

// chart has one of everything.
func chart() plot.Chart {
	return plot.Chart{
		Title: "Tigers & <lions>", Words: `Sensitivity "rises"`, X: plot.Unit("1 − specificity"), Y: plot.From0("found, per slide", 7.3),
		Items: []plot.Item{
			{Label: "95 % interval", Colour: plot.Blue, Fill: []plot.Point{{0, 0}, {0.2, 6}, {1, 7}, {1, 5}, {0.3, 2}}},
			{Label: "bars", Colour: plot.Orange, Bars: []plot.Bar{{0.7, 0.75, 3}, {0.8, 0.85, 1}}},
			{Label: "model", Colour: plot.Blue, Line: []plot.Point{{0, 0}, {0.2, 4}, {0.5, 6}, {1, 7}}},
			{Label: "chance", Colour: plot.Grey, Dashed: true, Line: []plot.Point{{0, 0}, {1, 8}}},
			{Label: "operating point", Colour: plot.Ink, Dots: []plot.Point{{0.2, 4}}},
		},
	}
}

func TestItWritesWellFormedSVG(t *testing.T) {
	t.Parallel()
	b := chart().SVG()
	texts := 0
	for d := xml.NewDecoder(bytes.NewReader(b)); ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "text" {
			texts++
		}
	}
	// A title, two axis titles, 6 + 5 numbers, 5 labels of the legend.
	if texts != 19 {
		t.Errorf("%d texts, want 19", texts)
	}
	for _, want := range []string{"Tigers &amp; &lt;lions&gt;", `aria-label="Sensitivity &#34;rises&#34;"`, ">8<", "stroke-dasharray"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in the SVG", want)
		}
	}
	if !bytes.Equal(b, chart().SVG()) {
		t.Error("the same chart gives other bytes")
	}
	show(t, "all.svg", b)
}

// The pixels of known places have the colour of what is drawn there.
func TestItPaintsWhatItSays(t *testing.T) {
	t.Parallel()
	b, err := chart().PNG()
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	at := func(x, y float64) [3]uint8 { // units of the axes
		r, g, b, _ := m.At(int(2*(58+x*386)), int(2*(34+(1-y/8)*330))).RGBA()
		return [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}
	}
	for _, c := range []struct {
		what string
		x, y float64
		want [3]uint8
	}{
		{"a bar", 0.725, 1.5, [3]uint8{0xd5, 0x7a, 0}},
		{"the line", 0.35, 5, [3]uint8{0, 0x5a, 0x8f}},
		{"the dot", 0.2, 4, [3]uint8{0x1c, 0x1b, 0x22}},
		{"nothing", 0.9, 0.7, [3]uint8{0xff, 0xff, 0xff}},
	} {
		got := at(c.x, c.y)
		for i := range got {
			if d := int(got[i]) - int(c.want[i]); d < -2 || d > 2 { // rounding of the blend
				t.Errorf("%s is %v, want %v", c.what, got, c.want)
				break
			}
		}
	}
	show(t, "all.png", b)
}

func TestItCountsInRoundSteps(t *testing.T) {
	t.Parallel()
	for top, want := range map[float64]plot.Axis{
		7.3: {Max: 8, Step: 2}, 1: {Max: 1, Step: 0.2}, 0.04: {Max: 0.04, Step: 0.01}, 1234: {Max: 1500, Step: 500}, 60: {Max: 60, Step: 10}, 0: {Max: 1, Step: 0.2},
	} {
		a := plot.From0("", top)
		if diff := a.Max - want.Max; diff > 1e-9 || diff < -1e-9 || a.Step-want.Step > 1e-9 || want.Step-a.Step > 1e-9 {
			t.Errorf("up to %v: %v in steps of %v, want %v in %v", top, a.Max, a.Step, want.Max, want.Step)
		}
	}
}

func show(t *testing.T, name string, b []byte) {
	if *keep == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*keep, name), b, 0o644); err != nil {
		t.Error(err)
	}
}
