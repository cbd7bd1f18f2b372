package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	fleet "bcc/client"
	"bcc/fault"
)

// Forecast holds what a server says of a cohort's end and cost, while it runs, against
// what came of it.
type Forecast struct {
	Program string   // bcc
	Flags   []string // for the server: the model and what it needs
	Env     []string
	Slides  []string // files; each run takes Count of them in an order of its own
	Count   int
	Cores   int
}

// ForecastFigures is one run. Times are seconds since the cohort was submitted.
type ForecastFigures struct {
	Bench   string         `json:"bench"` // forecast
	Seed    uint64         `json:"seed"`
	Slides  int            `json:"slides"`
	Patches int            `json:"patches"`
	TruthS  float64        `json:"truth_s"` // when the last slide had its end
	CostUSD float64        `json:"truth_usd"`
	Told    []ForecastTold `json:"told"`
	Machine Machine        `json:"machine"`
}

// ForecastTold is what was said at a moment.
type ForecastTold struct {
	Share     float64 `json:"share"`    // of the slides that were done
	AtS       float64 `json:"at_s"`     // when that was so
	FinishS   float64 `json:"finish_s"` // the forecast
	LowS      float64 `json:"low_s"`
	HighS     float64 `json:"high_s"`
	Ratio     float64 `json:"ratio"`           // of FinishS to the truth
	Remaining float64 `json:"remaining_ratio"` // of what was said to remain to what did
	Holds     bool    `json:"holds"`           // the truth lies between low and high
	Patches   float64 `json:"patches_ratio"`   // of the patches that were guessed to be to what they were
	CostUSD   float64 `json:"usd"`
	CostRatio float64 `json:"usd_ratio"`
	CostHolds bool    `json:"usd_holds"`

	costLow, costHigh float64
}

// ForecastSummary is what runs say together, of what was told at a tenth of the slides.
type ForecastSummary struct {
	Bench       string  `json:"bench"` // forecast/all
	Runs        int     `json:"runs"`
	Slides      int     `json:"slides"`
	Within15    int     `json:"finish_within_15_percent"`
	Remaining15 int     `json:"remaining_within_15_percent"`
	Held        int     `json:"band_held"`
	Cost15      int     `json:"usd_within_15_percent"`
	CostHeld    int     `json:"usd_band_held"`
	Worst       float64 `json:"worst_ratio"`
	WorstCost   float64 `json:"worst_usd_ratio"`
	BandWidth   float64 `json:"mean_band_width"` // of what remained
}

// forecastAt are the shares of slides at which the forecast is taken down; the first is
// the one that is judged.
var forecastAt = []float64{0.1, 0.25, 0.5, 0.75}

// CobraSide draws the side of a slide, pixels: as COBRA's biopsies are spread, around a
// median of one's own.
func CobraSide(rng *rand.Rand, median float64) int {
	const sigma = 0.36 // of its logarithm: 6,656, 12,800 and 23,040 px at 5, 50 and 95 %
	return int(math.Round(min(max(median*math.Exp(sigma*rng.NormFloat64()), median/3), 3.5*median)))
}

// Run has a server of its own walk a cohort and takes down what it says on the way. The
// price is a dollar an hour.
func (f Forecast) Run(ctx context.Context, seed uint64) (out ForecastFigures, err error) {
	out = ForecastFigures{Bench: "forecast", Seed: seed, Slides: f.Count, Machine: machine(f.Cores)}
	if len(f.Slides) < f.Count {
		return out, fault.New(fault.Invalid, "%d slides, %d are to be walked", len(f.Slides), f.Count)
	}
	dir, err := os.MkdirTemp("", "bcc-bench-forecast-")
	if err != nil {
		return out, fault.New(fault.Unavailable, "%w", err)
	}
	defer os.RemoveAll(dir)
	address, err := FreeAddress()
	if err != nil {
		return out, err
	}
	args := append([]string{"serve", "--addr", address, "--data", filepath.Join(dir, "data"), "--price-per-hour", "1"}, f.Flags...)
	server, err := StartPeer(ctx, Target{Name: "server", Address: address}, "/readyz", f.Env, f.Program, args...)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	ask, err := newAsker(address)
	if err != nil {
		return out, err
	}
	defer ask.Close()
	order := fleet.Order{Name: "bench"}
	for i, k := range rand.New(rand.NewPCG(seed, 5)).Perm(len(f.Slides))[:f.Count] {
		u, err := ask.Upload(ctx, f.Slides[k], true)
		if err != nil {
			return out, err
		}
		order.Slides = append(order.Slides, fleet.OrderSlide{Upload: u.SHA256, Name: fmt.Sprint(i)})
	}
	return out, f.follow(ctx, ask, order, &out)
}

