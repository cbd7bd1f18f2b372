package bench

import (
	"context"

	"bcc/fault"
)

// Plan holds what was planned against what came: a machine is measured, a list of slides is
// planned for it, and then walked.
type Plan struct {
	Name   string // of the model
	Slides int
	Rounds int
	Cores  int

	Foretell func(ctx context.Context) (Foretold, error)
	Walk     func(ctx context.Context) (patches int, tookS float64, err error)
}

// Foretold is a plan in seconds, with the interval in which nine in ten lie.
type Foretold struct{ Patches, S, LowS, HighS float64 }

// PlanFigures is what it said. Money goes with time: the ratio of one is that of the other.
type PlanFigures struct {
	Bench          string  `json:"bench"`
	Model          string  `json:"model"`
	Slides         int     `json:"slides"`
	Rounds         int     `json:"rounds"`
	Patches        int     `json:"patches"`
	PlannedPatches float64 `json:"planned_patches"`
	PlannedS       float64 `json:"planned_s"` // median
	TookS          float64 `json:"took_s"`    // median
	Ratio          float64 `json:"ratio"`     // planned to took; median of the rounds
	Low            float64 `json:"ratio_low"`
	High           float64 `json:"ratio_high"`
	Inside         int     `json:"inside"` // rounds whose truth lay in the interval
	Machine        Machine `json:"machine"`
}

// Run runs the rounds, each of which measures, plans and walks anew.
func (p Plan) Run(ctx context.Context) (PlanFigures, error) {
	f := PlanFigures{Bench: "plan", Model: p.Name, Slides: p.Slides, Rounds: p.Rounds, Machine: machine(p.Cores)}
	if p.Rounds < 1 {
		return f, fault.New(fault.Invalid, "bench plan: %d rounds: want 1 or more", p.Rounds)
	}
	var planned, took, ratio []float64
	for range p.Rounds {
		told, err := p.Foretell(ctx)
		if err != nil {
			return f, err
		}
		patches, s, err := p.Walk(ctx)
		if err != nil {
			return f, err
		}
		f.Patches, f.PlannedPatches = patches, told.Patches
		planned, took, ratio = append(planned, told.S), append(took, s), append(ratio, told.S/s)
		if told.LowS <= s && s <= told.HighS {
			f.Inside++
		}
	}
	f.PlannedS, f.TookS, f.Ratio = median(planned), median(took), median(ratio)
	f.Low, f.High = spread(ratio)
	return f, nil
}
