// Package plot draws charts: lines, bands, dots and bars over two axes, as SVG for
// pages and as PNG for slides and papers, with one description for both.
//
// In: a Chart. Out: bytes, the same each time. It knows no figures and no files.
// gonum/plot was tried: it places the letters of an SVG by the widths of a font
// that the reader need not have, so that words run into lines, and it adds 6 MB of
// fonts and writers to the program.
package plot

import (
	"bytes"
	"image/color"
	"math"
	"strconv"
)

// The colours, told apart by colour-blind eyes too (Okabe and Ito 2008) and of
// different darkness in print.
var (
	Blue   = color.NRGBA{0x00, 0x5a, 0x8f, 0xff}
	Orange = color.NRGBA{0xd5, 0x7a, 0x00, 0xff}
	Grey   = color.NRGBA{0x77, 0x75, 0x7f, 0xff}
	Ink    = color.NRGBA{0x1c, 0x1b, 0x22, 0xff}

	gridLine = color.NRGBA{0xe4, 0xe2, 0xe9, 0xff}
)

// Point is a place in the units of the axes.
type Point struct{ X, Y float64 }

// Axis is one side of a chart.
type Axis struct {
	Title    string
	Min, Max float64
	Step     float64 // between ticks
}

// Unit is an axis from 0 to 1.
func Unit(title string) Axis { return Axis{title, 0, 1, 0.2} }

// From0 is an axis from 0 to at least top, with five or so round ticks.
func From0(title string, top float64) Axis {
	if !(top > 0) {
		top = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(top/4)))
	for _, f := range []float64{1, 2, 5, 10} {
		if top/(f*step) <= 6 {
			step *= f
			break
		}
	}
	return Axis{title, 0, math.Ceil(top/step-1e-9) * step, step}
}

// Item is one thing drawn on a chart; later ones lie over earlier ones. One with a
// label stands in the legend.
type Item struct {
	Label  string
	Colour color.NRGBA
	Line   []Point // a line through the points
	Dashed bool
	Fill   []Point // an area within the points
	Dots   []Point
	Bars   []Bar // each from 0
}

// Bar is a rectangle from Y = 0.
type Bar struct{ X0, X1, Y float64 }

// Chart is a picture with two axes.
type Chart struct {
	Title string
	Words string // what it shows, for those who cannot see it
	X, Y  Axis
	Items []Item
}

// Sizes in units of the drawing, of which a PNG has two pixels each.
const (
	width, plotH         = 460, 330
	left, right          = 58, 16
	top, below           = 34, 50
	legendRow            = 19
	textSize, titleSize  = 13, 15
	lineWidth, dotRadius = 2.2, 4.2
	shade                = 0x38 // opacity of areas
)

// canvas is what a chart is drawn on; positions in units, from the top left.
type canvas interface {
	line(p []Point, c color.NRGBA, width float64, dashed bool)
	fill(p []Point, c color.NRGBA)
	text(at Point, s string, size float64, anchor anchor, upwards bool, c color.NRGBA)
}

// anchor is the part of a text that stands at its place.
type anchor string

const (
	start  anchor = "start"
	middle anchor = "middle"
	end    anchor = "end"
)

// height is that of the whole drawing.
func (c Chart) height() float64 {
	rows := 0
	for _, it := range c.Items {
		if it.Label != "" {
			rows++
		}
	}
	return top + plotH + below + float64(rows)*legendRow + 4
}

// at turns units of the axes into those of the drawing.
func (c Chart) at(p Point) Point {
	x := (p.X - c.X.Min) / (c.X.Max - c.X.Min)
	y := (p.Y - c.Y.Min) / (c.Y.Max - c.Y.Min)
	x, y = min(max(x, -0.01), 1.01), min(max(y, -0.01), 1.01) // what leaves the axes ends at their edge
	return Point{left + x*(width-left-right), top + (1-y)*plotH}
}

func (c Chart) all(p []Point) []Point {
	out := make([]Point, len(p))
	for i := range p {
		out[i] = c.at(p[i])
	}
	return out
}

