package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bcc/client"
	"bcc/fault"
)

func newStatus(std Streams) *cobra.Command {
	var ask askFlags
	var wait, asJSON, asCSV bool
	cmd := &cobra.Command{
		Use:   "status [flags] [COHORT]",
		Short: "Say how far cohorts are",
		Long: `Without a cohort, lists the cohorts of a server that the key may see. With one, says
how many of its slides are done, which ones came to no result and why, and when it may
be done: nine in ten forecasts hold between the times in brackets.

With --wait it follows the cohort to its end. The exit code is 0 where every slide is
done; else that of the first slide that is not: the kind of its failure, or 1 where it is
quarantined or cancelled. Ctrl-C ends the waiting, not the cohort.`,
		Example: `  bcc status
  bcc status --wait cq2r3…
  bcc status --json cq2r3… | jq .counts
  bcc status --csv cq2r3… > answers.csv`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return none(cmd, args[1:])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && (wait || asCSV) {
				return fault.Hint(fault.New(fault.Invalid, "--wait or --csv without a cohort"), "%s", cmd.UseLine())
			}
			if asCSV && (wait || asJSON) {
				return fault.Hint(fault.New(fault.Invalid, "--csv with --wait or --json"), "wait first, then ask for the table")
			}
			show := newLive(std.Err)
			defer show.close()
			c, err := ask.open(show.note)
			if err != nil {
				return err
			}
			defer c.Close()
			w := &watching{client: c, json: asJSON, std: std, show: show}
			switch {
			case len(args) == 0:
				err = listCohorts(cmd.Context(), c, asJSON, std)
			case asCSV:
				err = slidesCSV(cmd.Context(), c, args[0], std.Out)
			case wait:
				err = w.wait(cmd.Context(), args[0])
			default:
				err = w.once(cmd.Context(), args[0])
			}
			return askedOf(err)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.BoolVar(&wait, "wait", false, "follow the cohort until it is over")
	fs.BoolVar(&asJSON, "json", false, "print JSON, an object a line")
	fs.BoolVar(&asCSV, "csv", false, "print a table of the cohort's slides: state, prediction, score, why there is none")
	ask.register(fs)
	return cmd
}

// listCohorts prints all cohorts, the newest first.
func listCohorts(ctx context.Context, c *client.Client, asJSON bool, std Streams) error {
	all, err := c.Cohorts(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(std.Out)
		for _, one := range all {
			if err := enc.Encode(one); err != nil {
				return unwritten(err)
			}
		}
		return nil
	}
	if len(all) == 0 {
		fmt.Fprintf(std.Err, "bcc: no cohort on %s; bcc submit makes one\n", hostOf(c.Server()))
		return nil
	}
	return cohortGrid(all).print(std.Out)
}

// cohortGrid is a row a cohort. Ends that no slide came to may go where there is no room.
func cohortGrid(all []client.Cohort) *grid {
	g := &grid{quiet: true, head: []string{"COHORT", "NAME", "SUBMITTED", "STATE", "SLIDES", "DONE", "FAILED", "QUARANTINED", "CANCELLED", "LEFT"}}
	var failed, quarantined, cancelled int
	for _, one := range all {
		n := one.Counts
		state := one.State
		if one.Held {
			state = "held at its cap"
		}
		if one.Priority == "urgent" && !one.Over() {
			state += ", urgent"
		}
		failed, quarantined, cancelled = failed+n.Failed, quarantined+n.Quarantined, cancelled+n.Cancelled
		g.row(one.ID, shorten(printable(one.Name), 30), one.Submitted.Local().Format("2006-01-02 15:04"), state,
			fmt.Sprint(n.Submitted), fmt.Sprint(n.Done), fmt.Sprint(n.Failed), fmt.Sprint(n.Quarantined), fmt.Sprint(n.Cancelled), leftOf(one))
	}
	for _, column := range []struct {
		name string
		n    int
	}{{"CANCELLED", cancelled}, {"QUARANTINED", quarantined}, {"FAILED", failed}} {
		if column.n == 0 {
			g.less = append(g.less, column.name)
		}
	}
	g.less = append(g.less, "SUBMITTED")
	return g
}

// leftOf is how much is to come: the time where it is known.
func leftOf(c client.Cohort) string {
	if c.Over() {
		return ""
	}
	if f := c.Forecast; f != nil {
		return "about " + span(f.RemainingS)
	}
	return slides(c.Counts.Pending + c.Counts.Running)
}

// span is a length of time as people say it.
func span(seconds float64) string {
	d := time.Duration(max(seconds, 0) * float64(time.Second))
	switch {
	case d < 100*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 100*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
