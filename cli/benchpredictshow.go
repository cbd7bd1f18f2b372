package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"bcc/bench"
)

// showPredict prints the comparisons: a table a number of clients, ours first.
func showPredict(w io.Writer, asJSON bool, all []bench.PredictFigures) error {
	if asJSON {
		for _, f := range all {
			if err := show(w, true, f, ""); err != nil {
				return err
			}
		}
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, f := range all {
		if i == 0 || f.Clients != all[i-1].Clients {
			if i > 0 {
				fmt.Fprintln(tw)
			}
			fmt.Fprintf(tw, "%s, clients: %d, %d cores\timages/s\tto engine\tmedian\tp90\tp99\tadded\n", f.Name, f.Clients, f.Machine.Cores)
			engineRows(tw, f)
		}
		added := ""
		if f.Clients == 1 {
			added = fmt.Sprintf("%.2f ms (%.2f to %.2f)", f.Added, f.AddedLow, f.AddedHigh)
		}
		fmt.Fprintf(tw, "%s\t%.1f\t%.3f (%.3f to %.3f)\t%.2f ms\t%.2f ms\t%.2f ms\t%s\n",
			f.Server, f.Rate, f.Ratio, f.RatioLow, f.RatioHigh, f.P50, f.P90, f.P99, added)
	}
	for _, f := range all {
		fmt.Fprintf(tw, "\n%s, clients: %d: answers %s; %d from a cache; the client took %.3f ms of a core a request, %.1f %% of the cores",
			f.Server, f.Clients, counts(f.Status), f.Cached, f.ClientCPU, 100*f.Client)
		if f.ServerCPU > 0 {
			fmt.Fprintf(tw, "; the server %.3f, the engine alone %.3f", f.ServerCPU, f.EngineCPU)
		}
		if f.Memory > 0 {
			fmt.Fprintf(tw, "; %d MB", f.Memory>>20)
		}
		if f.Difference > 0 {
			fmt.Fprintf(tw, "; score of the same picture off by %.2g", f.Difference)
		}
	}
	fmt.Fprintln(tw)
	return tw.Flush()
}

// engineRows prints what the engine and the steps before HTTP take.
func engineRows(w io.Writer, f bench.PredictFigures) {
	fmt.Fprintf(w, "engine, every core\t%.1f\t\t\t\t\t\n", f.EngineRate)
	row := func(name string, ms float64) {
		if ms > 0 {
			fmt.Fprintf(w, "%s\t%.1f\t\t%.2f ms\t\t\t%.2f ms\n", name, 1000/ms, ms, ms-f.EngineOne)
		}
	}
	row("engine, one patch", f.EngineOne)
	row("one patch in the server's batch", f.ServedOne)
	row("decode and score, no HTTP", f.LookOne)
}

// showOverload prints what an overload did.
func showOverload(w io.Writer, asJSON bool, f bench.OverloadFigures) error {
	if asJSON {
		return show(w, true, f, "")
	}
	mb := func(b int64) string { return fmt.Sprintf("%.0f MB", float64(b)/1e6) }
	return show(w, false, nil, `
%s, overload of %s: %.0f images/s asked for %.0f s; it can do %.1f with %d clients
  answers      %s; neither 200 nor 429: %d
  accepted     %.1f images/s, %.3f of the capacity; median %.1f ms, p99 %.1f ms
  p99          %.2f times that at capacity (%.1f ms), %.2f times that at 0.9 of it (%.1f ms)
  refused      median %.2f ms, p99 %.2f ms; Retry-After, seconds: %s
  memory       %s before, %s early, %s late, %s at most, %s after
  the client   %.3f ms of a core a request, sent late by %.1f ms (p99); %d answers from a cache`,
		f.Server, f.Name, f.Offered, f.Seconds, f.Capacity, f.Clients,
		counts(f.Status), f.Others,
		f.Rate, f.Kept, f.Accepted.P50, f.Accepted.P99,
		f.P99Ratio, f.AtCapacity.P99, f.P99Nearly, f.Nearly.P99,
		f.Refused.P50, f.Refused.P99, counts(f.RetryAfter),
		mb(f.RSSBefore), mb(f.RSSEarly), mb(f.RSSLate), mb(f.RSSMost), mb(f.RSSAfter),
		f.ClientCPU, f.Late, f.Cached)
}

// counts prints how often each came, in order.
func counts(n map[string]int) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(n)) {
		out = append(out, fmt.Sprintf("%d × %s", n[k], k))
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
