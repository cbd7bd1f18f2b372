//go:build e2e

package e2e

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// settled waits until the viewer rests and all tiles that it shows are there.
func (b *browser) settled() {
	b.t.Helper()
	// Two frames: the viewer sees what was asked of it with the first.
	const frames = `new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(() => f(1))))`
	eval[int](b, frames)
	b.until(`(() => {
		const osd = document.querySelector(".stage").osd, w = osd.world;
		return w.getItemCount() === 2 && !osd.isAnimating() && !w.needsDraw() && [0, 1].every((i) => w.getItemAt(i).getOpacity() === 0 || w.getItemAt(i).getFullyLoaded());
	})()`, 20*time.Second)
	eval[int](b, frames)
}

// sight is how level-0 pixels lie on the screen, as the viewer says: screen = k × level 0 + (x, y).
type sight struct {
	X, Y, K                  float64
	Left, Top, Right, Bottom float64 // of the picture's frame
}

// look shows the level-0 point in the middle at k screen pixels a level-0 pixel.
func (b *browser) look(x, y, k float64) sight {
	b.t.Helper()
	f := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	eval[int](b, `(() => {
		const osd = document.querySelector(".stage").osd, im = osd.world.getItemAt(0), P = OpenSeadragon.Point;
		osd.viewport.zoomTo(im.imageToViewportZoom(`+f(k)+`), null, true);
		osd.viewport.panTo(im.imageToViewportCoordinates(new P(`+f(x)+`, `+f(y)+`)), true);
		return 1;
	})()`)
	b.settled()
	return eval[sight](b, `(() => {
		const osd = document.querySelector(".stage").osd, im = osd.world.getItemAt(0), P = OpenSeadragon.Point, r = osd.canvas.getBoundingClientRect();
		const a = im.imageToViewerElementCoordinates(new P(0, 0)), z = im.imageToViewerElementCoordinates(new P(1000, 1000));
		// A browser paints a picture from a whole pixel on.
		const left = Math.round(r.left), top = Math.round(r.top);
		return {X: left + a.x, Y: top + a.y, K: (z.x - a.x) / 1000, Left: r.left, Top: r.top, Right: r.right, Bottom: Math.min(r.bottom, innerHeight)};
	})()`)
}

// slider moves one of the viewer's sliders.
func (b *browser) slider(name string, value string) {
	b.t.Helper()
	eval[int](b, `(() => {
		const input = [...document.querySelectorAll(".stage label")].find((l) => l.textContent === "`+name+`").control;
		input.value = "`+value+`";
		input.dispatchEvent(new Event("input"));
		return 1;
	})()`)
	time.Sleep(300 * time.Millisecond) // the threshold waits for the hand to rest
	b.settled()
}

