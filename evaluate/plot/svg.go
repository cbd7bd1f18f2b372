package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"
	"strconv"
)

// svg writes the elements of a drawing.
type svg struct{ *bytes.Buffer }

func (s *svg) open(c Chart) { s.openAs(c, c.height()) }

// openAs begins a picture of that height that is called as the chart is.
func (s *svg) openAs(c Chart, height float64) {
	fmt.Fprintf(s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %s" role="img" aria-label="%s" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif">`,
		width, short(height), escape(c.Words))
	fmt.Fprintf(s, "\n<title>%s</title>\n", escape(c.Title))
	fmt.Fprintf(s, `<rect width="%d" height="%s" fill="#fff"/>`+"\n", width, short(height))
}

func (s *svg) close() { s.WriteString("</svg>\n") }

func (s *svg) line(p []Point, c color.NRGBA, width float64, dashed bool) {
	s.WriteString(`<path d="`)
	s.path(p)
	fmt.Fprintf(s, `" fill="none" stroke="%s" stroke-width="%s" stroke-linejoin="round"`, hex(c), short(width))
	if dashed {
		fmt.Fprintf(s, ` stroke-dasharray="%d %d"`, dash, gap)
	}
	s.WriteString("/>\n")
}

func (s *svg) fill(p []Point, c color.NRGBA) {
	s.WriteString(`<path d="`)
	s.path(p)
	fmt.Fprintf(s, `Z" fill="%s"`, hex(c))
	if c.A < 0xff {
		fmt.Fprintf(s, ` fill-opacity="%.2f"`, float64(c.A)/0xff)
	}
	s.WriteString("/>\n")
}

func (s *svg) text(at Point, text string, size float64, a anchor, upwards bool, c color.NRGBA) {
	turn := ""
	if upwards {
		turn = fmt.Sprintf(` transform="rotate(-90 %s %s)"`, short(at.X), short(at.Y))
	}
	weight := ""
	if size > textSize {
		weight = ` font-weight="600"`
	}
	fmt.Fprintf(s, `<text x="%s" y="%s" font-size="%s"%s text-anchor="%s" fill="%s"%s>%s</text>`+"\n",
		short(at.X), short(at.Y), short(size), weight, a, hex(c), turn, escape(text))
}

func (s *svg) path(p []Point) {
	for i, q := range p {
		letter := byte('L')
		if i == 0 {
			letter = 'M'
		}
		s.WriteByte(letter)
		s.WriteString(short(q.X))
		s.WriteByte(' ')
		s.WriteString(short(q.Y))
	}
}

// short keeps two decimals: a fortieth of a pixel.
func short(v float64) string {
	b := strconv.AppendFloat(nil, v, 'f', 2, 64)
	b = bytes.TrimRight(b, "0")
	return string(bytes.TrimSuffix(b, []byte(".")))
}

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}
