package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"bcc/bench"
	"bcc/fault"
)

// benchSlidesFlags are the flags of bcc bench slides.
type benchSlidesFlags struct {
	networks []string
	rounds   int
	python   string
	json     bool
}

func newBenchSlides(std Streams) *cobra.Command {
	var f benchSlidesFlags
	cmd := &cobra.Command{
		Use:   "slides [flags] SLIDE…",
		Short: "bcc detect against the same walk built of OpenSlide, numpy and PyTorch",
		Long: `Runs bcc detect on all slides, and in turn bench/peers/wsi/detect.py: OpenSlide, a
tissue mask in numpy, PyTorch with the weights of the same ONNX file, on the same
patches. It may use the cores as it likes: the fastest of a dozen settings counts, and
the seconds in which it loads its libraries do not. Ours counts from start to end.

The probabilities of all patches are compared; a peer that computes something else is
an error. It needs PyTorch, OpenSlide and ONNX for Python (make setup-peers).`,
		Args: wants("slide"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args, std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringSliceVar(&f.networks, "network", []string{"bcc-demo", "resnet18"}, "models by name or folder, or networks with random weights")
	fs.IntVar(&f.rounds, "rounds", 3, "how often each side runs; the median counts")
	fs.StringVar(&f.python, "python", "/usr/bin/python3", "Python that has PyTorch, OpenSlide and ONNX")
	fs.BoolVar(&f.json, "json", false, "print one JSON object a network")
	return cmd
}

func (f *benchSlidesFlags) run(ctx context.Context, slides []string, std Streams) error {
	self, err := os.Executable()
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	dir, err := os.MkdirTemp("", "bcc-bench-models-")
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	defer os.RemoveAll(dir)
	for _, name := range f.networks {
		b, err := benchBundle(name)
		if err != nil {
			return err
		}
		folder := filepath.Join(dir, b.Card.Name)
		if err := b.Save(folder); err != nil {
			return err
		}
		figures, err := bench.Slides{
			Name: name, Model: folder, Slides: slides, Program: self, Python: f.python,
			Env: plainEnvironment(), Cores: cores, Rounds: f.rounds,
			Tried: func(t bench.TriedSetting) {
				if !f.json {
					fmt.Fprintf(std.Err, "bcc: note: peer with %s: %.0f patches/s\n", t.Setting, t.Rate)
				}
			},
		}.Run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		const mb = 1 << 20
		err = show(std.Out, f.json, figures,
			"%s: %.0f slides/h, %.0f patches/s, %d MB   peer %.0f slides/h, %.0f patches/s, %d MB (%s)   ratio %.2f (%.2f to %.2f)   scores differ by %.4f at most, %.5f in the mean",
			name, figures.SlideRate, figures.PatchRate, figures.Memory/mb, figures.TheirSlideRate, figures.TheirPatchRate, figures.TheirMemory/mb, figures.Theirs,
			figures.Ratio, figures.RatioLow, figures.RatioHigh, figures.Difference, figures.Mean)
		if err != nil {
			return err
		}
	}
	return nil
}
