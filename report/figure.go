package report

import (
	"encoding/base64"
	"fmt"
	"html/template"
	"strconv"

	"bcc/aggregate"
	"bcc/wsi"
)

// picture is the overview with its layers; positions in percent of its sides.
type picture struct {
	Overview, Layer          template.URL
	W, H                     int // pixels of the overview
	Left, Top, Width, Height template.CSS
	SlideW, SlideH           int
	Outlines                 string // SVG path in level-0 pixels
	Tags                     []tag
	Bar                      template.CSS // width of the scale bar
	BarMM                    string
	Ramp                     []template.CSS
}

type tag struct {
	N         int
	Left, Top template.CSS
}

func newPicture(in Input, ov *wsi.Overview) (picture, error) {
	slide, h := in.Grid.Slide, in.Answer.Heatmap
	p := picture{W: ov.W, H: ov.H, SlideW: slide.W, SlideH: slide.H, Outlines: outlines(in.Answer.Lesions)}
	var err error
	if p.Overview, err = jpegURL(ov.Image); err != nil {
		return p, fmt.Errorf("overview: %w", err)
	}
	png, err := layer(h)
	if err != nil {
		return p, fmt.Errorf("heat map: %w", err)
	}
	if png != nil {
		p.Layer = dataURL("image/png", png)
	}
	b := h.Bounds()
	p.Left, p.Top = percent(b.X, slide.W), percent(b.Y, slide.H)
	p.Width, p.Height = percent(b.W, slide.W), percent(b.H, slide.H)
	for i, l := range in.Answer.Lesions[:min(len(in.Answer.Lesions), maxNumbers)] {
		p.Tags = append(p.Tags, tag{i + 1, percent(l.Bounds.X, slide.W), percent(l.Bounds.Y, slide.H)})
	}
	if mm, px := scaleBar(ov, in.Grid.MPP); px > 0 {
		p.Bar, p.BarMM = percent(px, ov.W), strconv.FormatFloat(mm, 'f', -1, 64)
	}
	for i := range 21 {
		c := ramp(float64(i) / 20)
		p.Ramp = append(p.Ramp, template.CSS(fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)))
	}
	return p, nil
}

func percent(v, of int) template.CSS {
	return template.CSS(strconv.FormatFloat(100*float64(v)/float64(max(of, 1)), 'f', 3, 64) + "%")
}

// maxOutlineBytes bounds the outlines on the page; beyond it lesions are left to
// the heat map.
const maxOutlineBytes = 1 << 20

// outlines returns all rings as one SVG path. They are rectilinear, so that a
// corner needs one number.
func outlines(lesions []aggregate.Lesion) string {
	var b []byte
	for _, l := range lesions {
		for _, poly := range l.Outline {
			for _, ring := range poly {
				if len(b) > maxOutlineBytes {
					return string(b)
				}
				b = append(b, 'M')
				b = strconv.AppendInt(b, int64(ring[0].X), 10)
				b = append(b, ' ')
				b = strconv.AppendInt(b, int64(ring[0].Y), 10)
				for i, q := range ring[1 : len(ring)-1] {
					if q.Y == ring[i].Y {
						b = strconv.AppendInt(append(b, 'H'), int64(q.X), 10)
					} else {
						b = strconv.AppendInt(append(b, 'V'), int64(q.Y), 10)
					}
				}
				b = append(b, 'Z')
			}
		}
	}
	return string(b)
}

func jpegURL(m *wsi.Image) (template.URL, error) {
	if m.W <= 0 || m.H <= 0 || len(m.Pix) != 3*m.W*m.H {
		return "", fmt.Errorf("picture of %v with %d bytes", m.Size, len(m.Pix))
	}
	b, err := encodeJPEG(m)
	return dataURL("image/jpeg", b), err
}

// dataURL is safe in a page: base64 of bytes that we encoded.
func dataURL(kind string, b []byte) template.URL {
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(b))
}
