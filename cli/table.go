package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"bcc/detect"
	"bcc/fault"
)

// table is how a command prints the ends of its slides.
type table struct {
	head    string                    // titles of the columns between END and the last
	last    string                    // title of the last column
	cells   func(e detect.End) string // of a slide that is done or skipped; tabs between them
	there   string                    // what was there of those skipped
	closing string                    // after the counts
	failed  bool                      // rows of the slides that failed alone
}

var detectTable = table{
	head: "ANSWER\tSCORE\tPATCHES\tTIME", last: "REPORT OR REASON", there: "results", closing: " Not a diagnosis.",
	cells: func(e detect.End) string {
		patches, took := "", ""
		if e.Status == detect.Done {
			patches, took = fmt.Sprint(e.Patches), e.Took.Round(1e7).String()
		}
		return fmt.Sprintf("%s\t%.2f\t%s\t%s\t%s/report.html", e.Result.Prediction, e.Result.Score, patches, took, printable(e.Dir))
	},
}

var bagTable = table{
	head: "PATCHES\tTIME", last: "BAG OR REASON", there: "bags",
	cells: func(e detect.End) string {
		took := ""
		if e.Status == detect.Done {
			took = e.Took.Round(1e7).String()
		}
		return fmt.Sprintf("%d\t%s\t%s", e.Patches, took, printable(e.Bag))
	},
}

// failureTable is what is told of bags that are made on the way to something else.
var failureTable = table{last: "REASON", there: bagTable.there, failed: true}

// print prints every slide and its end, in the order of the list.
func (t table) print(w io.Writer, ends []detect.End) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "SLIDE\tEND\t%s\t%s\n", t.head, t.last)
	none := strings.Repeat("\t", strings.Count(t.head, "\t")+1)
	counts := map[detect.Status]int{}
	for _, e := range ends {
		counts[e.Status]++
		switch e.Status {
		case detect.Waiting: // only counted: a list may have a million
		case detect.Done, detect.Skipped:
			if t.failed {
				continue
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\n", printable(e.Name), e.Status, t.cells(e))
		default:
			fmt.Fprintf(tw, "%s\t%s\t%s%v\n", printable(e.Name), e.Status, none, oneLine(e.Err))
		}
	}
	if err := tw.Flush(); err != nil {
		return unwritten(err)
	}
	fmt.Fprintf(w, "\n%s: %d done, %d skipped (%s were there), %d failed", slides(len(ends)), counts[detect.Done], counts[detect.Skipped], t.there, counts[detect.Failed])
	if n := counts[detect.Stopped]; n > 0 {
		fmt.Fprintf(w, ", %d stopped", n)
	}
	if n := counts[detect.Waiting]; n > 0 {
		fmt.Fprintf(w, ", %d not begun", n)
	}
	if _, err := fmt.Fprintf(w, ".%s\n", t.closing); err != nil {
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
