package cli

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"bcc/capacity"
	"bcc/disk"
	"bcc/evaluate/plot"
	"bcc/fault"
)

// drawPlan draws what the options of the frontier cost against when they are finished.
func drawPlan(path string, p *capacity.Plan, cfg capacity.Config) error {
	c := planChart(p, cfg)
	data := c.SVG()
	var err error
	switch strings.ToLower(filepath.Ext(path)) {
	case ".svg":
	case ".png":
		if data, err = c.PNG(); err != nil {
			return err
		}
	default:
		return fault.New(fault.Invalid, "--plot %s: want a name that ends in .svg or .png", path)
	}
	if err := disk.Write(path, data); err != nil {
		return fault.New(fault.Unavailable, "write %s: %w", path, err)
	}
	return nil
}

// farthest and dearest are how many times the time and the money that matter are still
// drawn: the cheapest may take a hundred times as long as the advised, the fastest cost a
// hundred times as much, and all others would be one dot. dots is how many are marked.
const (
	farthest = 4
	dearest  = 6
	dots     = 40
)

func planChart(p *capacity.Plan, cfg capacity.Config) plot.Chart {
	about := 2 * p.Fastest.Finish.Mid.Seconds()
	if p.Advised != nil {
		about = p.Advised.Finish.Mid.Seconds()
	}
	about = max(about, cfg.Deadline.Seconds()/2)
	until := max(min(p.Cheapest.Finish.Mid.Seconds(), farthest*about), cfg.Deadline.Seconds(), p.Fastest.Finish.High.Seconds())
	unit, name := 1.0, "s"
	switch {
	case until > 3*24*3600:
		unit, name = 24*3600, "days"
	case until > 2*3600:
		unit, name = 3600, "hours"
	case until > 120:
		unit, name = 60, "minutes"
	}
	most := p.Cheapest.USD.Mid
	if p.Advised != nil {
		most = p.Advised.USD.Mid
	}
	most = max(dearest*most, cfg.Budget)
	money, moneyName := 1.0, "USD"
	switch {
	case most > 9999:
		money, moneyName = 1000, "thousand USD"
	case most < 0.1:
		money, moneyName = 0.01, "US cents"
	}
	at := func(s, usd float64) plot.Point { return plot.Point{X: s / unit, Y: usd / money} }
	var line, low, band, measured, estimated []plot.Point
	top := 0.0
	for _, o := range p.Few(dots) {
		if o.USD.Mid > most || o.Finish.Mid.Seconds() > until*1.0001 && len(line) > 0 {
			continue
		}
		here := at(o.Finish.Mid.Seconds(), o.USD.Mid)
		line = append(line, here)
		low, band = append(low, at(o.Finish.Mid.Seconds(), o.USD.Low)), append(band, at(o.Finish.Mid.Seconds(), o.USD.High))
		if o.Speed.Measured || o.Speed.Given {
			measured = append(measured, here)
		} else {
			estimated = append(estimated, here)
		}
		top = max(top, o.USD.High)
	}
	for i := len(low) - 1; i >= 0; i-- {
		band = append(band, low[i])
	}
	chart := plot.Chart{
		Title: fmt.Sprintf("%s: cost against time", slidesOf(p.Work.Slides)),
		Words: "What machines cost that finish sooner or later. " + p.Why,
		X:     plot.From0("finished in "+name, until/unit),
		Y:     plot.From0(moneyName, max(top, min(cfg.Budget, 1.3*top))/money),
	}
	if len(line) > 1 {
		chart.Items = []plot.Item{{Label: "nine of ten cases", Colour: plot.Blue, Fill: band}, {Colour: plot.Blue, Line: line}}
	}
	if len(measured) > 0 {
		chart.Items = append(chart.Items, plot.Item{Label: "cheapest for its time, rate measured or given", Colour: plot.Blue, Dots: measured})
	}
	if len(estimated) > 0 {
		chart.Items = append(chart.Items, plot.Item{Label: "cheapest for its time, rate estimated", Colour: plot.Grey, Dots: estimated})
	}
	if cfg.Deadline > 0 {
		s := cfg.Deadline.Seconds()
		chart.Items = append(chart.Items, plot.Item{Label: "deadline", Colour: plot.Ink, Dashed: true, Line: []plot.Point{at(s, 0), {X: s / unit, Y: chart.Y.Max}}})
	}
	if budget := cfg.Budget / money; budget > 0 && budget <= chart.Y.Max {
		chart.Items = append(chart.Items, plot.Item{Label: "budget", Colour: plot.Orange, Dashed: true, Line: []plot.Point{at(0, cfg.Budget), {X: chart.X.Max, Y: budget}}})
	}
	if o := p.Advised; o != nil && !math.IsNaN(o.USD.Mid) {
		chart.Items = append(chart.Items, plot.Item{
			Label:  fmt.Sprintf("advised: %s, %s, %s", o, capacity.Words(o.Finish.Mid), capacity.Dollars(o.USD.Mid)),
			Colour: plot.Orange, Dots: []plot.Point{at(o.Finish.Mid.Seconds(), o.USD.Mid)},
		})
	}
	return chart
}
