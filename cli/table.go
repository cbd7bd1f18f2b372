package cli

import (
	"fmt"
	"io"
	"text/tabwriter"

	"bcc/detect"
)

// printTable prints every slide and its end, in the order of the list.
func printTable(w io.Writer, ends []detect.End) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SLIDE\tEND\tANSWER\tSCORE\tPATCHES\tTIME\tREPORT OR REASON")
	for _, e := range ends {
		switch e.Status {
		case detect.Done:
			fmt.Fprintf(tw, "%s\t%s\t%s\t%.2f\t%d\t%s\t%s/report.html\n", e.Name, e.Status, e.Result.Prediction, e.Result.Score, e.Result.Tissue.Patches, e.Took.Round(1e7), e.Dir)
		case detect.Skipped:
			fmt.Fprintf(tw, "%s\t%s\t%s\t%.2f\t\t\t%s/report.html\n", e.Name, e.Status, e.Result.Prediction, e.Result.Score, e.Dir)
		default:
			fmt.Fprintf(tw, "%s\t%s\t\t\t\t\t%v\n", e.Name, e.Status, oneLine(e.Err))
		}
	}
	tw.Flush()

	counts := map[detect.Status]int{}
	for _, e := range ends {
		counts[e.Status]++
	}
	fmt.Fprintf(w, "\n%d slides: %d done, %d skipped (results were there), %d failed", len(ends), counts[detect.Done], counts[detect.Skipped], counts[detect.Failed])
	if n := counts[detect.Stopped]; n > 0 {
		fmt.Fprintf(w, ", %d stopped", n)
	}
	fmt.Fprintln(w, ". Not a diagnosis.")
}

// oneLine keeps an error from breaking the table.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	out := []rune(err.Error())
	for i, r := range out {
		if r == '\n' || r == '\t' {
			out[i] = ' '
		}
	}
	return string(out)
}