func (c Chart) draw(to canvas) {
	to.text(Point{left, 20}, c.Title, titleSize, start, false, Ink)
	c.axes(to)
	for _, it := range c.Items {
		c.item(to, it)
	}
	y := float64(top + plotH + below)
	for _, it := range c.Items {
		if it.Label == "" {
			continue
		}
		c.swatch(to, it, y)
		to.text(Point{left + 34, y + 4.5}, it.Label, textSize, start, false, Ink)
		y += legendRow
	}
}

// axes draws the grid with its numbers, the frame's two sides and their titles.
func (c Chart) axes(to canvas) {
	for i := range ticks(c.X) {
		v := c.X.Min + float64(i)*c.X.Step
		at := c.at(Point{v, c.Y.Min})
		to.line([]Point{at, c.at(Point{v, c.Y.Max})}, gridLine, 1, false)
		to.text(Point{at.X, at.Y + 17}, number(v, c.X.Step), textSize, middle, false, Ink)
	}
	for i := range ticks(c.Y) {
		v := c.Y.Min + float64(i)*c.Y.Step
		at := c.at(Point{c.X.Min, v})
		to.line([]Point{at, c.at(Point{c.X.Max, v})}, gridLine, 1, false)
		to.text(Point{at.X - 7, at.Y + 4.5}, number(v, c.Y.Step), textSize, end, false, Ink)
	}
	corner := c.at(Point{c.X.Min, c.Y.Min})
	to.line([]Point{c.at(Point{c.X.Min, c.Y.Max}), corner, c.at(Point{c.X.Max, c.Y.Min})}, Ink, 1, false)
	to.text(Point{(left + width - right) / 2, corner.Y + 36}, c.X.Title, textSize, middle, false, Ink)
	to.text(Point{16, top + plotH/2}, c.Y.Title, textSize, middle, true, Ink)
}

// ticks is how many an axis has, both ends among them.
func ticks(a Axis) int { return int(math.Floor((a.Max-a.Min)/a.Step+1e-9)) + 1 }

// number has as many decimals as the step between numbers.
func number(v, step float64) string {
	decimals := 0
	for s := step; decimals < 6 && math.Abs(s-math.Round(s)) > 1e-9; s *= 10 {
		decimals++
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

func (c Chart) item(to canvas, it Item) {
	if len(it.Fill) > 2 {
		to.fill(c.all(it.Fill), shaded(it.Colour))
	}
	for _, b := range it.Bars {
		to.fill(c.all([]Point{{b.X0, 0}, {b.X1, 0}, {b.X1, b.Y}, {b.X0, b.Y}}), it.Colour)
	}
	if len(it.Line) > 1 {
		to.line(c.all(it.Line), it.Colour, lineWidth, it.Dashed)
	}
	for _, p := range it.Dots {
		to.fill(disc(c.at(p), dotRadius), it.Colour)
	}
}

// swatch draws what stands before an item's label.
func (c Chart) swatch(to canvas, it Item, y float64) {
	box := []Point{{left, y - 5}, {left + 26, y - 5}, {left + 26, y + 5}, {left, y + 5}}
	switch {
	case len(it.Line) > 1:
		to.line([]Point{{left, y}, {left + 26, y}}, it.Colour, lineWidth, it.Dashed)
	case len(it.Bars) > 0:
		to.fill(box, it.Colour)
	case len(it.Fill) > 2:
		to.fill(box, shaded(it.Colour))
	}
	if len(it.Dots) > 0 {
		to.fill(disc(Point{left + 13, y}, dotRadius), it.Colour)
	}
}

func shaded(c color.NRGBA) color.NRGBA { c.A = shade; return c }

// disc is a circle as a polygon whose edge no eye tells from it.
func disc(at Point, radius float64) []Point {
	out := make([]Point, 24)
	for i := range out {
		s, c := math.Sincos(2 * math.Pi * float64(i) / float64(len(out)))
		out[i] = Point{at.X + radius*c, at.Y + radius*s}
	}
	return out
}

// SVG returns the chart as one element that may stand alone or in a page.
func (c Chart) SVG() []byte {
	var b bytes.Buffer
	to := &svg{&b}
	to.open(c)
	c.draw(to)
	to.close()
	return b.Bytes()
}

// PNG returns the chart as a picture on white.
func (c Chart) PNG() ([]byte, error) {
	to, err := newRaster(width, int(math.Ceil(c.height())))
	if err != nil {
		return nil, err
	}
	c.draw(to)
	return to.encode()
}
