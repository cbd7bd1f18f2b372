package sim

import (
	"math"
	"strings"
	"time"

	"bcc/fault"
)

// azureLLM is the Azure Public Dataset's form of 2023: a request a row. A token is
// taken for a patch: both are what a machine does so many of in a second.
var azureLLM = Format{
	Name:  "azure-llm",
	About: "TIMESTAMP,ContextTokens,GeneratedTokens: a token of either sort is a patch",
	head:  []string{"TIMESTAMP", "ContextTokens", "GeneratedTokens"},
	row: func(t *table, row []string) (Job, error) {
		at, err := time.Parse("2006-01-02 15:04:05", strings.TrimSpace(row[0])) // takes fractions of a second too
		if err != nil {
			return Job{}, fault.New(fault.Invalid, "TIMESTAMP %q is no time like 2023-11-16 18:17:03.9799600", shorten(row[0]))
		}
		if !t.begun {
			t.zero, t.begun = at, true
		}
		arrival := at.Sub(t.zero)
		if arrival < 0 {
			return Job{}, fault.New(fault.Invalid, "time runs backwards: %s is before the first row", shorten(row[0]))
		}
		context, err := number("ContextTokens", row[1], maxJobPatches)
		if err != nil {
			return Job{}, err
		}
		generated, err := number("GeneratedTokens", row[2], maxJobPatches)
		if err != nil {
			return Job{}, err
		}
		if context+generated < 1 {
			return Job{}, fault.New(fault.Invalid, "a request without tokens")
		}
		return Job{Arrival: arrival, Patches: int(math.Ceil(context + generated))}, nil
	},
}

// azureFunctions is the Azure Public Dataset's form of 2021: an invocation a row, by
// its end. Its seconds are those of one reference worker, and it arrived when it began.
var azureFunctions = Format{
	Name:  "azure-functions",
	About: "app,func,end_timestamp,duration: came at end − duration, seconds of the reference rate's worker become patches",
	head:  []string{"app", "func", "end_timestamp", "duration"},
	loose: true, // by end, so that what began first may come later
	row: func(t *table, row []string) (Job, error) {
		end, err := number("end_timestamp", row[2], maxHorizon.Seconds())
		if err != nil {
			return Job{}, err
		}
		took, err := number("duration", row[3], maxHorizon.Seconds())
		if err != nil {
			return Job{}, err
		}
		arrival := end - took
		if arrival < -1e-6 {
			return Job{}, fault.New(fault.Invalid, "it ended at %s s after %s s: it began before the trace did", shorten(row[2]), shorten(row[3]))
		}
		patches := max(math.Ceil(took*t.opt.Reference), 1)
		if patches > maxJobPatches {
			return Job{}, fault.New(fault.Invalid, "duration %s: more than %d patches", shorten(row[3]), maxJobPatches)
		}
		return Job{Arrival: time.Duration(max(arrival, 0) * float64(time.Second)), Patches: int(patches)}, nil
	},
}
