package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"bcc/detect"
	"bcc/fault"
)

// printTable prints every slide and its end, in the order of the list.
func printTable(w io.Writer, ends []detect.End) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SLIDE\tEND\tANSWER\tSCORE\tPATCHES\tTIME\tREPORT OR REASON")
	counts := map[detect.Status]int{}
	for _, e := range ends {
		counts[e.Status]++
		switch e.Status {
		case detect.Waiting: // only counted: a list may have a million
		case detect.Done:
			fmt.Fprintf(tw, "%s\t%s\t%s\t%.2f\t%d\t%s\t%s/report.html\n", printable(e.Name), e.Status, e.Result.Prediction, e.Result.Score, e.Result.Tissue.Patches, e.Took.Round(1e7), printable(e.Dir))
		case detect.Skipped:
			fmt.Fprintf(tw, "%s\t%s\t%s\t%.2f\t\t\t%s/report.html\n", printable(e.Name), e.Status, e.Result.Prediction, e.Result.Score, printable(e.Dir))
		default:
			fmt.Fprintf(tw, "%s\t%s\t\t\t\t\t%v\n", printable(e.Name), e.Status, oneLine(e.Err))
		}
	}
	if err := tw.Flush(); err != nil {
		return unwritten(err)
	}
	fmt.Fprintf(w, "\n%s: %d done, %d skipped (results were there), %d failed", slides(len(ends)), counts[detect.Done], counts[detect.Skipped], counts[detect.Failed])
	if n := counts[detect.Stopped]; n > 0 {
		fmt.Fprintf(w, ", %d stopped", n)
	}
	if n := counts[detect.Waiting]; n > 0 {
		fmt.Fprintf(w, ", %d not begun", n)
	}
	if _, err := fmt.Fprintln(w, ". Not a diagnosis."); err != nil {
		return unwritten(err)
	}
	return nil
}

func unwritten(err error) error {
	return fault.New(fault.Unavailable, "write to standard output: %w", err)
}

func slides(n int) string {
	if n == 1 {
		return "1 slide"
	}
	return fmt.Sprintf("%d slides", n)
}

// oneLine keeps an error from breaking the table.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	return printable(strings.ReplaceAll(err.Error(), "\n", "; "))
}
