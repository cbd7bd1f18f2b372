package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"sync"

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
	Heat     heat
}

type row struct {
	Lesion
	Thumbnail template.URL
	XMM, YMM  float64 // of the centre of its bounds, from the slide's top left corner
}

// newPage prepares the page, pictures included, so that what can go wrong does so
// before a file is opened.
func newPage(in Input, ov *wsi.Overview) (*page, error) {
	p := &page{Result: in.Result, Card: in.Card, Style: template.CSS(pageStyle), Heat: heatOf(in.Result.Model)}
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

// writePage writes report.html.
func writePage(w io.Writer, in Input, ov *wsi.Overview) error {
	p, err := newPage(in, ov)
	if err != nil {
		return err
	}
	return pageTemplate().Execute(w, p)
}
