package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"bcc/fault"
)

func newCancel(std Streams) *cobra.Command {
	var ask askFlags
	cmd := &cobra.Command{
		Use:   "cancel [flags] COHORT…",
		Short: "End cohorts: what is not done stays undone",
		Long: `Ends cohorts: slides that wait are not begun, those being looked at are let go of. What
is done stays. bcc submit again does not look at it twice.`,
		Args: wants("cohort"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			c, err := ask.open(std.note())
			if err != nil {
				return err
			}
			defer c.Close()
			var wrong []error
			for _, id := range ids {
				now, err := c.Cancel(cmd.Context(), id)
				if err != nil {
					wrong = append(wrong, askedOf(fault.New(fault.Of(err), "%s: %w", id, err)))
					continue
				}
				if _, err := fmt.Fprintf(std.Out, "%s: %s\n", now.ID, counted(now.Counts)); err != nil {
					return unwritten(err)
				}
			}
			return errors.Join(wrong...)
		},
	}
	ask.register(cmd.Flags())
	return cmd
}
