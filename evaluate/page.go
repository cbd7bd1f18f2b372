package evaluate

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"sync"

	"bcc/fault"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"short": short, "interval": interval, "digest": func(s string) string { return s[:min(len(s), 12)] },
	}).Parse(pageText))
})

// page is what page.html shows. Strings come in as they are and are escaped by the
// template; only what we made ourselves is typed as safe.
type page struct {
	*Evaluation
	Style       template.CSS
	Title       string
	HasBySample bool
	Headline    []row
	Rows        []row
	LesionRows  []row
	Charts      []template.HTML
	HasBand     bool
	PartRows    []partRow
}

// partRow is a subgroup as a table shows it; Wide tables have columns for colour.
type partRow struct {
	Part
	Wide bool
}

// row is a figure as a table shows it.
type row struct {
	Title string
	Figure
}

// headline are the figures that stand at the top.
var headline = []string{"auroc", "sensitivity", "specificity", "ece"}

// HTML returns the evaluation as one page that needs no other file.
func (e *Evaluation) HTML() ([]byte, error) {
	p := page{Evaluation: e, Style: template.CSS(pageStyle), Title: e.Data.Name, HasBand: e.OperatingPoint.Abstain[0] < e.OperatingPoint.Abstain[1]}
	for _, m := range measures {
		f, ok := e.Figures[m.name]
		if !ok {
			continue
		}
		p.HasBySample = p.HasBySample || f.BySample != nil
		if of := strings.HasSuffix(m.name, "_of_decided") || m.name == "indeterminate"; of && !p.HasBand {
			continue // the same as without a band
		}
		p.Rows = append(p.Rows, row{m.title, f})
		for _, h := range headline {
			if h == m.name {
				p.Headline = append(p.Headline, row{m.title, f})
			}
		}
	}
	if e.Lesions != nil {
		for _, n := range lesionNames {
			if f, ok := e.Lesions.Figures[n.name]; ok {
				p.LesionRows = append(p.LesionRows, row{n.title, f})
			}
		}
	}
	for _, part := range append([]Part{e.Part}, e.Parts...) {
		p.PartRows = append(p.PartRows, partRow{part, e.Colour != nil})
	}
	for _, c := range e.charts() {
		p.Charts = append(p.Charts, template.HTML(c.SVG())) // ours, its words escaped
	}
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, p); err != nil {
		return nil, fault.New(fault.Internal, "write the page of an evaluation: %w", err)
	}
	return b.Bytes(), nil
}

// String is the figure with its interval, as charts and lines show it.
func (f Figure) String() string {
	switch {
	case f.Interval != nil:
		return fmt.Sprintf("%s (%s)", short(f.Value), interval(f.Interval))
	case f.BySample != nil:
		return fmt.Sprintf("%s (%s by sample, too narrow)", short(f.Value), interval(f.BySample))
	}
	return short(f.Value)
}

// short has three decimals, fewer for large values and more for those near 0 or 1,
// which are never shown as what they are not.
func short(v float64) string {
	a := math.Abs(v)
	decimals := 3
	switch {
	case a >= 100:
		decimals = 0
	case a > 0 && a < 0.02, a < 1 && a > 0.9995:
		decimals = 5
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

func interval(i []float64) string {
	if len(i) != 2 {
		return "–"
	}
	return short(i[0]) + " to " + short(i[1])
}
