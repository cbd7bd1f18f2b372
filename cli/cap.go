package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"bcc/capacity"
	"bcc/fault"
)

func newCap(std Streams) *cobra.Command {
	var ask askFlags
	cmd := &cobra.Command{
		Use:   "cap [flags] COHORT USD|none",
		Short: "Say what a cohort may cost",
		Long: `Sets, raises or takes away what a cohort may cost in all. Where that is spent, slides
that wait are not begun any more; those that are begun come to their end. Raised or
taken away, it goes on within seconds. The server has to know what its workers cost
(bcc serve --price-per-hour, --price).`,
		Example: `  bcc cap cq2r3… 25
  bcc cap cq2r3… none`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 {
				return none(cmd, args[2:])
			}
			if len(args) < 2 {
				return wants("cohort and amount")(cmd, nil)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			usd, err := capAmount(args[1])
			if err != nil {
				return err
			}
			c, err := ask.open(std.note())
			if err != nil {
				return err
			}
			defer c.Close()
			now, err := c.SetCap(cmd.Context(), args[0], usd)
			if err != nil {
				return askedOf(fault.New(fault.Of(err), "%s: %w", args[0], err))
			}
			what := "no cap"
			if now.CapUSD != nil {
				what = "capped at " + capacity.Dollars(*now.CapUSD)
			}
			if now.Held {
				what += ", which is spent: nothing more is begun"
			}
			if _, err := fmt.Fprintf(std.Out, "%s: %s; %s\n", now.ID, what, counted(now.Counts)); err != nil {
				return unwritten(err)
			}
			return nil
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

// capAmount reads USD, nil where none is meant.
func capAmount(text string) (*float64, error) {
	if text == "none" {
		return nil, nil
	}
	usd, err := strconv.ParseFloat(text, 64)
	if err != nil || !(usd > 0) {
		return nil, fault.New(fault.Invalid, "cap %q: want an amount in USD, or none", text)
	}
	return &usd, nil
}
