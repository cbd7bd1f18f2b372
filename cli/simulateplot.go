package cli

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"

	"bcc/autoscale/sim"
	"bcc/evaluate/plot"
	"bcc/fault"
)

// plotPoints is how many moments a line has: more cannot be told apart.
const plotPoints = 460

// drawn are the lines of policies, in their order; further policies are not drawn.
var drawn = []struct {
	colour color.NRGBA
	dashed bool
}{{plot.Blue, false}, {plot.Orange, false}, {plot.Grey, false}, {plot.Ink, true}}

// plotPath checks the name of the file before anything is run.
func plotPath(path string) error {
	switch filepath.Ext(path) {
	case "", ".svg", ".png":
		if path == "" || filepath.Ext(path) != "" {
			return nil
		}
	}
	return fault.Hint(fault.New(fault.Invalid, "--plot %s: no kind of picture", printable(path)), "end the name in .svg or .png")
}

// draw writes backlog and workers over time, of all policies.
func (f *simulateFlags) draw(s simulation, several bool) error {
	path, ext := f.plot, filepath.Ext(f.plot)
	if several {
		path = strings.TrimSuffix(path, ext) + "-" + s.Trace + ext
	}
	charts := timeCharts(s)
	picture := charts.SVG()
	if ext == ".png" {
		var err error
		if picture, err = charts.PNG(); err != nil {
			return err
		}
	}
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		return fault.New(fault.Unavailable, "write the plot: %w", err)
	}
	return nil
}

// timeCharts are the backlog above and the workers below, over the same hours.
func timeCharts(s simulation) plot.Stack {
	var hours, backlog, workers float64
	for _, p := range s.Policies {
		for _, at := range p.Series {
			hours = max(hours, at.At.Hours())
			backlog = max(backlog, at.Backlog/1000)
			workers = max(workers, float64(at.Present))
		}
	}
	above := plot.Chart{
		Title: "Backlog, " + s.Trace, Words: fmt.Sprintf("Backlog and workers over %.1f hours, by policy", hours),
		X: plot.From0("hours", hours), Y: plot.From0("thousand patches", backlog),
	}
	below := plot.Chart{Title: "Workers that are paid for", X: plot.From0("hours", hours), Y: plot.From0("workers", workers)}
	above.X.Max, below.X.Max = max(hours, 1e-3), max(hours, 1e-3)
	for i := min(len(s.Policies), len(drawn)) - 1; i >= 0; i-- { // the first lies on top
		p := s.Policies[i]
		above.Items = append(above.Items, plot.Item{Colour: drawn[i].colour, Dashed: drawn[i].dashed,
			Line: overTime(p.Series, false, func(at sim.Sample) float64 { return at.Backlog / 1000 })})
		below.Items = append(below.Items, plot.Item{
			Label:  fmt.Sprintf("%s: %.1f worker-hours, %d late", p.Policy, p.Hours, p.Misses),
			Colour: drawn[i].colour, Dashed: drawn[i].dashed,
			Line: overTime(p.Series, true, func(at sim.Sample) float64 { return float64(at.Present) }),
		})
	}
	return plot.Stack{above, below}
}

// overTime is a line through the largest values of as many stretches of time as can be
// told apart; in steps where a value holds until the next.
func overTime(series []sim.Sample, steps bool, value func(sim.Sample) float64) []plot.Point {
	each := max(1, len(series)/plotPoints)
	var line []plot.Point
	for i := 0; i < len(series); i += each {
		most := 0.0
		for _, at := range series[i:min(i+each, len(series))] {
			most = max(most, value(at))
		}
		x := series[i].At.Hours()
		if n := len(line); steps && n > 0 && line[n-1].Y != most {
			line = append(line, plot.Point{X: x, Y: line[n-1].Y})
		}
		line = append(line, plot.Point{X: x, Y: most})
	}
	return line
}
