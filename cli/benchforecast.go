package cli

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"bcc/bench"
	"bcc/fault"
	"bcc/synth"
	"bcc/wsi"
)

// benchForecastFlags are the flags of bcc bench forecast.
type benchForecastFlags struct {
	engineFlags
	slides, pool int
	median       int
	runs         int
	seed         uint64
	dir          string
	json         bool
}

func newBenchForecast(std Streams) *cobra.Command {
	var f benchForecastFlags
	cmd := &cobra.Command{
		Use:   "forecast",
		Short: "What a server says of a cohort's end and cost, against what comes of it",
		Long: `Has a server of its own walk cohorts of synthetic slides, whose sizes are spread as
COBRA's, with the real model, and takes down the forecast of finish and cost when a
tenth of the slides are done (and later), to hold it against the truth. Each run takes
slides out of one pool in an order of its own.

The slides are drawn once and kept in --dir, where that is given.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.IntVar(&f.slides, "slides", 200, "slides of a run")
	fs.IntVar(&f.pool, "pool", 300, "slides that are drawn, of which each run takes some")
	fs.IntVar(&f.median, "median-side", 6000, "median side of the slides in pixels; COBRA's is 12800")
	fs.IntVar(&f.runs, "runs", 10, "how many runs")
	fs.Uint64Var(&f.seed, "seed", 1, "of the slides and of the first run; the others follow")
	fs.StringVar(&f.dir, "dir", "", "folder for the slides, kept for the next time; empty: a temporary one")
	fs.StringVar(&f.model, "model", "", "model's name or folder; empty: as bcc serve has it")
	fs.BoolVar(&f.json, "json", false, "print one JSON object a run, and one of all")
	fs.StringVar(&f.enginePath, "engine-library", "", "path of "+libraryName+"; empty: look in the usual places")
	return cmd
}

func (f *benchForecastFlags) run(ctx context.Context, std Streams) (err error) {
	if f.slides < 10 || f.pool < f.slides || f.runs < 1 || f.median < 1000 {
		return fault.New(fault.Invalid, "--slides %d of --pool %d, --runs %d, --median-side %d: want 10 or more, no fewer than that, 1, 1000", f.slides, f.pool, f.runs, f.median)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir := f.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "bcc-bench-slides-"); err != nil {
			return fault.New(fault.Unavailable, "%w", err)
		}
		defer os.RemoveAll(dir)
	}
	b := bench.Forecast{Program: self, Env: plainEnvironment(), Count: f.slides, Cores: cores, Flags: []string{"--device", "cpu"}}
	if b.Slides, err = f.draw(ctx, dir, std); err != nil {
		return err
	}
	if f.model != "" {
		b.Flags = append(b.Flags, "--model", f.model)
	}
	if f.enginePath != "" {
		b.Flags = append(b.Flags, "--engine-library", f.enginePath)
	}
	var all []bench.ForecastFigures
	for i := range f.runs {
		figures, err := b.Run(ctx, f.seed+uint64(i))
		if err != nil {
			return err
		}
		all = append(all, figures)
		words := fmt.Sprintf("seed %d: %d slides, %d patches in %.0f s, $%.4f", figures.Seed, figures.Slides, figures.Patches, figures.TruthS, figures.CostUSD)
		for _, t := range figures.Told {
			words += fmt.Sprintf("; at %.0f %% (%.0f s) said %.0f s (%.0f to %.0f): %.3f, cost %.3f", 100*t.Share, t.AtS, t.FinishS, t.LowS, t.HighS, t.Ratio, t.CostRatio)
		}
		if err := show(std.Out, f.json, figures, "%s", words); err != nil {
			return err
		}
	}
	s := bench.Forecasts(all)
	return show(std.Out, f.json, s, "%d runs, at a tenth: finish within 15 %% in %d (what remained: %d), the band held in %d, cost within 15 %% in %d (its band: %d); worst %.3f, cost %.3f; the band is %.2f of what remains wide",
		s.Runs, s.Within15, s.Remaining15, s.Held, s.Cost15, s.CostHeld, s.Worst, s.WorstCost, s.BandWidth)
}

// draw makes the slides that are not there yet.
func (f *benchForecastFlags) draw(ctx context.Context, dir string, std Streams) ([]string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.New(fault.Unavailable, "--dir: %w", err)
	}
	rng := rand.New(rand.NewPCG(f.seed, 6))
	paths := make([]string, f.pool)
	for i := range paths {
		cfg := synth.DefaultConfig()
		side := bench.CobraSide(rng, float64(f.median))
		cfg.Seed, cfg.Size, cfg.BCC = rng.Uint64()>>11, wsi.Size{W: side, H: side}, i%2 == 0
		paths[i] = filepath.Join(dir, fmt.Sprintf("forecast-%d-%d-%04d.tif", f.seed, f.median, i))
		if _, err := os.Stat(paths[i]); err == nil {
			continue
		}
		if err := drawSlide(ctx, paths[i], cfg); err != nil {
			return nil, err
		}
		if i%25 == 24 {
			fmt.Fprintf(std.Err, "bcc: %d of %d slides drawn\n", i+1, f.pool)
		}
	}
	return paths, nil
}

// drawSlide writes one slide, whole or not at all.
func drawSlide(ctx context.Context, path string, cfg synth.Config) (err error) {
	scene, err := synth.New(cfg)
	if err != nil {
		return err
	}
	file, err := os.Create(path + ".part")
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	err = synth.Write(ctx, file, nil, scene, synth.WriteConfig{NewEncoder: newEncoder})
	if closed := file.Close(); err == nil && closed != nil {
		err = fault.New(fault.Unavailable, "%w", closed)
	}
	if err != nil {
		os.Remove(path + ".part")
		return err
	}
	if err := os.Rename(path+".part", path); err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	return nil
}
