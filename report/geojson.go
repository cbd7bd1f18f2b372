package report

import (
	"io"
	"strconv"

	"bcc/aggregate"
)

// writeLesions writes lesions.geojson: a FeatureCollection that QuPath opens, one
// feature a lesion in level-0 pixels, one line each. It holds no more than one
// ring in memory, however many lesions there are.
//
// QuPath: objectType, classification and isLocked are its own words, and
// measurements must be a dictionary.
func writeLesions(w io.Writer, lesions []aggregate.Lesion) error {
	g := &geo{w: w}
	g.text(`{"type":"FeatureCollection","features":[`)
	for i, l := range lesions {
		if i > 0 {
			g.text(",")
		}
		g.text("\n" + `{"type":"Feature","id":`)
		g.text(strconv.Quote(featureID(l, i)))
		g.text(`,"geometry":{"type":`)
		if len(l.Outline) == 1 {
			g.text(`"Polygon","coordinates":`)
			g.polygon(l.Outline[0])
		} else {
			g.text(`"MultiPolygon","coordinates":[`)
			for j, p := range l.Outline {
				if j > 0 {
					g.text(",")
				}
				g.polygon(p)
			}
			g.text("]")
		}
		g.text(`},"properties":{"objectType":"annotation","name":"Lesion `)
		g.text(strconv.Itoa(i + 1))
		// sRGB of QuPath's own class "Tumor" is 200,0,0.
		g.text(`","classification":{"name":"BCC","color":[200,0,0]},"isLocked":false,"measurements":{"Score":`)
		g.number(l.Score)
		g.text(`,"Area mm^2":`)
		g.number(l.AreaMM2)
		g.text("}}}")
	}
	g.text("\n]}\n")
	return g.err
}

// featureID is a UUID (version 8, RFC 9562: made as one likes) of the lesion's
// place in its list and on its slide: QuPath wants one, and files must not differ
// from run to run.
func featureID(l aggregate.Lesion, i int) string {
	const hex = "0123456789abcdef"
	var b [16]byte
	for k, v := range [4]int{i, l.Bounds.X, l.Bounds.Y, l.Cells} {
		for n := range 4 {
			b[4*k+n] = byte(uint32(v) >> (24 - 8*n))
		}
	}
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	var s []byte
	for k, v := range b {
		if k == 4 || k == 6 || k == 8 || k == 10 {
			s = append(s, '-')
		}
		s = append(s, hex[v>>4], hex[v&15])
	}
	return string(s)
}

// geo writes pieces of GeoJSON and keeps the first error.
type geo struct {
	w   io.Writer
	buf []byte
	err error
}

func (g *geo) text(s string) {
	if g.err == nil {
		_, g.err = io.WriteString(g.w, s)
	}
}

func (g *geo) number(v float64) {
	g.text(strconv.FormatFloat(roundTo(v, 4), 'f', -1, 64))
}

func (g *geo) polygon(p aggregate.Polygon) {
	g.text("[")
	for i, ring := range p {
		g.buf = g.buf[:0]
		for j, q := range ring {
			if j > 0 {
				g.buf = append(g.buf, ',')
			}
			g.buf = append(g.buf, '[')
			g.buf = strconv.AppendInt(g.buf, int64(q.X), 10)
			g.buf = append(g.buf, ',')
			g.buf = strconv.AppendInt(g.buf, int64(q.Y), 10)
			g.buf = append(g.buf, ']')
		}
		if i > 0 {
			g.text(",")
		}
		g.text("[")
		g.text(string(g.buf))
		g.text("]")
	}
	g.text("]")
}
