package report

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"sync"

	"bcc/aggregate"
	"bcc/wsi"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"p2":     func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) },
		"mm2":    mm2,
		"count":  count,
		"short":  func(s string) string { return s[:min(len(s), 12)] },
		"inc":    func(i int) int { return i + 1 },
		"metric": metric,
	}).Parse(pageText))
})

// maxRows bounds the lesions listed on the page; lesions.geojson has them all.
const maxRows = 50

// page is what page.html shows. Strings come in as they are: the template
// escapes them, whatever a slide is called. Only what we encoded ourselves is
// typed as safe.
type page struct {
	Result
	Style    template.CSS
	Card     Card
	Class    string // of the prediction, for its colour
	Sentence string
	Scale    scale
	Picture  picture
	Rows     []row
	More     int // lesions not listed
	LesionMM float64
	Share    float64 // of the tissue, in percent
	HasBand  bool
}

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

type row struct {
	Lesion
	Thumbnail template.URL
	XMM, YMM  float64 // of the centre of its bounds, from the slide's top left corner
}

// newPage prepares the page, pictures included, so that what can go wrong does so
// before a file is opened.
func newPage(in Input, ov *wsi.Overview) (*page, error) {
	p := &page{Result: in.Result, Card: in.Card, Style: template.CSS(pageStyle)}
	p.HasBand = in.Result.Parameters.Abstain[0] < in.Result.Parameters.Abstain[1]
	p.Class, p.Sentence = verdict(in.Result)
	p.Scale = newScale(in.Result)
	var err error
	if p.Picture, err = newPicture(in, ov); err != nil {
		return nil, err
	}
	for i, l := range in.Result.Lesions {
		p.LesionMM += l.AreaMM2
		if i >= maxRows {
			p.More++
			continue
		}
		b := l.BoundsPx
		r := row{Lesion: l,
			XMM: (float64(b[0]) + float64(b[2])/2) * in.Grid.MPP.X / 1000,
			YMM: (float64(b[1]) + float64(b[3])/2) * in.Grid.MPP.Y / 1000,
		}
		if i < min(len(in.Thumbnails), MaxThumbnails) && in.Thumbnails[i] != nil {
			if r.Thumbnail, err = jpegURL(in.Thumbnails[i]); err != nil {
				return nil, fmt.Errorf("thumbnail of lesion %d: %w", i+1, err)
			}
		}
		p.Rows = append(p.Rows, r)
	}
	if in.Result.Tissue.AreaMM2 > 0 {
		p.Share = min(100*p.LesionMM/in.Result.Tissue.AreaMM2, 100)
	}
	return p, nil
}

func (p *page) write(w io.Writer) error { return pageTemplate().Execute(w, p) }

// verdict says the prediction in a sentence that can be checked against the scale.
func verdict(r Result) (class, sentence string) {
	t, lo, hi := r.Parameters.Threshold, r.Parameters.Abstain[0], r.Parameters.Abstain[1]
	switch {
	case r.Tissue.Patches == 0:
		return "open", "No tissue was analysed. This says nothing about the slide."
	case r.Prediction == aggregate.Indeterminate:
		return "open", fmt.Sprintf("The slide score %.2f lies in the band from %.2f to %.2f, in which the program does not decide. A person has to.", r.Score, lo, hi)
	case r.Prediction == aggregate.BCC:
		return "yes", fmt.Sprintf("The slide score %.2f reaches the operating point %.2f.", r.Score, t)
	default:
		return "no", fmt.Sprintf("The slide score %.2f lies below the operating point %.2f. This does not exclude a carcinoma.", r.Score, t)
	}
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

// mm2 gives small areas the decimals they need.
func mm2(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 1:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// count writes n in groups of three, which a thin space keeps apart.
func count(n int) string {
	s := strconv.Itoa(n)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && c != '-' && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteRune('\u202f')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// metric writes a figure as a page shows it: with interval, set and counts where
// they are known.
func metric(m *Metric) string {
	if m == nil {
		return "not measured"
	}
	s := strconv.FormatFloat(m.Value, 'f', 2, 64)
	if m.Low != 0 || m.High != 0 {
		s += fmt.Sprintf(" (95 %% interval %.2f to %.2f)", m.Low, m.High)
	}
	if m.Set != "" {
		s += " on " + m.Set
	}
	switch {
	case m.Slides > 0 && m.Patients > 0:
		s += fmt.Sprintf(", %d slides of %d patients", m.Slides, m.Patients)
	case m.Slides > 0:
		s += fmt.Sprintf(", %d slides", m.Slides)
	}
	return s
}
