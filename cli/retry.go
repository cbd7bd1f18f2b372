package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newRetry(std Streams) *cobra.Command {
	var ask askFlags
	var failed, quarantined, cancelled bool
	cmd := &cobra.Command{
		Use:   "retry [flags] COHORT",
		Short: "Try slides again that came to no result",
		Long: `Submits the slides of a cohort anew that failed or were quarantined, as a cohort of
their own, and prints its id. What was looked at before is not looked at again.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return none(cmd, args[1:])
			}
			return wants("cohort")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := ask.open(std.note())
			if err != nil {
				return err
			}
			defer c.Close()
			var states []string
			for state, wanted := range map[string]bool{"failed": failed, "quarantined": quarantined, "cancelled": cancelled} {
				if wanted {
					states = append(states, state)
				}
			}
			made, err := c.Retry(cmd.Context(), args[0], states...)
			if err != nil {
				return askedOf(err)
			}
			// Alone on standard output, for scripts.
			if _, err := fmt.Fprintln(std.Out, made.ID); err != nil {
				return unwritten(err)
			}
			fmt.Fprintf(std.Err, "bcc: %s tried again as cohort %s\n", slidesAre(made.Counts.Submitted), made.ID)
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.BoolVar(&failed, "failed", false, "those that failed; without any of these flags, failed and quarantined")
	fs.BoolVar(&quarantined, "quarantined", false, "those that were quarantined")
	fs.BoolVar(&cancelled, "cancelled", false, "those that were cancelled")
	ask.register(fs)
	return cmd
}
