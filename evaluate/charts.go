package evaluate

import (
	"fmt"

	"bcc/evaluate/plot"
)

// namedChart is a chart and the name of its files, without the ending.
type namedChart struct {
	name string
	plot.Chart
}

// charts returns the pictures of an evaluation, in the order shown.
func (e *Evaluation) charts() []namedChart {
	all := []namedChart{{"roc", e.rocChart()}, {"pr", e.prChart()}, {"reliability", e.reliabilityChart()}, {"scores", e.scoreChart()}}
	if e.Lesions != nil {
		all = append(all, namedChart{"froc", e.frocChart()})
	}
	return all
}

func (e *Evaluation) rocChart() plot.Chart {
	c := plot.Chart{
		Title: "Receiver operating characteristic", X: plot.Unit("1 − specificity"), Y: plot.Unit("sensitivity"),
		Words: fmt.Sprintf("Sensitivity against false positive rate; area %s", e.Figures["auroc"]),
	}
	if len(e.Band) > 1 {
		var area []plot.Point
		for _, b := range e.Band {
			area = append(area, plot.Point{X: b.FalseRate, Y: b.High})
		}
		for i := len(e.Band) - 1; i >= 0; i-- {
			area = append(area, plot.Point{X: e.Band[i].FalseRate, Y: e.Band[i].Low})
		}
		c.Items = append(c.Items, plot.Item{Label: "95 % interval by group, at each place", Colour: plot.Blue, Fill: area})
	}
	c.Items = append(c.Items, plot.Item{Label: "chance", Colour: plot.Grey, Dashed: true, Line: []plot.Point{{}, {X: 1, Y: 1}}})
	if e.Colour != nil {
		c.Items = append(c.Items, plot.Item{Label: "colour alone, AUROC " + e.Colour.AUROC.String(), Colour: plot.Orange, Dashed: true, Line: rocLine(e.Colour.ROC)})
	}
	c.Items = append(c.Items, plot.Item{Label: "model, AUROC " + e.Figures["auroc"].String(), Colour: plot.Blue, Line: rocLine(e.ROC)})
	if at := e.thresholdDot(); at != nil {
		c.Items = append(c.Items, plot.Item{Label: fmt.Sprintf("threshold %s", short(e.OperatingPoint.Threshold)), Colour: plot.Ink, Dots: at})
	}
	return c
}

// thresholdDot is the place of the operating point on the ROC curve.
func (e *Evaluation) thresholdDot() []plot.Point {
	sensitivity, ok := e.Figures["sensitivity"]
	specificity, ok2 := e.Figures["specificity"]
	if !ok || !ok2 {
		return nil
	}
	return []plot.Point{{X: 1 - specificity.Value, Y: sensitivity.Value}}
}

func rocLine(points []ROCPoint) []plot.Point {
	out := make([]plot.Point, len(points))
	for i, p := range points {
		out[i] = plot.Point{X: p.FalseRate, Y: p.Sensitivity}
	}
	return out
}

// prChart draws precision as it is at each threshold, without lines that would lie
// between thresholds: a step down to the next.
func (e *Evaluation) prChart() plot.Chart {
	var line []plot.Point
	for i, p := range e.PR {
		if i == 0 {
			line = append(line, plot.Point{Y: p.Precision})
		} else {
			line = append(line, plot.Point{X: e.PR[i-1].Recall, Y: p.Precision})
		}
		line = append(line, plot.Point{X: p.Recall, Y: p.Precision})
	}
	share := float64(e.Positives) / float64(e.Samples)
	c := plot.Chart{
		Title: "Precision and recall", X: plot.Unit("recall (sensitivity)"), Y: plot.Unit("precision"),
		Words: fmt.Sprintf("Precision against recall; average precision %s", e.Figures["average_precision"]),
		Items: []plot.Item{
			{Label: fmt.Sprintf("chance: the share of positives, %s", short(share)), Colour: plot.Grey, Dashed: true, Line: []plot.Point{{Y: share}, {X: 1, Y: share}}},
			{Label: "model, average precision " + e.Figures["average_precision"].String(), Colour: plot.Blue, Line: line},
		},
	}
	if p, ok := e.Figures["precision"]; ok {
		c.Items = append(c.Items, plot.Item{Label: fmt.Sprintf("threshold %s", short(e.OperatingPoint.Threshold)), Colour: plot.Ink,
			Dots: []plot.Point{{X: e.Figures["sensitivity"].Value, Y: p.Value}}})
	}
	return c
}

