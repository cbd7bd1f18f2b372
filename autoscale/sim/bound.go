package sim

import "time"

// Bound is what no schedule can do without that ends every job by its due time, as far
// as that is possible at all, however well it knows the trace. DESIGN.md has the proofs.
type Bound struct {
	Work  float64 `json:"work_hours"`   // scoring alone, on the kind that needs the fewest hours
	Hours float64 `json:"worker_hours"` // paid
	USD   float64 `json:"cost_usd"`
}

// BoundOf computes it.
func BoundOf(cfg Config, jobs []Job) Bound {
	var patches float64
	for _, j := range jobs {
		patches += float64(j.Patches)
	}
	k := cfg.Kinds[0]
	b := Bound{Work: patches / k.PatchesPerS / 3600}
	b.Hours = b.Work + k.StartUp.Hours()*peakDensity(cfg, jobs, k.PatchesPerS)
	b.USD = b.Hours * k.USDPerHour
	return b
}

func peakDensity(cfg Config, jobs []Job, rate float64) float64 {
	var sum float64
	var last time.Duration
	for _, j := range jobs {
		sum += float64(j.Patches)
		last = max(last, cfg.due(j))
	}
	return sum / rate / last.Seconds()
}
