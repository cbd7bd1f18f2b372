package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bcc/bench"
	"bcc/detect"
	"bcc/fault"
	"bcc/grad/net"
	"bcc/slide"
)

func newBench(std Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine: the walk and the server against the bare engine, the reader against the bare codec",
		Args:  none,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBenchEngine(std), newBenchPlan(std), newBenchDetect(std), newBenchRead(std), newBenchPredict(std), newBenchFleet(std), newBenchForecast(std), newBenchLoad(std), newBenchTrain(std), newBenchTruth(std), newBenchBundle(std), newBenchBalance(std), newBenchStub(std), newBenchSlides(std))
	return cmd
}

// benchFlags are common to all comparisons.
type benchFlags struct {
	engineFlags
	networks []string
	rounds   int
	json     bool
}

func (f *benchFlags) register(fs *pflag.FlagSet, rounds int) {
	fs.SortFlags = false
	fs.StringSliceVar(&f.networks, "network", []string{"resnet18", "mobilenetv3-small"}, "networks with random weights to run: "+strings.Join(net.Names(), ", ")+"; or a model's folder")
	fs.IntVar(&f.rounds, "rounds", rounds, "how often each side runs; the median counts")
	fs.BoolVar(&f.json, "json", false, "print one JSON object a comparison")
	fs.StringVar(&f.device, "device", "cpu", "auto, cpu, cuda, cuda:0")
	fs.IntVar(&f.batch, "batch", 0, "patches a run of the engine; 0: 2 on a CPU, 32 on a GPU")
	fs.StringVar(&f.enginePath, "engine-library", "", "path of "+libraryName+"; empty: look in the usual places")
}

func newBenchDetect(std Streams) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "detect [flags] SLIDE",
		Short: "The whole walk against the engine alone, on the same cores",
		Args:  wants("slide"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range f.networks {
				figures, err := benchDetect(cmd, args[0], name, f, std)
				if err != nil {
					return err
				}
				err = show(std.Out, f.json, figures, "%-20s engine %8.1f patches/s   walk %8.1f patches/s   ratio %.3f (%.3f to %.3f), %d patches, %d cores",
					name, figures.EngineRate, figures.WalkRate, figures.Ratio, figures.RatioLow, figures.RatioHigh, figures.Patches, figures.Machine.Cores)
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.register(cmd.Flags(), 5)
	return cmd
}

func benchDetect(cmd *cobra.Command, path, network string, f benchFlags, std Streams) (bench.DetectFigures, error) {
	b, err := benchBundle(network)
	if err != nil {
		return bench.DetectFigures{}, err
	}
	e, err := startEngine(cmd.Context(), b, f.engineFlags, std.Err)
	if err != nil {
		return bench.DetectFigures{}, err
	}
	defer e.Close()
	cfg := detectorConfig(b)
	e.describe(&cfg)
	d, err := detect.New(cfg, e)
	if err != nil {
		return bench.DetectFigures{}, err
	}
	c := bench.Detect{
		Name: network, Detector: d, Rounds: f.rounds, Batch: e.infos[0].Batch,
		Slide: detect.Item{Name: filepath.Base(path), Path: path},
	}
	for _, r := range e.runners {
		c.Bare = append(c.Bare, r.(bench.Again)) // the batcher's, idle while the engine runs alone
	}
	return c.Run(cmd.Context())
}

func newBenchRead(std Streams) *cobra.Command {
	var rounds, tiles int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "read [flags] SLIDE",
		Short: "Reading aligned JPEG tiles against libjpeg-turbo alone, on one core",
		Args:  wants("slide"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return fault.New(fault.NotFound, "%w", err)
			}
			defer file.Close()
			info, err := file.Stat()
			if err != nil {
				return fault.New(fault.Unavailable, "%w", err)
			}
			cfg := slide.DefaultConfig()
			cfg.Codecs = codecs()
			s, err := slide.Open(file, info.Size(), cfg)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			defer s.Close()
			decoder, err := cfg.Codecs.JPEG()
			if err != nil {
				return err
			}
			defer decoder.Close()
			r := bench.Read{Slide: s, File: file, Size: info.Size(), Name: filepath.Base(args[0]), Decoder: decoder, Rounds: rounds, Tiles: tiles}
			figures, err := r.Run(cmd.Context())
			if err != nil {
				return err
			}
			return show(std.Out, asJSON, figures, "%s: codec %.0f Mpx/s   read %.0f Mpx/s   ratio %.3f (%.3f to %.3f), %d tiles",
				figures.Slide, figures.CodecRate, figures.ReadRate, figures.Ratio, figures.RatioLow, figures.RatioHigh, figures.Tiles)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.IntVar(&rounds, "rounds", 7, "how often each side runs; the median counts")
	fs.IntVar(&tiles, "tiles", 2000, "tiles to read, spread over level 0")
	fs.BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// show prints figures as JSON or as one line for a person.
func show(w io.Writer, asJSON bool, figures any, format string, args ...any) error {
	if asJSON {
		return json.NewEncoder(w).Encode(figures)
	}
	_, err := fmt.Fprintf(w, format+"\n", args...)
	return err
}