func (e *Evaluation) reliabilityChart() plot.Chart {
	c := plot.Chart{
		Title: "Reliability", X: plot.Unit("mean score in the bin"), Y: plot.Unit("share of positives in the bin"),
		Words: fmt.Sprintf("Share of positives against mean score; calibration error %s", e.Figures["ece"]),
		Items: []plot.Item{{Label: "scores that mean what they say", Colour: plot.Grey, Dashed: true, Line: []plot.Point{{}, {X: 1, Y: 1}}}},
	}
	var dots []plot.Point
	label := "95 % interval by group"
	for _, b := range e.Calibration.Bins {
		dots = append(dots, plot.Point{X: b.Score, Y: b.Positive})
		if len(b.Interval) == 2 {
			c.Items = append(c.Items, plot.Item{Label: label, Colour: plot.Blue, Line: []plot.Point{{X: b.Score, Y: b.Interval[0]}, {X: b.Score, Y: b.Interval[1]}}})
			label = "" // once is enough
		}
	}
	c.Items = append(c.Items, plot.Item{Label: "model, calibration error " + e.Figures["ece"].String(), Colour: plot.Blue, Dots: dots})
	return c
}

// scoreChart counts the scores of both classes, side by side.
func (e *Evaluation) scoreChart() plot.Chart {
	most := 0
	negative, positive := plot.Item{Label: "negative", Colour: plot.Orange}, plot.Item{Label: "positive", Colour: plot.Blue}
	const step = 1.0 / histogramSteps
	for i := range histogramSteps {
		x := float64(i) * step
		most = max(most, e.Scores.Negative[i], e.Scores.Positive[i])
		negative.Bars = append(negative.Bars, plot.Bar{X0: x + 0.1*step, X1: x + 0.48*step, Y: float64(e.Scores.Negative[i])})
		positive.Bars = append(positive.Bars, plot.Bar{X0: x + 0.52*step, X1: x + 0.9*step, Y: float64(e.Scores.Positive[i])})
	}
	c := plot.Chart{Title: "Scores", X: plot.Unit("score"), Y: plot.From0(e.Unit+"s", float64(max(most, 5))),
		Words: "How many of each class have which score"}
	p := e.OperatingPoint
	if lo, hi := p.Abstain[0], p.Abstain[1]; lo < hi {
		c.Items = append(c.Items, plot.Item{Label: fmt.Sprintf("no decision, %s to %s", short(lo), short(hi)), Colour: plot.Grey,
			Fill: []plot.Point{{X: lo}, {X: hi}, {X: hi, Y: c.Y.Max}, {X: lo, Y: c.Y.Max}}})
	}
	c.Items = append(c.Items, negative, positive, plot.Item{Label: "threshold " + short(p.Threshold), Colour: plot.Ink, Dashed: true,
		Line: []plot.Point{{X: p.Threshold}, {X: p.Threshold, Y: c.Y.Max}}})
	return c
}

func (e *Evaluation) frocChart() plot.Chart {
	line := []plot.Point{{}}
	furthest := 1.0
	for _, p := range e.Lesions.FROC {
		last := line[len(line)-1]
		line = append(line, plot.Point{X: p.FalsePerSlide, Y: last.Y}, plot.Point{X: p.FalsePerSlide, Y: p.Sensitivity})
		furthest = max(furthest, p.FalsePerSlide)
	}
	return plot.Chart{
		Title: "Lesions: free-response curve", X: plot.From0("false lesions a slide", min(furthest, 8)), Y: plot.Unit("share of true lesions touched"),
		Words: fmt.Sprintf("Share of lesions found against false ones a slide; FROC score %s", e.Lesions.Figures["froc_score"]),
		Items: []plot.Item{{Label: "model, FROC score " + e.Lesions.Figures["froc_score"].String(), Colour: plot.Blue, Line: line, Dots: line[len(line)-1:]}}, // it ends where all that was found is in
	}
}
