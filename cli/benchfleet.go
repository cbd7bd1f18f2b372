package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bcc/bench"
	"bcc/detect"
	"bcc/fault"
	"bcc/model"
)

// benchFleetFlags are the flags of bcc bench fleet.
type benchFleetFlags struct {
	engineFlags
	parts []string
	seed  uint64
	json  bool

	rounds                            int
	scaleSlides                       int
	scaleSize                         string
	poolWorkers, poolSlides           int
	throughSlides, throughWorkers     int
	mixedSlides                       int
	urgentRoutine, urgentSlides       int
	urgentPatches, urgentWorkers      int
	patch, mixedPatch, urgentBatchFor time.Duration
}

// fleetParts are what bench fleet measures, in its order.
var fleetParts = []string{"scale", "mixed", "urgent", "pool", "through"}

func newBenchFleet(std Streams) *cobra.Command {
	var f benchFleetFlags
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "Many workers against one: what sharing the work costs, and what an urgent slide waits for",
		Long: `Measures what lies around the engines of a fleet:

  scale    bcc serve with one and with two workers of one core each, as processes,
           against reading and scoring alone
  mixed    a fast and a slow worker together, against both alone
  urgent   an urgent slide on an idle fleet and while thousands of others wait
  pool     how busy the engines of hundreds of workers stay
  through  thousands of slides of one shard, whose engine takes no time

All but scale have engines that only take their time, so that a large fleet fits on
one machine; queue, ledger, workers and store are the real ones, every write synced.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringSliceVar(&f.parts, "part", fleetParts, "what to measure")
	fs.Uint64Var(&f.seed, "seed", 1, "of the sizes of slides")
	fs.IntVar(&f.rounds, "rounds", 3, "of scale and mixed; the median counts")
	fs.StringVar(&f.model, "model", "resnet18", "network with random weights, or a model's name or folder, for scale")
	fs.IntVar(&f.scaleSlides, "scale-slides", 8, "slides of scale")
	fs.StringVar(&f.scaleSize, "scale-size", "12800x12800", "their size in pixels: COBRA's median")
	fs.DurationVar(&f.mixedPatch, "mixed-patch", 2*time.Millisecond, "the fast engine's time for a patch; the slow one takes four times as long")
	fs.IntVar(&f.mixedSlides, "mixed-slides", 24, "slides of mixed")
	fs.IntVar(&f.urgentWorkers, "urgent-workers", 2, "workers of urgent")
	fs.IntVar(&f.urgentRoutine, "urgent-routine", 10_000, "routine slides meanwhile")
	fs.IntVar(&f.urgentSlides, "urgent-slides", 100, "urgent slides on each side")
	fs.IntVar(&f.urgentPatches, "urgent-patches", 1000, "patches of an urgent slide")
	fs.DurationVar(&f.urgentBatchFor, "urgent-batch", 16*time.Millisecond, "an engine's time for a batch of 8 patches")
	fs.IntVar(&f.poolWorkers, "pool-workers", 200, "workers of pool")
	fs.IntVar(&f.poolSlides, "pool-slides", 1200, "slides of pool")
	fs.DurationVar(&f.patch, "pool-patch", 11*time.Millisecond, "an engine's time for a patch: a core with a ResNet-18")
	fs.IntVar(&f.throughSlides, "through-slides", 30_000, "slides of through")
	fs.IntVar(&f.throughWorkers, "through-workers", 8, "workers of through")
	fs.BoolVar(&f.json, "json", false, "print one JSON object a part")
	fs.StringVar(&f.enginePath, "engine-library", "", "path of "+libraryName+"; empty: look in the usual places")
	return cmd
}

func (f *benchFleetFlags) run(ctx context.Context, std Streams) error {
	for _, p := range f.parts {
		if !slices.Contains(fleetParts, p) {
			return fault.Hint(fault.New(fault.Invalid, "--part %s: there is none", p), "parts: %s", strings.Join(fleetParts, ", "))
		}
	}
	roomForNativeCalls() // as workers have it
	fleet := bench.Fleet{Seed: f.seed, Cores: cores}
	for _, part := range fleetParts {
		if !slices.Contains(f.parts, part) {
			continue
		}
		var err error
		switch part {
		case "scale":
			err = f.scale(ctx, std)
		case "mixed":
			err = shown(fleet.Mixed(ctx, f.mixedPatch, 4, f.mixedSlides, f.rounds))(func(m bench.MixedFigures) error {
				return show(std.Out, f.json, m, "mixed: fast %.0f, slow %.0f, both %.0f patches/s: %.3f of the sum (%.3f to %.3f)", m.Fast, m.Slow, m.Both, m.Ratio, m.Low, m.High)
			})
		case "urgent":
			err = shown(fleet.Urgent(ctx, f.urgentWorkers, f.urgentRoutine, f.urgentSlides, f.urgentPatches, f.urgentBatchFor))(func(u bench.UrgentFigures) error {
				return show(std.Out, f.json, u, "urgent: idle median %.0f ms, p99 %.0f; beside %d routine slides median %.0f, p99 %.0f: %.2f of (median idle + a batch of %.0f ms)",
					u.Idle.P50, u.Idle.P99, u.Routine, u.Busy.P50, u.Busy.P99, u.Ratio, u.BatchMS)
			})
		case "pool":
			err = shown(fleet.Pool(ctx, f.poolWorkers, f.poolSlides, f.patch))(func(p bench.PoolFigures) error {
				return show(std.Out, f.json, p, "pool: %d workers busy %.3f of %.0f s, %.3f with the end; the coordinator took %.2f of a core", p.Workers, p.Steady, p.SteadyS, p.Whole, p.CPU)
			})
		case "through":
			err = shown(fleet.Through(ctx, f.throughSlides, f.throughWorkers))(func(t bench.ThroughFigures) error {
				return show(std.Out, f.json, t, "through: %d slides in %.0f s, %.0f a second, %.1f CPU-ms each; submitted in %.1f s", t.Slides, t.TookS, t.Rate, t.CPUMS, t.SubmitS)
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shown passes figures on to print, unless there are none.
func shown[T any](figures T, err error) func(print func(T) error) error {
	return func(print func(T) error) error {
		if err != nil {
			return err
		}
		return print(figures)
	}
}

// scale runs processes of this program.
func (f *benchFleetFlags) scale(ctx context.Context, std Streams) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b, err := benchBundle(f.model)
	if err != nil {
		return err
	}
	if b.Card.Kind != model.PatchClassifier {
		return fault.New(fault.Unsupported, "bench fleet: model %s is a %s: want a %s", b.Card.Name, b.Card.Kind, model.PatchClassifier)
	}
	dir, err := os.MkdirTemp("", "bcc-bench-slides-")
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	defer os.RemoveAll(dir)
	bundle, slides := filepath.Join(dir, "model"), filepath.Join(dir, "slides")
	if err := b.Save(bundle); err != nil {
		return err
	}
	synth := exec.CommandContext(ctx, self, "synth", "--out", slides, "--count", strconv.Itoa(f.scaleSlides), "--size", f.scaleSize, "--seed", strconv.FormatUint(f.seed, 10))
	if text, err := synth.CombinedOutput(); err != nil {
		return fault.New(fault.Internal, "make slides: %w: %s", err, text)
	}
	items, err := detect.Find(ctx, []string{slides}, "")
	if err != nil {
		return err
	}
	engine := f.engineFlags
	engine.device, engine.workers = "cpu", 1
	e, err := startEngine(ctx, b, engine, std.Err)
	if err != nil {
		return err
	}
	defer e.Close()
	cfg := detectorConfig(b)
	e.describe(&cfg)
	d, err := detect.New(cfg, e)
	if err != nil {
		return err
	}
	s := bench.Scale{Name: f.model, Program: self, Env: plainEnvironment(), Rounds: f.rounds, Cores: cores, Flags: []string{"--model", bundle, "--device", "cpu"}}
	if f.enginePath != "" {
		s.Flags = append(s.Flags, "--engine-library", f.enginePath)
	}
	for _, i := range items {
		s.Slides = append(s.Slides, i.Path)
	}
	s.Compute = func(ctx context.Context, path string) (int, float64, float64, error) {
		return computeAlone(ctx, d, path)
	}
	return shown(s.Run(ctx))(func(r bench.ScaleFigures) error {
		return show(std.Out, f.json, r, "scale: %s, %d patches: one worker %.1f, two %.1f patches/s: %.3f times (%.3f to %.3f); around reading and scoring %.1f %% of their processor time (%.1f to %.1f)",
			r.Name, r.Patches, r.One, r.Two, r.Ratio, r.Low, r.High, 100*r.Overhead, 100*r.OverLow, 100*r.OverHigh)
	})
}

// computeAlone reads and scores the patches of a slide, and says what that alone took.
func computeAlone(ctx context.Context, d *detect.Detector, path string) (patches int, cpuS, wallS float64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, 0, 0, fault.New(fault.NotFound, "%w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, 0, 0, err
	}
	s, err := d.Survey(ctx, detect.Source{ReaderAt: file, Size: info.Size(), Name: "bench"}, nil)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	patches = s.Grid().Len()
	begun, before := time.Now(), bench.CPUSeconds()
	_, err = s.Score(ctx, 0, patches, nil)
	return patches, bench.CPUSeconds() - before, time.Since(begun).Seconds(), err
}
