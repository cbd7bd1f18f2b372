package cli

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"bcc/disk"
	"bcc/evaluate"
	"bcc/fault"
	"bcc/model"
)

// writeCard puts what an evaluation found into the card of the model in dir.
func writeCard(dir string, b *model.Bundle, e *evaluate.Evaluation) error {
	card, err := model.Amend(b.RawCard, changes(&b.Card, e))
	if err != nil {
		return fmt.Errorf("write the card of %s: %w", b.Card.Name, err)
	}
	if err := disk.Write(filepath.Join(dir, model.CardFile), card); err != nil {
		return fault.New(fault.Unavailable, "write the card of %s: %w", b.Card.Name, err)
	}
	return nil
}

// changes are the fields of the card that an evaluation sets.
//
// On tiles, and with a slide head, the temperature divides the very logits that it
// was fitted on, so it is written and the thresholds move with it. The slide score
// of a patch classifier is made of the probabilities of many patches: no
// temperature of theirs makes it what the fit says, so the card keeps its own.
func changes(card *model.Card, e *evaluate.Evaluation) []model.Change {
	var out []model.Change
	set := func(field string, value any) { out = append(out, model.Change{Field: field, Value: value}) }
	temperature, tempered := 1.0, false
	tiles := e.Data.Kind == kindTiles
	if t := e.Calibration.Temperature; t != nil && (tiles || card.Kind == model.SlideHead) {
		temperature, tempered = t.Value, true
		groups := 0
		if e.Chosen != nil {
			groups = e.Chosen.Groups
		}
		set("calibration", model.Calibration{Temperature: temperature * card.Temperature(), FittedOn: t.FittedOn, Slides: t.Samples, Patients: groups})
	}
	if c := e.Chosen; c != nil {
		p := c.Point()
		if tiles || temperature != 1 {
			p = below(p.Scaled(temperature), e.Unit, temperature)
		}
		o := model.OperatingPoint{Threshold: p.Threshold, ChosenOn: c.On, Slides: c.Samples, Patients: c.Groups,
			Sensitivity: cardRate(c.Sensitivity), Specificity: cardRate(c.Specificity)}
		if c.Wanted > 0 {
			o.WantedSensitivity = &c.Wanted
		}
		set("operating_point", o)
		if p.Abstain[0] < p.Abstain[1] {
			set("abstain", p.Abstain)
		} else {
			set("abstain", nil)
		}
		if tiles {
			set("lesion_threshold", p.Threshold)
		}
	}
	set("metrics", metrics(card.Metrics, e, tempered))
	return out
}

// below lowers a point that was chosen on rounded scores by what rounding may have
// added, so that the sample it was chosen by is called again: scores of tiles are
// float32, those of slides have four decimals, and a temperature below 1 stretches
// them.
func below(p evaluate.Point, unit string, temperature float64) evaluate.Point {
	rounding := 1e-6
	if unit == "slide" {
		rounding = 1e-4 * max(1, 1/temperature)
	}
	p.Threshold = max(math.Floor((p.Threshold-rounding)*1e6)/1e6, 0)
	p.Abstain[0] = min(p.Abstain[0], p.Threshold)
	return p
}

// cardRate puts a figure into the words of a card; nil where it was not measured.
func cardRate(f evaluate.Figure) *model.Rate {
	if len(f.Interval) != 2 {
		return nil
	}
	low, high := around(f)
	return &model.Rate{Value: f.Value, Low: low, High: high}
}

// around returns the interval, widened where a percentile interval leaves its own
// figure out: resampling makes a calibration error larger, for one.
func around(f evaluate.Figure) (low, high float64) {
	return min(f.Interval[0], f.Value), max(f.Interval[1], f.Value)
}

// cardMetrics are the figures that a card holds, by what it calls them.
var cardMetrics = []struct{ figure, name string }{
	{"auroc", "AUROC"}, {"average_precision", "average precision"}, {"sensitivity", "sensitivity"},
	{"specificity", "specificity"}, {"ece", "calibration error"},
}

// metrics returns the card's figures with those of the evaluation in place of all
// that stand there of the same set. Where the card takes the temperature, the
// calibration error is that after it.
func metrics(had []model.Metric, e *evaluate.Evaluation, tempered bool) []model.Metric {
	set := e.Data.Name
	if e.Data.Split != "" {
		set += ", split " + e.Data.Split
	}
	set += " (" + e.Unit + "s)"
	had = slices.DeleteFunc(slices.Clone(had), func(m model.Metric) bool { return m.DataSet == set })
	add := func(name string, f evaluate.Figure, ok bool) {
		if !ok {
			return
		}
		m := model.Metric{Name: name, DataSet: set, Value: f.Value, Slides: e.Samples, Patients: e.Groups}
		if len(f.Interval) == 2 {
			low, high := around(f)
			m.Low, m.High = &low, &high
		}
		had = append(had, m)
	}
	for _, c := range cardMetrics {
		f, ok := e.Figures[c.figure]
		if t := e.Calibration.Temperature; c.figure == "ece" && tempered {
			f = t.ECE
		}
		add(e.Unit+" "+c.name, f, ok)
	}
	if e.Colour != nil {
		add("AUROC of colour alone", e.Colour.AUROC, true)
	}
	if e.Lesions != nil {
		f, ok := e.Lesions.Figures["froc_score"]
		add("lesion FROC score", f, ok)
	}
	return had
}

// site is the section of the card that says what was refitted where.
type site struct {
	Name        string                `json:"name"`
	Base        string                `json:"base_model_sha256"` // of the bundle as it was before
	Evaluated   evaluate.Data         `json:"data"`
	Slides      int                   `json:"slides"`
	Patients    int                   `json:"patients"`
	Chosen      *evaluate.Chosen      `json:"operating_point"`
	Temperature *evaluate.Tempered    `json:"temperature,omitempty"`
	Applied     bool                  `json:"temperature_applied"`
	Before      *model.OperatingPoint `json:"operating_point_before,omitempty"`
}

// writeSite writes a copy of the model whose operating point is a site's own into
// dir. The original stays as it is.
func writeSite(dir string, b *model.Bundle, e *evaluate.Evaluation) error {
	fields := changes(&b.Card, e)
	applied := slices.ContainsFunc(fields, func(c model.Change) bool { return c.Field == "calibration" })
	fields = append(fields, model.Change{Field: "site", Value: site{
		Name: e.Data.Name, Base: b.Digest, Evaluated: e.Data, Slides: e.Samples, Patients: e.Groups,
		Chosen: e.Chosen, Temperature: e.Calibration.Temperature, Applied: applied, Before: b.Card.OperatingPoint,
	}}, model.Change{Field: "name", Value: siteName(b.Card.Name, e.Data.Name)})
	own, err := b.With(nil, fields)
	if err != nil {
		return fmt.Errorf("write the model for %s: %w", e.Data.Name, err)
	}
	return own.Save(dir)
}

// siteName marks a model that was fitted to a site; a second fit takes the place of
// the first.
func siteName(name, site string) string {
	base, _, _ := strings.Cut(name, " @ ")
	return base + " @ " + site
}
