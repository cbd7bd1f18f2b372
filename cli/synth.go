package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bcc/fault"
	"bcc/native/jpeg"
	"bcc/synth"
	"bcc/wsi"
)

var _ synth.TileEncoder = (*jpeg.Encoder)(nil)

func newSynth(std Streams) *cobra.Command {
	var f struct {
		out     string
		count   int
		bcc     float64
		seed    uint64
		mpp     float64
		size    string
		variant string
		growth  string
		clean   bool
	}
	cmd := &cobra.Command{
		Use:   "synth [flags]",
		Short: "Make synthetic H&E slides of skin whose truth is known",
		Long: `Draws slides of skin with and without basal cell carcinoma from a seed, the same
to the byte each time. Each slide comes with NAME.json (label, growth, lesions),
NAME.geojson (their outlines) and NAME.mask.tif (the class of each pixel); the set
with labels.csv, and with card.json, which the card of a model trained on it takes
over. They are stylised: for tests, demonstrations and load. They carry
no clinical truth.`,
		Example: `  bcc synth --out demo --count 2 --seed 7 --size 8000x6000
  bcc synth --out flat --variant flat --bcc 1`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			size, err := parseSize(f.size)
			if err != nil {
				return err
			}
			cfg := synth.SetConfig{Slide: synth.DefaultConfig(), Count: f.count, BCC: f.bcc}
			cfg.Slide.Seed, cfg.Slide.MPP, cfg.Slide.Size = f.seed, f.mpp, size
			cfg.Slide.Variant, cfg.Slide.Growth, cfg.Slide.Clean = synth.Variant(f.variant), synth.Growth(f.growth), f.clean
			cfg.Write.NewEncoder = newEncoder
			if err := writable(f.out); err != nil {
				return err
			}
			begun := time.Now()
			cfg.Done = func(i int, path string) {
				fmt.Fprintf(std.Err, "[%d/%d] %s\n", i+1, f.count, path)
			}
			if err := synth.WriteSet(cmd.Context(), f.out, cfg); err != nil {
				return err
			}
			fmt.Fprintf(std.Out, "%d synthetic slides of %s px with their truth in %s, %.1f s. Not patients' tissue.\n",
				f.count, size, filepath.ToSlash(f.out), time.Since(begun).Seconds())
			return nil
		},
	}
	var variants []string
	for _, v := range synth.Variants() {
		variants = append(variants, string(v))
	}
	d := synth.DefaultConfig()
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.out, "out", "synth", "folder to write to")
	fs.IntVar(&f.count, "count", 1, "number of slides")
	fs.Float64Var(&f.bcc, "bcc", 0.5, "share of slides with BCC, 0 to 1")
	fs.Uint64Var(&f.seed, "seed", d.Seed, "seed that everything follows from")
	fs.Float64Var(&f.mpp, "mpp", d.MPP, "scale of level 0 in µm per pixel")
	fs.StringVar(&f.size, "size", d.Size.String(), "WxH of level 0 in pixels, up to 40000x40000")
	fs.StringVar(&f.variant, "variant", string(d.Variant), strings.Join(variants, ", "))
	fs.StringVar(&f.growth, "growth", "", "nodular, superficial or infiltrative; empty: all in turn")
	fs.BoolVar(&f.clean, "clean", false, "no folds, pen marks or blur")
	return cmd
}

func parseSize(s string) (wsi.Size, error) {
	var size wsi.Size
	if _, err := fmt.Sscanf(s, "%dx%d", &size.W, &size.H); err != nil || size.String() != s {
		return size, fault.Hint(fault.New(fault.Invalid, "--size %q is no size", s), "write it as 12800x9600")
	}
	return size, nil
}

// newEncoder hands the native JPEG encoder to synth.
func newEncoder(quality int, subsampling string) (synth.TileEncoder, error) {
	e, err := jpeg.NewEncoder(quality, subsampling)
	if err != nil {
		return nil, err // not a typed nil in an interface
	}
	return e, nil
}
