package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"bcc/bench"
)

func newBenchTruth(std Streams) *cobra.Command {
	f := detectFlags{}
	cmd := &cobra.Command{
		Use:   "truth [flags] SET",
		Short: "The answers on a set of synthetic slides against their known truth",
		Long: `Walks the slides of a folder that bcc synth wrote and prints slide AUROC with its
95 % interval, sensitivity and specificity at the operating point, and how found
lesions overlap true ones. The slides are synthetic: this is no accuracy on BCC.`,
		Args: wants("folder with labels.csv"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, e, err := openDetector(cmd, f, std)
			if err != nil {
				return err
			}
			figures, err := bench.Truth{Detector: d, Dir: args[0], Out: f.out, Jobs: f.jobs}.Run(cmd.Context(), nil)
			if err := errors.Join(err, e.Close()); err != nil {
				return err
			}
			return show(std.Out, f.json, figures,
				"%s on %d synthetic slides (%d with BCC; no patient's): slide AUROC %.3f (%.3f to %.3f); at %.2f sensitivity %.2f, specificity %.2f, %d indeterminate;\n"+
					"lesions: Dice %.2f, precision %.2f, recall %.2f of the area; %.2f of true lesions touched, %.2f false ones a slide; %.2f mm² called on a slide without BCC",
				figures.Model, figures.Slides, figures.Positives, figures.AUROC, figures.AUROCInterval[0], figures.AUROCInterval[1],
				figures.Threshold, figures.Sensitivity, figures.Specificity, figures.Indeterminate,
				figures.Dice, figures.Precision, figures.Recall, figures.LesionHits, figures.FalsePerSlide, figures.FoundInClearMM)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.out, "out", "results", "folder for the results; those that are there are not made again")
	f.register(fs)
	f.registerWalk(fs)
	return cmd
}
