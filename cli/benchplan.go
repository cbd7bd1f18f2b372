package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"bcc/bench"
	"bcc/capacity"
	"bcc/detect"
	"bcc/fault"
	"bcc/model"
	"bcc/synth"
	"bcc/wsi"
)

// benchPlanFlags are the flags of bcc bench plan.
type benchPlanFlags struct {
	benchEngineFlags
	count, look int
}

func newBenchPlan(std Streams) *cobra.Command {
	var f benchPlanFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "What bcc plan foretells for this machine against what bcc detect then takes",
		Long: `In each round this machine is measured as by bcc bench engine, a set of synthetic slides,
whose sizes are spread as COBRA's, is planned for it as by bcc plan, and walked as by
bcc detect. Money goes with time, so the ratio of one is that of the other.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	f.register(fs)
	f.isolate.register(fs, false)
	fs.IntVar(&f.count, "count", 40, "slides that are planned and walked")
	fs.IntVar(&f.look, "look", 20, "of which the tissue is found before")
	fs.IntVar(&f.rounds, "rounds", 3, "how often; the median counts")
	fs.StringVar(&f.size, "size", "8000x8000", "of the large slides that the machine is measured with")
	fs.IntVar(&f.slides, "slides", 1, "how many of them; of small ones there are four times as many")
	fs.IntVar(&f.jobs, "jobs", defaultJobs, "slides in flight")
	fs.Uint64Var(&f.seed, "seed", 1, "of the slides")
	fs.BoolVar(&f.json, "json", false, "print a JSON object")
	return cmd
}

func (f *benchPlanFlags) run(ctx context.Context, std Streams) error {
	if f.count < 1 || f.slides < 1 || f.jobs < 1 {
		return fault.New(fault.Invalid, "--count %d, --slides %d, --jobs %d: want 1 or more of each", f.count, f.slides, f.jobs)
	}
	b, err := benchBundle(f.model)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bcc-bench-plan-")
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	defer os.RemoveAll(dir)
	set := filepath.Join(dir, "set")
	if err := f.makeSet(ctx, set); err != nil {
		return err
	}
	rounds := f.rounds
	f.rounds, f.typeName = 1, "here"
	p := bench.Plan{
		Name: f.model, Slides: f.count, Rounds: rounds, Cores: cores,
		Foretell: func(ctx context.Context) (bench.Foretold, error) { return f.foretell(ctx, b, set, std) },
		Walk: func(ctx context.Context) (int, float64, error) {
			return f.walk(ctx, b, set, filepath.Join(dir, "out"), std)
		},
	}
	return shown(p.Run(ctx))(func(r bench.PlanFigures) error {
		return show(std.Out, f.json, r, "plan: %s, %d slides, %d patches (planned %.0f): planned %.1f s, took %.1f s: ratio %.3f (%.3f to %.3f), %d of %d inside the interval",
			r.Model, r.Slides, r.Patches, r.PlannedPatches, r.PlannedS, r.TookS, r.Ratio, r.Low, r.High, r.Inside, r.Rounds)
	})
}

// makeSet makes square slides whose areas are spread as COBRA's, half as wide: minutes are
// enough for a small machine.
func (f *benchPlanFlags) makeSet(ctx context.Context, dir string) error {
	const median, sigma = 6400, 0.33 // pixels a side; of the logarithm of the side
	for i := range f.count {
		z := math.Sqrt2 * math.Erfinv(2*(float64(i)+0.5)/float64(f.count)-1)
		side := int(median * math.Exp(sigma*z))
		cfg := synth.SetConfig{Slide: synth.DefaultConfig(), Count: 1, BCC: float64(i % 2)}
		cfg.Slide.Seed, cfg.Slide.Size = f.seed+uint64(i)*1000, wsi.Size{W: side, H: side}
		cfg.Write.NewEncoder = newEncoder
		if err := synth.WriteSet(ctx, filepath.Join(dir, fmt.Sprintf("%03d", i)), cfg); err != nil {
			return err
		}
	}
	return nil
}

// foretell measures the machine and plans the set for it.
func (f *benchPlanFlags) foretell(ctx context.Context, b *model.Bundle, set string, std Streams) (told bench.Foretold, err error) {
	figures, err := f.measure(ctx, b, std)
	if err != nil {
		return told, err
	}
	rates := capacity.Rates{f.row(figures, b)}
	ask := planFlags{slides: set, model: f.model, minTissue: defaultMinTissue, look: f.look, max: 1}
	here, err := rates.Priced(&capacity.Catalogue{}, f.typeName, 1)
	if err != nil {
		return told, err
	}
	catalogue := (&capacity.Catalogue{}).With(here)
	cfg, err := ask.config(time.Now())
	if err != nil {
		return told, err
	}
	cfg.StartUp, cfg.Efficiency = 0, 1 // this machine runs, and shares with none
	work, left, err := ask.work(ctx, b, noFleet, std)
	if err = errors.Join(err, left); err != nil {
		return told, err
	}
	plan, err := capacity.New(work, catalogue, rates, cfg)
	if err != nil {
		return told, err
	}
	t := plan.Fastest.Finish
	return bench.Foretold{Patches: work.Total, S: t.Mid.Seconds(), LowS: t.Low.Seconds(), HighS: t.High.Seconds()}, nil
}

// walk walks the set; the engine's start is not in the time.
func (f *benchPlanFlags) walk(ctx context.Context, b *model.Bundle, set, out string, std Streams) (patches int, tookS float64, err error) {
	items, err := detect.Find(ctx, []string{set}, "")
	if err != nil {
		return 0, 0, err
	}
	j := &judge{bundle: b, cfg: detectorConfig(b)}
	if err := j.start(ctx, f.engineFlags, std.Err); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, j.engine.Close(), os.RemoveAll(out)) }()
	d, err := detect.New(j.cfg, j.engine)
	if err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	ends := d.List(ctx, items, out, f.jobs, nil)
	tookS = time.Since(begun).Seconds()
	for _, e := range ends {
		if e.Err != nil {
			return 0, 0, e.Err
		}
		patches += e.Result.Tissue.Patches
	}
	return patches, tookS, nil
}
