package cli

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bcc/detect"
)

// detectFlags are the flags of bcc detect.
type detectFlags struct {
	walkFlags
	threshold float64
}

// registerWalk adds the flags of every command that walks slides and judges them.
func (f *detectFlags) registerWalk(fs *pflag.FlagSet) {
	f.registerThreshold(fs)
	f.registerCut(fs)
}

func (f *detectFlags) registerThreshold(fs *pflag.FlagSet) {
	fs.Float64Var(&f.threshold, "threshold", 0, "slide score from which a slide is called BCC, 0 to 1; not given: the model card's operating point")
}

func newDetect(std Streams) *cobra.Command {
	var f detectFlags
	cmd := &cobra.Command{
		Use:   "detect [flags] SLIDE|DIR|MANIFEST…",
		Short: "Find BCC on slides and write a report for each",
		Long: `Walks every slide named (files, folders, patterns, manifests in .csv or .txt)
and writes OUT/<slide name>/ with result.json, patches.csv, lesions.geojson,
heatmap.png and report.html. A slide whose results are there already, for the
same content, model, parameters and program version, is skipped; a bad slide does not stop the
others. Nothing it writes is a diagnosis.`,
		Example: `  bcc detect slide.svs
  bcc detect --out results --overlap 0.5 slides/
  bcc detect --mpp 0.25 photo.png`,
		Args: wants("slide, folder or manifest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDetect(cmd, args, f, std)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.out, "out", "results", "folder for the results, one folder a slide in it")
	f.register(fs)
	f.registerScale(fs)
	f.registerWalk(fs)
	f.registerShard(fs)
	f.isolate.register(fs, false)
	return cmd
}

func runDetect(cmd *cobra.Command, args []string, f detectFlags, std Streams) error {
	return runWalk(cmd, args, f.walkFlags, std, detectTable, func() (walker, *engine, error) {
		return openDetector(cmd, f, std)
	})
}

// openDetector opens the model and starts the engine; the caller closes it.
func openDetector(cmd *cobra.Command, f detectFlags, std Streams) (*detect.Detector, *engine, error) {
	j, err := openJudge(cmd.Context(), cmd.Flags(), f, std.Err)
	if err != nil {
		return nil, nil, err
	}
	d, err := detect.New(j.cfg, j.engine)
	if err != nil {
		return nil, nil, errors.Join(err, j.engine.Close())
	}
	return d, j.engine, nil
}
