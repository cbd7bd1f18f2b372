package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bcc/bench"
	"bcc/fault"
	"bcc/telemetry"
)

// benchBalanceFlags are the flags of bcc bench balance.
type benchBalanceFlags struct {
	bench.Balance
	bin      string
	balancer []string // flags of bcc balance
	without  bool
	json     bool
}

func newBenchBalance(std Streams) *cobra.Command {
	var f benchBalanceFlags
	cmd := &cobra.Command{
		Use:   "balance",
		Short: "bcc balance against nginx and HAProxy, in front of three servers of which one is slow, dies or restarts",
		Long: `Puts bcc balance, nginx (round_robin, least_conn) and HAProxy (roundrobin, leastconn)
in turn in front of three servers, and sends each the same requests at the same times,
half of them reads and half small pictures to predict, whatever is answered:

  well      all three do well
  slow      one takes --slow times as long
  dies      one is killed
  restart   each is restarted in turn, taken out before as each balancer has it
  most      servers that answer at once: what the balancer itself can do

The servers are processes that only take their time; load is a share of what two of
them can do. Each figure is the median of the rounds; the ratio is that of the p99 to
the p99 of two healthy servers asked in turn without a balancer, in the same round (for
most: of the rates). What is not installed is said and left out (make setup-proxies).`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringSliceVar(&f.Scenarios, "scenario", bench.BalanceScenarios, "what to measure")
	fs.IntVar(&f.Rounds, "rounds", 3, "how often each side runs; the median counts")
	fs.DurationVar(&f.For, "for", 2*time.Second, "that is measured of each side in each round; a restart takes as long as it takes")
	fs.DurationVar(&f.Warm, "warm", 750*time.Millisecond, "load before that")
	fs.DurationVar(&f.Service, "service", 20*time.Millisecond, "what a server takes for a request")
	fs.IntVar(&f.Places, "places", 8, "requests that a server does at once; more wait in it")
	fs.Float64Var(&f.Load, "load", 0.7, "share of what two servers can do")
	fs.Float64Var(&f.Slow, "slow", 5, "how many times as long the slow server takes")
	fs.DurationVar(&f.Probe, "probe", 250*time.Millisecond, "how often bcc balance and HAProxy ask servers whether they are ready")
	fs.IntVar(&f.Clients, "clients", 64, "clients of most, each of which waits for its answer")
	fs.Uint64Var(&f.Seed, "seed", 1, "of the times and kinds of requests")
	fs.StringVar(&f.bin, "bin", "", "the program whose bcc balance is measured; empty: this one")
	fs.StringArrayVar(&f.balancer, "balance-flag", nil, "a flag for bcc balance, as --name=value")
	fs.BoolVar(&f.without, "alone", false, "without the balancers of others")
	fs.BoolVar(&f.json, "json", false, "print one JSON object a side and scenario")
	return cmd
}

// newBenchStub is the process that stands for a server.
func newBenchStub(Streams) *cobra.Command {
	var s bench.StubServer
	cmd := &cobra.Command{
		Use: "stub", Short: "A server that only takes its time", Hidden: true, Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.Run(cmd.Context()) },
	}
	fs := cmd.Flags()
	fs.StringVar(&s.Address, "addr", "", "host:port")
	fs.DurationVar(&s.Service, "service", 0, "what a request takes")
	fs.IntVar(&s.Places, "places", 1, "requests at once")
	fs.DurationVar(&s.Linger, "linger", 0, "at the end, how long /readyz says no")
	return cmd
}

func (f *benchBalanceFlags) run(ctx context.Context, std Streams) error {
	self, err := os.Executable()
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	f.Program, f.Stub, f.Env, f.Cores = self, []string{"bench", "stub"}, plainEnvironment(), cores
	ours := bench.Front{Name: "bcc balance", Version: telemetry.Version, Program: self, Args: f.balancer}
	if f.bin != "" {
		ours.Program, ours.Version = f.bin, ""
	}
	f.Fronts = []bench.Front{ours}
	if !f.without {
		peers, missing := bench.PeerFronts(ctx)
		for _, m := range missing {
			fmt.Fprintf(std.Err, "bcc: note: no comparison with %s: it is not installed (make setup-proxies)\n", m)
		}
		f.Fronts = append(f.Fronts, peers...)
	}
	f.Done = func(scenario, name string, round int) {
		fmt.Fprintf(std.Err, "round %d of %d: %s, %s\n", round+1, f.Rounds, scenario, name)
	}
	figures, err := f.Run(ctx)
	if err != nil {
		return err
	}
	return showBalance(std.Out, f.json, figures)
}

// showBalance prints a table a scenario.
func showBalance(w io.Writer, asJSON bool, all []bench.BalanceFigures) error {
	if asJSON {
		for _, f := range all {
			if err := show(w, true, f, ""); err != nil {
				return err
			}
		}
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var notes []string
	for i, f := range all {
		if i == 0 || f.Scenario != all[i-1].Scenario {
			if i > 0 {
				fmt.Fprintln(tw)
			}
			what := "p99 to the first"
			if f.Scenario == "most" {
				what = "rate to the first"
			}
			fmt.Fprintf(tw, "%s\tanswered/s\tp50\tp99\t%s\terrors of requests\tCPU-s/1000\tmemory\n", f.Scenario, what)
		}
		cost := "–\t–"
		if f.RSS > 0 {
			cost = fmt.Sprintf("%.3f\t%d MB", f.CPU, f.RSS/1e6)
		}
		fmt.Fprintf(tw, "%s\t%.0f\t%.1f ms\t%.1f ms\t%.2f (%.2f to %.2f)\t%d of %d\t%s\n",
			f.Balancer, f.Rate, f.P50, f.P99, f.Ratio, f.RatioLow, f.RatioHigh, f.Errors, f.Requests, cost)
		if f.Errors > 0 {
			notes = append(notes, fmt.Sprintf("%s, %s: %s", f.Scenario, f.Balancer, f.ErrorKinds()))
		}
	}
	if err := tw.Flush(); err != nil || len(notes) == 0 {
		return err
	}
	_, err := fmt.Fprintf(w, "\nerrors\n%s\n", strings.Join(slices.Compact(notes), "\n"))
	return err
}
