package cli

import (
	"github.com/spf13/cobra"

	"bcc/isolate"
	"bcc/native/pixel"
	"bcc/patch"
)

// decodeCommand is how this program calls itself to decode slides: isolate.Pool.
const decodeCommand = "decode"

func newDecode() *cobra.Command {
	return &cobra.Command{
		Use:    decodeCommand,
		Short:  "Decode slides for the process that started this one",
		Long:   "What other commands start for each slide with --isolate. It talks over a socket that they hand to it.",
		Hidden: true,
		Args:   none,
		RunE: func(*cobra.Command, []string) error {
			// A slot of the scheduler a core, not four as elsewhere: fewer threads wake each
			// other, and nothing here waits for the next patch (docs/isolation.md).
			return isolate.Child(codecs(), resampler())
		},
	}
}

// resampler returns the fastest that there is; all give the same bytes.
func resampler() patch.ResampleFunc {
	if pixel.Available() {
		return pixel.Resample
	}
	return nil
}