// follow submits the order and looks how it goes until it is over.
func (f Forecast) follow(ctx context.Context, ask *fleet.Client, order fleet.Order, out *ForecastFigures) error {
	begun := time.Now()
	c, err := ask.Submit(ctx, order)
	for err == nil && !c.Over() {
		at := time.Since(begun).Seconds()
		share := float64(c.Counts.Done) / float64(f.Count)
		if n := len(out.Told); n < len(forecastAt) && share >= forecastAt[n] && c.Forecast != nil {
			out.Told = append(out.Told, toldBy(c, share, at))
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		c, err = ask.Cohort(ctx, c.ID)
	}
	if err != nil {
		return err
	}
	if c.Counts.Done != f.Count || c.Cost.USD == nil {
		return fault.New(fault.Internal, "of %d slides only %d are done", f.Count, c.Counts.Done)
	}
	out.TruthS, out.CostUSD, out.Patches = time.Since(begun).Seconds(), *c.Cost.USD, c.Patches.Done
	for i := range out.Told {
		out.Told[i].judge(out.TruthS, out.CostUSD, float64(out.Patches))
	}
	return nil
}

func toldBy(c fleet.Cohort, share, at float64) ForecastTold {
	t := ForecastTold{Share: share, AtS: at, FinishS: at + c.Forecast.RemainingS, LowS: at + c.Forecast.LowS, HighS: at + c.Forecast.HighS, Patches: float64(c.Forecast.Cost.Patches)}
	if usd := c.Forecast.Cost.USD; usd != nil {
		t.CostUSD = *usd
	}
	if low, high := c.Forecast.CostLowUSD, c.Forecast.CostHighUSD; low != nil && high != nil {
		t.costLow, t.costHigh = *low, *high
	}
	return t
}

// judge holds it against the truth.
func (t *ForecastTold) judge(truthS, truthUSD, patches float64) {
	t.Patches /= patches
	t.Ratio, t.CostRatio = t.FinishS/truthS, t.CostUSD/truthUSD
	t.Remaining = (t.FinishS - t.AtS) / (truthS - t.AtS)
	t.Holds = t.LowS <= truthS && truthS <= t.HighS
	t.CostHolds = t.costLow <= truthUSD && truthUSD <= t.costHigh
}

// Forecasts sums runs up.
func Forecasts(runs []ForecastFigures) ForecastSummary {
	out := ForecastSummary{Bench: "forecast/all", Runs: len(runs), Worst: 1, WorstCost: 1}
	count := func(is bool, n *int) {
		if is {
			*n++
		}
	}
	near := func(ratio float64) bool { return math.Abs(ratio-1) <= 0.15 }
	for _, r := range runs {
		out.Slides = r.Slides
		if len(r.Told) == 0 {
			continue
		}
		t := r.Told[0]
		count(near(t.Ratio), &out.Within15)
		count(near(t.Remaining), &out.Remaining15)
		count(t.Holds, &out.Held)
		count(near(t.CostRatio), &out.Cost15)
		count(t.CostHolds, &out.CostHeld)
		if math.Abs(t.Ratio-1) > math.Abs(out.Worst-1) {
			out.Worst = t.Ratio
		}
		if math.Abs(t.CostRatio-1) > math.Abs(out.WorstCost-1) {
			out.WorstCost = t.CostRatio
		}
		out.BandWidth += (t.HighS - t.LowS) / (r.TruthS - t.AtS) / float64(len(runs))
	}
	return out
}