func (b *browser) picture() image.Image {
	b.t.Helper()
	m, err := png.Decode(bytes.NewReader(b.screenshot()))
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// aligned compares the screen with the truth at every zoom: the slide with the pixels
// it was made of, the edges of the heat map with the patches.
func aligned(b *browser, truthFile string) {
	t := b.t
	t.Helper()
	truth := readTruth(t, truthFile)
	rows := patchRows(t, eval[string](b, `fetch(location.hash.replace(/^#/, "") + "/patches.csv").then((r) => r.text())`))
	// Whatever lies over the picture would be taken for it.
	eval[int](b, `(() => { for (const e of document.querySelectorAll(".zoom, .navigator, .scalebar, .outlines")) e.style.visibility = "hidden"; window.scrollTo(0, 0); return 1; })()`)
	defer eval[int](b, `(() => { for (const e of document.querySelectorAll(".zoom, .navigator, .scalebar, .outlines")) e.style.visibility = ""; return 1; })()`)
	b.slider("Shown from", "0")
	// The left end of that row of patches stands in the middle where there is most to see.
	r := slices.MaxFunc(rows, func(p, q patchRow) int {
		at := func(r patchRow) float64 { return truth.detail(float64(r.x0), float64(r.y)+float64(r.h)/2) }
		return cmp.Compare(at(p), at(q))
	})
	for _, k := range []float64{0.17, 0.25, 0.4, 0.5, 0.83, 1, 2, 4} {
		s := b.look(float64(r.x0), float64(r.y)+float64(r.h)/2, k)
		b.layers(0, 1)
		heat := b.picture()
		b.layers(1, 0)
		slide := b.picture()
		if math.Abs(s.K-k) > 1e-3*k && k < 4 {
			t.Errorf("the viewer shows %v screen pixels a slide's pixel, want %v", s.K, k)
		}
		edges, worst := heatEdges(s, rows, heat)
		dx, dy := truth.shift(s, slide)
		t.Logf("%.2f screen pixels a pixel: %d edges of the heat map within %.2f px; slide off by (%.2f, %.2f) px", s.K, edges, worst, dx, dy)
		if edges == 0 {
			t.Errorf("at %.2f no edge of the heat map is in sight", s.K)
		}
		if worst > 0.5 {
			t.Errorf("at %.2f an edge of the heat map is off by %.2f screen pixels", s.K, worst)
		}
		if !(math.Hypot(dx, dy) <= 0.5) { // NaN: nothing to compare was seen
			t.Errorf("at %.2f the slide is off by (%.2f, %.2f) screen pixels", s.K, dx, dy)
		}
	}
	outlined(b)
	b.layers(1, 1)
	eval[int](b, `document.querySelector(".frame").style.background = "", 1`)
	b.slider("Heat map", "45")
	b.slider("Shown from", "0.2")
}

// outlined compares the outline on the screen with the longest upright line of
// lesions.geojson.
func outlined(b *browser) {
	t := b.t
	t.Helper()
	type line struct{ X, Y0, Y1 float64 }
	l := eval[line](b, `fetch(location.hash.slice(1) + "/lesions.geojson").then((r) => r.json()).then((c) => {
		let best = {X: 0, Y0: 0, Y1: 0};
		for (const {geometry: g} of c.features) for (const ring of (g.type === "Polygon" ? [g.coordinates] : g.coordinates).flat()) ring.slice(1).forEach(([x, y], i) => {
			if (x === ring[i][0] && Math.abs(y - ring[i][1]) > best.Y1 - best.Y0) best = {X: x, Y0: Math.min(y, ring[i][1]), Y1: Math.max(y, ring[i][1])};
		});
		return best;
	})`)
	if l.Y1 == l.Y0 {
		t.Fatal("lesions.geojson has no upright line")
	}
	eval[int](b, `document.querySelector(".outlines").style.visibility = "", 1`)
	b.layers(0, 0)
	for _, k := range []float64{0.25, 0.83, 1, 4} {
		s := b.look(l.X, (l.Y0+l.Y1)/2, k)
		m := b.picture()
		want, y := s.X+s.K*l.X, int(s.Y+s.K*(l.Y0+l.Y1)/2)
		var sum, moment float64
		for x := int(want) - 8; x < int(want)+8; x++ {
			sum, moment = sum+grey(m, x, y), moment+grey(m, x, y)*(float64(x)+0.5)
		}
		t.Logf("%.2f screen pixels a pixel: the outline is off by %.2f px", s.K, moment/sum-want)
		if !(math.Abs(moment/sum-want) <= 0.5) { // NaN: there is none
			t.Errorf("at %.2f the outline is off by %.2f screen pixels", s.K, moment/sum-want)
		}
	}
}

// patchRow is one row of the grid from its first patch to its last, where none is missing between.
type patchRow struct{ x0, x1, y, h int }

func patchRows(t *testing.T, text string) []patchRow {
	t.Helper()
	table, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(table) < 10 {
		t.Fatalf("patches.csv: %v\n%.300s", err, text)
	}
	var rows []patchRow
	for _, line := range table[1:] {
		var n [4]int
		for i := range n {
			if n[i], err = strconv.Atoi(line[i]); err != nil {
				t.Fatal(err)
			}
		}
		if last := len(rows) - 1; last >= 0 && rows[last].y == n[1] && rows[last].x1 == n[0] {
			rows[last].x1 += n[2]
		} else {
			rows = append(rows, patchRow{n[0], n[0] + n[2], n[1], n[3]})
		}
	}
	return rows
}

// layers shows the slide and the heat map by themselves, on black.
func (b *browser) layers(slide, heat int) {
	b.t.Helper()
	eval[int](b, fmt.Sprintf(`(() => {
		const w = document.querySelector(".stage").osd.world;
		document.querySelector(".frame").style.background = "#000";
		w.getItemAt(0).setOpacity(%d);
		w.getItemAt(1).setOpacity(%d);
		return 1;
	})()`, slide, heat))
	b.settled()
}

// heatEdges finds the ends of each row of patches on the screen, where the heat map
// by itself lies on black, by how much of each pixel it covers. It returns how many
// it saw and the largest distance from where they belong.
func heatEdges(s sight, rows []patchRow, m image.Image) (n int, worst float64) {
	const margin = 12 // screen pixels looked at on each side
	bright := func(x, y int) float64 {
		r, g, b, _ := m.At(x, y).RGBA()
		return float64(max(r, g, b))
	}
	for _, r := range rows {
		y := int(s.Y + s.K*(float64(r.y)+float64(r.h)/2))
		if float64(y) < s.Top+2 || float64(y) > s.Bottom-2 || s.K*float64(r.h) < 2*margin {
			continue
		}
		for _, e := range []struct {
			at   int
			side int // in which direction the heat map lies
		}{{r.x0, +1}, {r.x1, -1}} {
			want := s.X + s.K*float64(e.at)
			if want < s.Left+margin+2 || want > s.Right-margin-2 {
				continue
			}
			middle := int(math.Floor(want))
			if bright(middle-e.side*margin, y) > 0 {
				continue // a row above or below reaches further: not this row's edge
			}
			sum := 0.0
			for d := -margin; d < margin; d++ {
				// As bright as the next but one inwards: covered. The colour changes over many pixels.
				if c := bright(middle+d, y) / max(bright(middle+d+2*e.side, y), 1); c > 0.9 {
					sum++
				} else {
					sum += c
				}
			}
			found := float64(middle) + margin - sum
			if e.side < 0 {
				found = float64(middle) - margin + sum
			}
			n++
			worst = max(worst, math.Abs(found-want))
		}
	}
	return n, worst
}

// sums is a picture in grey as sums over rectangles, so that any may be averaged at once.
type sums struct {
	w, h int
	s    []float64 // (w+1) × (h+1)
}

func readTruth(t *testing.T, file string) *sums {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	out := &sums{w, h, make([]float64, (w+1)*(h+1))}
	for y := range h {
		line := 0.0
		for x := range w {
			line += grey(m, x, y)
			out.s[(y+1)*(w+1)+x+1] = out.s[y*(w+1)+x+1] + line
		}
	}
	return out
}

func grey(m image.Image, x, y int) float64 {
	r, g, b, _ := m.At(x, y).RGBA()
	return float64(r+g+b) / (3 * 257)
}

// upTo is the sum of all left of x and above y, which may lie between pixels.
func (a *sums) upTo(x, y float64) float64 {
	x, y = min(max(x, 0), float64(a.w)), min(max(y, 0), float64(a.h))
	i, j := min(int(x), a.w-1), min(int(y), a.h-1)
	u, v := x-float64(i), y-float64(j)
	at := func(i, j int) float64 { return a.s[j*(a.w+1)+i] }
	return (1-u)*(1-v)*at(i, j) + u*(1-v)*at(i+1, j) + (1-u)*v*at(i, j+1) + u*v*at(i+1, j+1)
}

func (a *sums) mean(x0, y0, x1, y1 float64) float64 {
	return (a.upTo(x1, y1) - a.upTo(x0, y1) - a.upTo(x1, y0) + a.upTo(x0, y0)) / ((x1 - x0) * (y1 - y0))
}

// detail is how much there is to see within 32 pixels: the variance of means of 8 by 8.
func (a *sums) detail(x, y float64) float64 {
	var n, sum, squares float64
	for j := -32.0; j < 32; j += 8 {
		for i := -32.0; i < 32; i += 8 {
			v := a.mean(x+i, y+j, x+i+8, y+j+8)
			n, sum, squares = n+1, sum+v, squares+v*v
		}
	}
	return squares/n - (sum/n)*(sum/n)
}

// shift returns by how many screen pixels the slide on the screen lies off: the best of
// all whole shifts, refined by a parabola through it and its neighbours.
func (a *sums) shift(s sight, screen image.Image) (dx, dy float64) {
	const reach, side = 4, 240
	cx, cy := int(s.Left+s.Right)/2-side/2, int(s.Top+s.Bottom)/2-side/2
	want := make([]float64, side*side)
	wide := max(1/s.K, 1) // what a screen pixel shows; no less than a pixel of the slide
	for j := range side {
		for i := range side {
			x, y := (float64(cx+i)+0.5-s.X)/s.K, (float64(cy+j)+0.5-s.Y)/s.K
			want[j*side+i] = a.mean(x-wide/2, y-wide/2, x+wide/2, y+wide/2)
		}
	}
	seen := make([]float64, (side+2*reach)*(side+2*reach))
	for j := range side + 2*reach {
		for i := range side + 2*reach {
			seen[j*(side+2*reach)+i] = grey(screen, cx+i-reach, cy+j-reach)
		}
	}
	cost := func(ox, oy int) (sum float64) {
		for j := range side {
			for i := range side {
				d := seen[(j+oy+reach)*(side+2*reach)+i+ox+reach] - want[j*side+i]
				sum += d * d
			}
		}
		return sum
	}
	best, bx, by := math.Inf(1), 0, 0
	for oy := -reach + 1; oy < reach; oy++ {
		for ox := -reach + 1; ox < reach; ox++ {
			if c := cost(ox, oy); c < best {
				best, bx, by = c, ox, oy
			}
		}
	}
	vertex := func(l, m, r float64) float64 { return (l - r) / (2 * (l - 2*m + r)) }
	return float64(bx) + vertex(cost(bx-1, by), best, cost(bx+1, by)), float64(by) + vertex(cost(bx, by-1), best, cost(bx, by+1))
}
