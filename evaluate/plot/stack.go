package plot

import (
	"bytes"
	"image/color"
	"math"
)

// Stack is charts one below the other, in one picture.
type Stack []Chart

// SVG returns the charts as one element; it is called by the name of the first.
func (s Stack) SVG() []byte {
	var b bytes.Buffer
	to := &svg{&b}
	to.openAs(s[0], s.height())
	s.draw(to)
	to.close()
	return b.Bytes()
}

// PNG returns the charts as a picture on white.
func (s Stack) PNG() ([]byte, error) {
	to, err := newRaster(width, int(math.Ceil(s.height())))
	if err != nil {
		return nil, err
	}
	s.draw(to)
	return to.encode()
}

func (s Stack) height() float64 {
	var h float64
	for _, c := range s {
		h += c.height()
	}
	return h
}

func (s Stack) draw(to canvas) {
	var down float64
	for _, c := range s {
		c.draw(lowered{to, down})
		down += c.height()
	}
}

// lowered is a canvas on which everything stands further down.
type lowered struct {
	canvas
	by float64
}

func (l lowered) line(p []Point, c color.NRGBA, width float64, dashed bool) {
	l.canvas.line(l.all(p), c, width, dashed)
}

func (l lowered) fill(p []Point, c color.NRGBA) { l.canvas.fill(l.all(p), c) }

func (l lowered) text(at Point, s string, size float64, a anchor, upwards bool, c color.NRGBA) {
	at.Y += l.by
	l.canvas.text(at, s, size, a, upwards, c)
}

func (l lowered) all(p []Point) []Point {
	out := make([]Point, len(p))
	for i, q := range p {
		out[i] = Point{q.X, q.Y + l.by}
	}
	return out
}
