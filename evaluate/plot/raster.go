package plot

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"slices"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"

	"bcc/fault"
)

// density is how many pixels a unit of the drawing has.
const density = 2

// The pattern of a dashed line, in units.
const dash, gap = 6, 4

// raster is a drawing in pixels.
type raster struct {
	*image.RGBA
	regular, bold *opentype.Font
}

var fonts = sync.OnceValues(func() ([2]*opentype.Font, error) {
	regular, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return [2]*opentype.Font{}, err
	}
	bold, err := opentype.Parse(gomedium.TTF)
	return [2]*opentype.Font{regular, bold}, err
})

func newRaster(w, h int) (*raster, error) {
	f, err := fonts()
	if err != nil {
		return nil, fault.New(fault.Internal, "read the fonts: %w", err)
	}
	r := &raster{image.NewRGBA(image.Rect(0, 0, w*density, h*density)), f[0], f[1]}
	draw.Draw(r, r.Rect, image.White, image.Point{}, draw.Src)
	return r, nil
}

func (r *raster) fill(p []Point, c color.NRGBA) { r.shapes([][]Point{p}, c) }

// shapes paints polygons as one: where they overlap the colour is not laid twice.
func (r *raster) shapes(shapes [][]Point, c color.NRGBA) {
	box := bounds(shapes).Intersect(r.Rect) // the rasteriser costs as much as its area
	if box.Empty() {
		return
	}
	v := vector.NewRasterizer(box.Dx(), box.Dy())
	for _, p := range shapes {
		if area(p) < 0 { // all the same way round, or overlaps would cancel out
			p = slices.Clone(p)
			slices.Reverse(p)
		}
		for i, q := range p {
			x, y := float32(q.X*density-float64(box.Min.X)), float32(q.Y*density-float64(box.Min.Y))
			if i == 0 {
				v.MoveTo(x, y)
			} else {
				v.LineTo(x, y)
			}
		}
		v.ClosePath()
	}
	v.Draw(r.RGBA, box, image.NewUniform(c), image.Point{})
}

// bounds are the pixels that shapes touch.
func bounds(shapes [][]Point) image.Rectangle {
	low, high := Point{math.Inf(1), math.Inf(1)}, Point{math.Inf(-1), math.Inf(-1)}
	for _, shape := range shapes {
		for _, p := range shape {
			low = Point{min(low.X, p.X), min(low.Y, p.Y)}
			high = Point{max(high.X, p.X), max(high.Y, p.Y)}
		}
	}
	if low.X > high.X {
		return image.Rectangle{}
	}
	return image.Rect(int(math.Floor(low.X*density)), int(math.Floor(low.Y*density)), int(math.Ceil(high.X*density)), int(math.Ceil(high.Y*density)))
}

// area is that of a polygon, negative the one way round.
func area(p []Point) float64 {
	var sum float64
	for i, a := range p {
		b := p[(i+1)%len(p)]
		sum += a.X*b.Y - b.X*a.Y
	}
	return sum
}

// line paints each stretch as a rectangle, with discs where they meet.
func (r *raster) line(p []Point, c color.NRGBA, width float64, dashed bool) {
	pieces := [][]Point{p}
	if dashed {
		pieces = dashes(p)
	}
	var shapes [][]Point
	for _, piece := range pieces {
		for i := range len(piece) - 1 {
			a, b := piece[i], piece[i+1]
			length := math.Hypot(b.X-a.X, b.Y-a.Y)
			if length == 0 {
				continue
			}
			nx, ny := -(b.Y-a.Y)/length*width/2, (b.X-a.X)/length*width/2
			shapes = append(shapes, []Point{{a.X + nx, a.Y + ny}, {b.X + nx, b.Y + ny}, {b.X - nx, b.Y - ny}, {a.X - nx, a.Y - ny}})
			if i > 0 {
				shapes = append(shapes, disc(a, width/2))
			}
		}
	}
	r.shapes(shapes, c)
}

// dashes cuts a line into the stretches of it that are drawn.
func dashes(p []Point) [][]Point {
	var out [][]Point
	var open []Point // the stretch being drawn; nil: in a gap
	open, rest := []Point{p[0]}, float64(dash)
	for i := range len(p) - 1 {
		a, b := p[i], p[i+1]
		length := math.Hypot(b.X-a.X, b.Y-a.Y)
		for at := 0.0; at < length; {
			step := min(rest, length-at)
			at, rest = at+step, rest-step
			q := Point{a.X + (b.X-a.X)*at/length, a.Y + (b.Y-a.Y)*at/length}
			if open != nil {
				open = append(open, q)
			}
			if rest > 0 {
				continue
			}
			if open != nil {
				out, open, rest = append(out, open), nil, gap
			} else {
				open, rest = []Point{q}, dash
			}
		}
	}
	if len(open) > 1 {
		out = append(out, open)
	}
	return out
}

func (r *raster) text(at Point, text string, size float64, a anchor, upwards bool, c color.NRGBA) {
	f := r.regular
	if size > textSize {
		f = r.bold
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size * density, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return // a size that the font cannot have: ours all can
	}
	length := font.MeasureString(face, text).Ceil()
	shift := 0
	switch a {
	case middle:
		shift = length / 2
	case end:
		shift = length
	}
	x, y := int(math.Round(at.X*density)), int(math.Round(at.Y*density))
	if !upwards {
		write(r, face, x-shift, y, text, c)
		return
	}
	m := face.Metrics()
	ascent, descent := m.Ascent.Ceil(), m.Descent.Ceil()
	flat := image.NewRGBA(image.Rect(0, 0, length, ascent+descent))
	write(flat, face, 0, ascent, text, c)
	turned := image.NewRGBA(image.Rect(0, 0, ascent+descent, length))
	for ty := range length {
		for tx := range ascent + descent {
			turned.Set(tx, ty, flat.At(length-1-ty, tx))
		}
	}
	draw.Draw(r, turned.Rect.Add(image.Pt(x-ascent, y+shift-length)), turned, image.Point{}, draw.Over)
}

func write(to draw.Image, face font.Face, x, y int, text string, c color.NRGBA) {
	d := font.Drawer{Dst: to, Src: image.NewUniform(c), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

func (r *raster) encode() ([]byte, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, r); err != nil {
		return nil, fault.New(fault.Internal, "encode a chart: %w", err)
	}
	return b.Bytes(), nil
}
